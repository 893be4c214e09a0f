"""See `gpiod`: the enumerations of its module `line`, as much as is used."""

from enum import Enum


class Direction(Enum):
    OUTPUT = 3


class Value(Enum):
    INACTIVE = 0
    ACTIVE = 1
