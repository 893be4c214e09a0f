"""Expressions: each becomes its type and a function of the frame. Types are checked when it is read.

There are no conversions but by name. A whole number without a type takes the type it stands beside.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.iec.lexer import IecError
from tests.iec.values import (
    BITS,
    BOOL,
    ELEMENTARY,
    LITERAL,
    NUMBERS,
    TIME,
    ArrayType,
    InstanceType,
    StructType,
    Timer,
    TimerType,
    Type,
    copied,
    fits,
)

if TYPE_CHECKING:
    from tests.iec.reader import Reader, Variable

Frame = dict[str, Any]
Get = Callable[[Frame], Any]

_COMPARE = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_LEVELS = (("OR",), ("XOR",), ("AND",), ("=", "<>"), ("<", "<=", ">", ">="), ("+", "-"), ("*", "/", "MOD"))


def _divide(a: int, b: int) -> int:
    """Divide towards zero, as PLCs do."""
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def _modulo(a: int, b: int) -> int:
    return a - _divide(a, b) * b


_CALCULATE: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divide,
    "MOD": _modulo,
}
_LOGIC: dict[str, Callable[[Any, Any], Any]] = {
    "OR": operator.or_,
    "XOR": operator.xor,
    "AND": operator.and_,
}


@dataclass(frozen=True)
class Expression:
    """Something with a value."""

    kind: Type
    get: Get


@dataclass(frozen=True)
class Place:
    """Something that can be assigned to; `name` is the variable that it is or is part of."""

    kind: Type
    get: Get
    set: Callable[[Frame, Any], None]
    name: str


@dataclass(frozen=True)
class Function:
    """A function of the source: inputs by name, and how to run it."""

    inputs: dict[str, Type]
    result: Type
    run: Callable[[dict[str, Any]], Any]


class Expressions:
    """Reads expressions in one block's scope."""

    def __init__(self, reader: Reader, scope: dict[str, Variable], functions: dict[str, Function]) -> None:
        self._reader = reader
        self._scope = scope
        self._functions = functions

    def typed(self, kind: Type) -> Expression:
        """Read an expression of this very type."""
        line = self._reader.token.line
        return self._as(kind, self.any(), line)

    def any(self, level: int = 0) -> Expression:
        """Read an expression of any type."""
        if level == len(_LEVELS):
            return self._unary()
        left = self.any(level + 1)
        while self._reader.at(*_LEVELS[level]):
            token = self._reader.take()
            left = self._binary(token.word, left, self.any(level + 1), token.line)
        return left

    def _as(self, kind: Type, value: Expression, line: int) -> Expression:
        if value.kind is LITERAL and kind in NUMBERS:
            number = fits(kind, value.get({}), line)
            return Expression(kind, lambda _: number)
        if value.kind != kind:
            raise IecError(f"line {line}: {value.kind} where {kind} is needed")
        return value

    def _binary(self, sign: str, left: Expression, right: Expression, line: int) -> Expression:
        if left.kind is LITERAL and right.kind is not LITERAL:
            left = self._as(right.kind, left, line)
        right = self._as(left.kind, right, line)
        kind, a, b = left.kind, left.get, right.get
        if sign in _COMPARE and (kind in NUMBERS or kind in (TIME, *BITS)):
            compare = _COMPARE[sign]
            return Expression(BOOL, lambda frame: compare(a(frame), b(frame)))
        if sign in _LOGIC and kind in BITS:
            logic = _LOGIC[sign]
            return Expression(kind, lambda frame: logic(a(frame), b(frame)))
        if sign in _CALCULATE and kind in NUMBERS:
            calculate = _CALCULATE[sign]

            def run(frame: Frame) -> Any:
                x, y = a(frame), b(frame)
                if sign in ("/", "MOD") and y == 0:
                    raise IecError(f"line {line}: division by zero")
                return fits(kind, calculate(x, y), line)

            return Expression(kind, run)
        raise IecError(f"line {line}: {sign} is not for {kind}")

    def _unary(self) -> Expression:
        reader = self._reader
        line = reader.token.line
        if reader.skip("NOT"):
            inner = self._as(BOOL, self._unary(), line)
            return Expression(BOOL, lambda frame: not inner.get(frame))
        if reader.skip("-"):
            number = -reader.number()
            return Expression(LITERAL, lambda _: number)
        if reader.skip("("):
            inner = self.any()
            reader.expect(")")
            return inner
        if reader.at("TRUE", "FALSE"):
            truth = reader.take().word == "TRUE"
            return Expression(BOOL, lambda _: truth)
        return self._operand()

    def _operand(self) -> Expression:
        reader = self._reader
        if reader.token.kind in ("number", "typed", "time"):
            return self._constant()
        name = reader.token.word
        if reader.token.kind == "quoted" or name.lower() in self._functions:
            return self._call_function()
        if "_TO_" in name and name.lower() not in self._scope:
            return self._conversion()
        place = self.place()
        return Expression(place.kind, place.get)

    def _constant(self) -> Expression:
        token = self._reader.take()
        if token.kind == "number":
            if not token.text.isdigit():
                raise IecError(f"line {token.line}: {token.text} is no whole number")
            number = int(token.text)
            return Expression(LITERAL, lambda _: number)
        if token.kind == "time":
            unit = 1 if token.text.endswith("ms") else 1000
            length = int("".join(filter(str.isdigit, token.text))) * unit
            return Expression(TIME, lambda _: length)
        prefix, _, digits = token.text.partition("#")
        if prefix not in ELEMENTARY:
            raise IecError(f"line {token.line}: {token.text}: unknown type")
        base, _, figures = digits.rpartition("#")
        value = fits(ELEMENTARY[prefix], int(figures, int(base or 10)), token.line)
        return Expression(ELEMENTARY[prefix], lambda _: value)

    def _conversion(self) -> Expression:
        token = self._reader.take()
        source, _, target = token.word.partition("_TO_")
        if source not in ELEMENTARY or target not in ELEMENTARY or "BOOL" in (source, target):
            raise IecError(f"line {token.line}: unknown function {token.text}")
        self._reader.expect("(")
        inner = self.typed(ELEMENTARY[source])
        self._reader.expect(")")
        return Expression(
            ELEMENTARY[target], lambda frame: fits(ELEMENTARY[target], inner.get(frame), token.line)
        )

    def _call_function(self) -> Expression:
        token = self._reader.take()
        name = token.text.strip('"').lower()
        if name not in self._functions or (token.kind == "quoted") != self._reader.scl:
            raise IecError(f"line {token.line}: unknown function {token.text}")
        function = self._functions[name]
        given = self.arguments(function.inputs)
        if missing := function.inputs.keys() - given.keys():
            raise IecError(f"line {token.line}: {token.text} without {sorted(missing)}")
        return Expression(
            function.result, lambda frame: function.run({key: get(frame) for key, get in given.items()})
        )

    def arguments(self, inputs: dict[str, Type]) -> dict[str, Get]:
        """Read `(NAME := value, ...)`; each name must be one of `inputs`."""
        reader = self._reader
        reader.expect("(")
        given: dict[str, Get] = {}
        while not reader.skip(")"):
            token = reader.take()
            name = token.text.lower()
            if token.kind != "name" or name not in inputs or name in given:
                raise IecError(f"line {token.line}: {token.text} is no input, or given twice")
            reader.expect(":=")
            given[name] = self.typed(inputs[name]).get
            if not reader.at(")"):
                reader.expect(",")
        return given

    # --- variables and what is inside of them ------------------------------------------------------------

    def place(self) -> Place:
        """Read a variable with its indices and members."""
        token = self._reader.take()
        if token.kind != ("local" if self._reader.scl else "name"):
            raise IecError(f"line {token.line}: a local name expected, not {token.text!r}")
        name = token.text.strip("#").lower()
        if name not in self._scope:
            raise IecError(f"line {token.line}: {token.text} is not declared")

        def assign(frame: Frame, value: Any) -> None:
            frame[name] = copied(value)

        place = Place(self._scope[name].kind, lambda frame: frame[name], assign, name)
        while self._reader.at("[", "."):
            place = self._element(place) if self._reader.skip("[") else self._member(place)
        return place

    def _element(self, place: Place) -> Place:
        line = self._reader.token.line
        kind = place.kind
        if not isinstance(kind, ArrayType):
            raise IecError(f"line {line}: {place.name} is no array")
        index = self.typed(ELEMENTARY["INT"])
        self._reader.expect("]")

        def offset(frame: Frame) -> int:
            at = index.get(frame)
            if not kind.first <= at <= kind.last:
                raise IecError(f"line {line}: index {at} of {place.name} is outside of {kind}")
            return at - kind.first

        def assign(frame: Frame, value: Any) -> None:
            place.get(frame)[offset(frame)] = copied(value)

        return Place(kind.of, lambda frame: place.get(frame)[offset(frame)], assign, place.name)

    def _member(self, place: Place) -> Place:
        self._reader.expect(".")
        token = self._reader.take()
        name = token.text.strip('"').lower()
        if isinstance(place.kind, TimerType) and name in Timer.members:
            return Place(
                Timer.members[name], lambda frame: getattr(place.get(frame), name), _read_only, place.name
            )
        if isinstance(place.kind, InstanceType) and name in place.kind.outputs:
            kind = place.kind.outputs[name]
            return Place(kind, lambda frame: place.get(frame)[name], _read_only, place.name)
        if not isinstance(place.kind, StructType) or name not in place.kind.members:
            raise IecError(f"line {token.line}: {place.name} has no member {token.text}")

        def assign(frame: Frame, value: Any) -> None:
            place.get(frame)[name] = copied(value)

        return Place(place.kind.members[name], lambda frame: place.get(frame)[name], assign, place.name)


def _read_only(_frame: Frame, _value: Any) -> None:
    raise IecError("the outputs of a timer or block cannot be assigned to")
