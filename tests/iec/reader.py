"""Reads tokens one after another, and declarations of variables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.iec.lexer import IecError, Token, check_name, tokens_of
from tests.iec.values import ELEMENTARY, ArrayType, TimerType, Type

if TYPE_CHECKING:
    from collections.abc import Callable

SECTIONS = {
    "VAR_INPUT": "input",
    "VAR_OUTPUT": "output",
    "VAR_IN_OUT": "in_out",
    "VAR_TEMP": "local",
    "VAR": "local",
}


@dataclass(frozen=True)
class Variable:
    """A declared variable. `role`: input, output, in_out, local, constant or result."""

    name: str
    kind: Type
    role: str
    initial: Any


class Reader:
    """A cursor over the tokens of one source."""

    def __init__(self, source: str, *, scl: bool, clock: Callable[[], int]) -> None:
        self.scl = scl
        self._tokens = tokens_of(source, scl=scl)
        self._at = 0
        self.types: dict[str, Type] = {("TON_TIME" if scl else "TON"): TimerType("TON", clock=clock)}

    @property
    def token(self) -> Token:
        """The next token, not taken yet."""
        return self._tokens[self._at]

    def take(self) -> Token:
        """Take the next token."""
        token = self.token
        self._at += 1
        return token

    def at(self, *words: str) -> bool:
        """Whether the next token is one of these."""
        return self.token.word in words and self.token.kind in ("name", "symbol")

    def skip(self, word: str) -> bool:
        """Take the next token if it is this one."""
        if self.at(word):
            self._at += 1
            return True
        return False

    def expect(self, word: str) -> Token:
        """Take the next token, which must be this one."""
        if not self.at(word):
            raise self.error(f"{word} expected")
        return self.take()

    def error(self, text: str) -> IecError:
        """Make an error that says where."""
        return IecError(f"line {self.token.line}: {text}, not {self.token.text!r}")

    def number(self) -> int:
        """Take a whole number, a sign allowed."""
        sign = -1 if self.skip("-") else 1
        if self.token.kind != "number" or not self.token.text.isdigit():
            raise self.error("a whole number expected")
        return sign * int(self.take().text)

    # --- declarations ----------------------------------------------------------------------------------

    def type_(self) -> Type:
        """Take the name of a type, or an array of one."""
        if self.skip("ARRAY"):
            self.expect("[")
            first = self.number()
            self.expect("..")
            last = self.number()
            self.expect("]")
            self.expect("OF")
            of = self.type_()
            return ArrayType(f"ARRAY[{first}..{last}] OF {of}", first=first, last=last, of=of)
        token = self.take()
        known = {**ELEMENTARY, **self.types}
        name = token.word.strip('"')
        is_own = name in self.types and name not in ("TON", "TON_TIME")
        if name not in known or (self.scl and is_own != (token.kind == "quoted")):
            raise IecError(f"line {token.line}: unknown type {token.text}")
        return known[name]

    def variables(self) -> list[Variable]:
        """Take all sections of declarations before a body. IecError: a name twice, or reserved."""
        found: list[Variable] = []
        while self.at(*SECTIONS):
            role = SECTIONS[self.take().word]
            if self.skip("CONSTANT"):
                role = "constant"
            while not self.skip("END_VAR"):
                found.append(self._variable(role))
        names = [variable.name for variable in found]
        if twice := {name for name in names if names.count(name) > 1}:
            raise self.error(f"declared twice, whatever the case: {sorted(twice)}")
        return found

    def _variable(self, role: str) -> Variable:
        name = check_name(self.take())
        if self.skip("AT") and self.take().kind != "address":
            raise self.error("an address expected before this")
        self.expect(":")
        kind = self.type_()
        initial = kind.default
        if self.skip(":="):
            value = self._initial(kind)
            return self._declared(name, kind, role, lambda: value)
        if role == "constant":
            raise self.error(f"constant {name} has no value")
        return self._declared(name, kind, role, initial)

    def _declared(self, name: str, kind: Type, role: str, initial: Callable[[], Any]) -> Variable:
        self.expect(";")
        return Variable(name, kind, role, initial)

    def _initial(self, kind: Type) -> Any:
        if kind.name == "BOOL" and self.at("TRUE", "FALSE"):
            return self.take().word == "TRUE"
        value = self.number()
        if not kind.low <= value <= kind.high:
            raise self.error(f"{value} overflows {kind}")
        return value

    def members(self) -> dict[str, Type]:
        """Take the members of a structure up to END_STRUCT."""
        found: dict[str, Type] = {}
        while not self.skip("END_STRUCT"):
            name = check_name(self.take())
            self.expect(":")
            if name in found:
                raise self.error(f"member {name} stands twice")
            found[name] = self.type_()
            self.expect(";")
        return found
