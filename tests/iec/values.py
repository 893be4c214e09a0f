"""Types and values of the interpreter: widths are checked, nothing is converted unless the source says so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from tests.iec.lexer import IecError

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Type:
    """An elementary type; numbers have bounds."""

    name: str
    low: int = 0
    high: int = 0

    def __str__(self) -> str:
        return self.name

    def default(self) -> Any:
        """Value of a variable that nothing was assigned to."""
        return False if self.name == "BOOL" else 0


BOOL = Type("BOOL")
INT = Type("INT", -(2**15), 2**15 - 1)
DINT = Type("DINT", -(2**31), 2**31 - 1)
UINT = Type("UINT", 0, 2**16 - 1)
UDINT = Type("UDINT", 0, 2**32 - 1)
WORD = Type("WORD", 0, 2**16 - 1)
CHAR = Type("CHAR", 0, 255)
REAL = Type("REAL")
TIME = Type("TIME", 0, 2**31 - 1)
LITERAL = Type("number without a type", -(2**63), 2**63)
ELEMENTARY = {kind.name: kind for kind in (BOOL, INT, DINT, UINT, UDINT, WORD, CHAR, REAL, TIME)}
NUMBERS = (INT, DINT, UINT, UDINT)
BITS = (BOOL, WORD)


@dataclass(frozen=True)
class ArrayType(Type):
    """Elements `first`..`last` of one type."""

    first: int = 0
    last: int = 0
    of: Type = BOOL

    def default(self) -> Any:
        """Every element at its default."""
        return [self.of.default() for _ in range(self.last - self.first + 1)]


@dataclass(frozen=True)
class StructType(Type):
    """Named members, in order."""

    members: dict[str, Type] = field(default_factory=dict[str, Type], hash=False)

    def default(self) -> Any:
        """Every member at its default."""
        return {name: kind.default() for name, kind in self.members.items()}


class InstanceType(Type):
    """A function block as a type; its outputs can be read as members of an instance."""

    outputs: dict[str, Type]


@dataclass(frozen=True)
class TimerType(Type):
    """The on-delay timer TON."""

    clock: Callable[[], int] | None = field(default=None, hash=False, compare=False)

    def default(self) -> Any:
        """A timer that was never called."""
        assert self.clock is not None
        return Timer(self.clock)


class Timer:
    """TON: Q once IN has been TRUE for PT; any call with IN FALSE starts it over. Times: ms."""

    members: dict[str, Type] = {"q": BOOL, "et": TIME}  # noqa: RUF012  a table

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._since: int | None = None
        self.q = False

    def call(self, given: dict[str, Any]) -> None:
        """Run it once with IN and PT."""
        if not given["in"]:
            self._since = None
        elif self._since is None:
            self._since = self._clock()
        self.q = self._since is not None and self._clock() - self._since >= given["pt"]


def fits(kind: Type, value: Any, line: int) -> Any:
    """Give `value` back if the type holds it; IecError: it overflows."""
    if kind in ELEMENTARY.values() and kind not in (BOOL, REAL) and not kind.low <= value <= kind.high:
        raise IecError(f"line {line}: {value} overflows {kind}")
    return value


def copied(value: Any) -> Any:
    """Give a value for a variable of its own: arrays and structures are copied, not shared."""
    if isinstance(value, list):
        return [copied(one) for one in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {name: copied(one) for name, one in cast("dict[str, Any]", value).items()}
    return value
