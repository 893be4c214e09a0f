"""Statements: each becomes a function of the frame. What is not listed here is an error."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.iec.expressions import Expression, Expressions, Frame, Function, Get
from tests.iec.lexer import IecError
from tests.iec.values import BOOL, INT, TIME, ArrayType, InstanceType, StructType, TimerType, Type, fits

if TYPE_CHECKING:
    from tests.iec.reader import Reader, Variable

Run = Callable[[Frame], None]
_MOST_TURNS = 10_000


class Exit(Exception):  # noqa: N818  it is the statement EXIT
    """Leaves the innermost loop."""


class BlockType(InstanceType):
    """A function block of the source, as the type of an instance."""

    def __init__(self, name: str, variables: list[Variable], body: Run) -> None:
        super().__init__(name)
        object.__setattr__(self, "variables", {one.name: one for one in variables})
        object.__setattr__(self, "body", body)
        outputs = {one.name: one.kind for one in variables if one.role == "output"}
        object.__setattr__(self, "outputs", outputs)

    variables: dict[str, Variable]
    body: Run

    def default(self) -> Any:
        """An instance that was never called."""
        return {name: one.initial() for name, one in self.variables.items()}

    def call(self, instance: Frame, given: dict[str, Any]) -> None:
        """Run an instance once; `given` are inputs, and variables to work on in place."""
        for name, value in given.items():
            instance[name] = value
        self.body(instance)


class Statements:
    """Reads the body of one block."""

    def __init__(self, reader: Reader, variables: list[Variable], functions: dict[str, Function]) -> None:
        self._reader = reader
        self._scope = {one.name: one for one in variables}
        self._expressions = Expressions(reader, self._scope, functions)

    def until(self, *ends: str) -> Run:
        """Read statements up to one of these words, which is not taken."""
        runs: list[Run] = []
        while not self._reader.at(*ends):
            runs.append(self._statement())
        steps = tuple(runs)

        def run(frame: Frame) -> None:
            for step in steps:
                step(frame)

        return run

    def _statement(self) -> Run:
        reader = self._reader
        for word, read in (("IF", self._if), ("FOR", self._for), ("WHILE", self._while)):
            if reader.skip(word):
                return read()
        if reader.skip("EXIT"):
            reader.expect(";")
            return _leave
        if reader.token.kind not in ("name", "local"):
            raise reader.error("a statement expected")
        return self._assignment_or_call()

    def _assignment_or_call(self) -> Run:
        reader = self._reader
        line = reader.token.line
        place = self._expressions.place()
        if reader.at("("):
            return self._call(place.kind, place.get, line)
        if self._scope[place.name].role in ("input", "constant"):
            raise IecError(f"line {line}: {place.name} is not to be assigned to")
        if isinstance(place.kind, (TimerType, BlockType, ArrayType, StructType)):
            raise IecError(f"line {line}: {place.kind} is not assigned as a whole")
        reader.expect(":=")
        value = self._expressions.typed(place.kind)
        reader.expect(";")

        def assign(frame: Frame) -> None:
            place.set(frame, fits(place.kind, value.get(frame), line))

        return assign

    def _call(self, kind: Type, get: Get, line: int) -> Run:
        if isinstance(kind, TimerType):
            given = self._expressions.arguments({"in": BOOL, "pt": TIME})
            needed = {"in", "pt"}
        elif isinstance(kind, BlockType):
            inputs = {n: v.kind for n, v in kind.variables.items() if v.role in ("input", "in_out")}
            given = self._expressions.arguments(inputs)
            needed = {name for name, one in kind.variables.items() if one.role == "in_out"}
        else:
            raise IecError(f"line {line}: {kind} cannot be called")
        if missing := needed - given.keys():
            raise IecError(f"line {line}: called without {sorted(missing)}")
        self._reader.expect(";")

        def run(frame: Frame) -> None:
            values = {name: value(frame) for name, value in given.items()}
            if isinstance(kind, BlockType):
                kind.call(get(frame), values)
            else:
                get(frame).call(values)

        return run

    def _if(self) -> Run:
        branches: list[tuple[Expression, Run]] = []
        otherwise: Run | None = None
        while True:
            condition = self._expressions.typed(BOOL)
            self._reader.expect("THEN")
            branches.append((condition, self.until("ELSIF", "ELSE", "END_IF")))
            if not self._reader.skip("ELSIF"):
                break
        if self._reader.skip("ELSE"):
            otherwise = self.until("END_IF")
        self._reader.expect("END_IF")
        self._reader.expect(";")

        def run(frame: Frame) -> None:
            for condition, body in branches:
                if condition.get(frame):
                    body(frame)
                    return
            if otherwise is not None:
                otherwise(frame)

        return run

    def _for(self) -> Run:
        reader = self._reader
        line = reader.token.line
        place = self._expressions.place()
        if place.kind is not INT or self._scope[place.name].role != "local":
            raise IecError(f"line {line}: a FOR loop counts in a local INT")
        reader.expect(":=")
        first = self._expressions.typed(INT)
        reader.expect("TO")
        last = self._expressions.typed(INT)
        by = reader.number() if reader.skip("BY") else 1
        reader.expect("DO")
        body = self.until("END_FOR")
        reader.expect("END_FOR")
        reader.expect(";")

        def run(frame: Frame) -> None:
            end = last.get(frame)
            number = first.get(frame)
            while number <= end if by > 0 else number >= end:
                place.set(frame, number)
                try:
                    body(frame)
                except Exit:
                    return
                if place.get(frame) != number:
                    raise IecError(f"line {line}: the loop changes its own counter")
                number += by
            # What the counter holds after a loop differs between compilers: nobody may rely on it.
            place.set(frame, INT.high)

        return run

    def _while(self) -> Run:
        line = self._reader.token.line
        condition = self._expressions.typed(BOOL)
        self._reader.expect("DO")
        body = self.until("END_WHILE")
        self._reader.expect("END_WHILE")
        self._reader.expect(";")

        def run(frame: Frame) -> None:
            for _ in range(_MOST_TURNS):
                if not condition.get(frame):
                    return
                try:
                    body(frame)
                except Exit:
                    return
            raise IecError(f"line {line}: the loop does not end")

        return run


def _leave(_frame: Frame) -> None:
    raise Exit
