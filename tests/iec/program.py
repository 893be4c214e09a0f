"""Reads a whole source file and runs its function blocks: what a PLC would do, as far as the subset goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.iec.expressions import Frame, Function
from tests.iec.lexer import IecError, check_name
from tests.iec.reader import Reader, Variable
from tests.iec.statements import BlockType, Run, Statements
from tests.iec.values import StructType, copied

if TYPE_CHECKING:
    from tests.iec.values import Type


class Machine:
    """A PLC with one source file. `now` is its clock in ms, which the test moves."""

    def __init__(self, source: str, *, scl: bool = False) -> None:
        self.now = 0
        self.blocks: dict[str, BlockType] = {}
        self.data: dict[str, StructType] = {}
        """SCL: the data blocks."""
        self._functions: dict[str, Function] = {}
        self._reader = Reader(source, scl=scl, clock=lambda: self.now)
        while self._reader.token.kind != "end":
            self._unit()

    def _unit(self) -> None:
        reader = self._reader
        units = {
            "TYPE": self._type,
            "FUNCTION": self._function,
            "FUNCTION_BLOCK": lambda: self._block("END_FUNCTION_BLOCK"),
            "PROGRAM": lambda: self._block("END_PROGRAM"),
            "CONFIGURATION": self._configuration,
        }
        if reader.scl:
            units["DATA_BLOCK"] = self._data_block
        for word, read in units.items():
            if reader.skip(word):
                read()
                return
        raise reader.error("a block expected")

    def _name(self) -> str:
        token = self._reader.take()
        if self._reader.scl != (token.kind == "quoted"):
            raise IecError(f"line {token.line}: {token.text}: not how this dialect names a block")
        name = check_name(token)
        if name in self.blocks or name in self._functions or name.upper() in self._reader.types:
            raise IecError(f"line {token.line}: {token.text} stands twice")
        return name

    def _header(self) -> None:
        """SCL: the version of a block."""
        if self._reader.scl:
            self._reader.expect("VERSION")
            self._reader.expect(":")
            self._reader.take()

    def _type(self) -> None:
        reader = self._reader
        name = self._name()
        if reader.scl:
            self._header()
            reader.expect("STRUCT")
            kind: Type = StructType(name, members=reader.members())
        else:
            reader.expect(":")
            kind = reader.type_()
        reader.expect(";")
        reader.expect("END_TYPE")
        reader.types[name.upper()] = kind

    def _data_block(self) -> None:
        name = self._name()
        self._header()
        self._reader.expect("NON_RETAIN")
        self._reader.expect("STRUCT")
        self.data[name] = StructType(name, members=self._reader.members())
        for word in (";", "BEGIN", "END_DATA_BLOCK"):
            self._reader.expect(word)

    def _body(self, variables: list[Variable], end: str) -> Run:
        if self._reader.scl:
            self._reader.expect("BEGIN")
        run = Statements(self._reader, variables, self._functions).until(end)
        self._reader.expect(end)
        return run

    def _function(self) -> None:
        reader = self._reader
        name = self._name()
        reader.expect(":")
        result = reader.type_()
        self._header()
        variables = [*reader.variables(), Variable(name, result, "result", result.default)]
        run = self._body(variables, "END_FUNCTION")

        def call(given: dict[str, Any]) -> Any:
            frame = {one.name: one.initial() for one in variables} | given
            run(frame)
            return frame[name]

        inputs = {one.name: one.kind for one in variables if one.role == "input"}
        self._functions[name] = Function(inputs, result, call)

    def _block(self, end: str) -> None:
        name = self._name()
        self._header()
        variables = self._reader.variables()
        block = BlockType(name, variables, self._body(variables, end))
        self.blocks[name] = block
        self._reader.types[name.upper()] = block

    def _configuration(self) -> None:
        """OpenPLC: which program runs; nothing here changes what it does."""
        while not self._reader.skip("END_CONFIGURATION"):
            if self._reader.token.kind == "end":
                raise self._reader.error("END_CONFIGURATION expected")
            self._reader.take()


class Instance:
    """One function block with its memory."""

    def __init__(self, machine: Machine, block: str) -> None:
        self._block = machine.blocks[block.lower()]
        self.frame: Frame = self._block.default()

    def __getitem__(self, name: str) -> Any:
        return self.frame[name.lower()]

    def __setitem__(self, name: str, value: Any) -> None:
        if name.lower() not in self.frame:
            raise KeyError(name)
        self.frame[name.lower()] = value

    def call(self, **given: Any) -> None:
        """Run it once. Inputs are copied; a VAR_IN_OUT is worked on in place."""
        values: dict[str, Any] = {}
        for name, value in given.items():
            variable = self._block.variables[name.lower()]
            if variable.role not in ("input", "in_out"):
                raise KeyError(name)
            values[variable.name] = value if variable.role == "in_out" else copied(value)
        self._block.call(self.frame, values)
