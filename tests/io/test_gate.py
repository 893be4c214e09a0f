"""The gate's rule: one deviation from a right verdict is enough to reject."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspectd.io.gate import (
    CLAUSES,
    EMPTY_SLOT,
    ENCODER_RANGE,
    HEARTBEAT_LIMIT_S,
    Case,
    Cell,
    Place,
    SlotCopy,
    candidates,
    objection,
)
from inspectd.io.plc import RingEntry, Status, VisionImage

if TYPE_CHECKING:
    from collections.abc import Callable

WORD = st.integers(0, 65535)
FEW = settings(deadline=None, max_examples=60)


def right_case(trig_id: int = 17, epoch: int = 5, recipe: int = 3, **changes: Any) -> Case:
    """A part that is to be accepted, but for `changes`."""
    entry = RingEntry.make(trig_id, 1, 0, 400, 0, epoch=epoch, recipe=recipe)
    vision = VisionImage(status=Status.ONLINE | Status.COMPLETED, plc_epoch=epoch, station=9)
    case = Case(
        cell=Cell(position=0, epoch=epoch, recipe=recipe, trig_id=trig_id),
        copy=entry,
        vision=vision,
        heartbeat_age_s=0.1,
        epoch=epoch,
        station=9,
        moved=1000,
        gate_distance=1000,
        free_running=False,
    )
    return replace(case, **changes)


def with_vision(**changes: Any) -> Case:
    return replace(case := right_case(), vision=replace(case.vision, **changes))


def with_copy(**changes: Any) -> Case:
    return replace(case := right_case(), copy=replace(case.copy, **changes))


@FEW
@given(trig_id=st.integers(1, 65535), epoch=st.integers(1, 65535), recipe=WORD)
def test_a_right_verdict_is_accepted(trig_id: int, epoch: int, recipe: int) -> None:
    """Whatever the id, the epoch and the recipe."""
    assert objection(right_case(trig_id, epoch, recipe)) == ""


@pytest.mark.parametrize(
    ("clause", "case"),
    [
        ("restart", right_case(moved=999)),
        ("barred", right_case(cell=Cell(position=0, epoch=5, recipe=3, trig_id=17, barred=True))),
        ("heartbeat", right_case(heartbeat_age_s=HEARTBEAT_LIMIT_S + 0.001)),
        ("heartbeat", right_case(heartbeat_age_s=math.inf)),
        ("online", with_vision(status=Status(0))),
        ("fault", with_vision(status=Status.ONLINE | Status.FAULT)),
        ("shadow", with_vision(status=Status.ONLINE | Status.SHADOW)),
        ("version", with_vision(version=2)),
        ("station", with_vision(station=8)),
        ("epoch", with_vision(plc_epoch=6)),
        ("epoch", with_vision(plc_epoch=0)),
        ("id", with_copy(id=1)),
        ("id", right_case(copy=EMPTY_SLOT)),
        ("single", right_case(free_running=True, candidates=0)),
        ("single", right_case(free_running=True, candidates=2)),
        ("check", with_copy(a=401)),
        ("check", right_case(cell=Cell(position=0, epoch=4, recipe=3, trig_id=17))),
        ("check", right_case(cell=Cell(position=0, epoch=5, recipe=2, trig_id=17))),
        ("verdict", right_case(copy=RingEntry.make(17, 0, 0, 0, 0, epoch=5, recipe=3))),
        ("verdict", right_case(copy=RingEntry.make(17, 2, 1, 0, 0, epoch=5, recipe=3))),
        ("verdict", right_case(copy=RingEntry.make(17, 3, 20, 0, 0, epoch=5, recipe=3))),
        ("verdict", right_case(copy=RingEntry.make(17, 255, 0, 0, 0, epoch=5, recipe=3))),
    ],
)
def test_one_deviation_is_named(clause: str, case: Case) -> None:
    """Each clause objects to what it is for, and says its own name."""
    assert objection(case) == clause


@pytest.mark.parametrize("name", [clause.name for clause in CLAUSES])
def test_names_are_unique(name: str) -> None:
    """A record's `why` points to one clause."""
    assert [clause.name for clause in CLAUSES].count(name) == 1


@FEW
@given(words=st.tuples(*[WORD] * 5))
def test_no_other_words_in_the_slot_are_accepted(words: tuple[int, ...]) -> None:
    """Random words in a slot are rejected unless they are exactly a right ACCEPT."""
    entry = RingEntry.unpack(words)
    right = entry.id == 17 and entry.verdict == 1 and entry.holds(5, 3)
    assert (objection(right_case(copy=entry)) == "") == right


@FEW
@given(word=st.integers(0, 4), bit=st.integers(0, 15))
def test_one_flipped_bit_in_the_slot_rejects(word: int, bit: int) -> None:
    """CHECK finds any single bit that a torn or disturbed copy got wrong."""
    words = list(right_case().copy.pack())
    words[word] ^= 1 << bit
    assert objection(right_case(copy=RingEntry.unpack(words))) != ""


# --- free-running: which slots can belong to a part ------------------------------------------------------


def slot_at(position: int, exposed_at: int | None = None) -> SlotCopy:
    position %= ENCODER_RANGE
    entry = RingEntry.make(1, 1, 0, position >> 16, position & 0xFFFF, epoch=5, recipe=3)
    return SlotCopy(entry, position if exposed_at is None else exposed_at)


def selection(change: Callable[[int], SlotCopy], off: int, place: Place) -> int:
    return len(candidates([change(off)], place))


@FEW
@given(encoder=st.integers(0, ENCODER_RANGE - 1), off=st.integers(-2000, 2000))
def test_the_window_is_symmetric_across_the_wrap(encoder: int, off: int) -> None:
    """A slot belongs to a part if it is at most the window away, wherever the encoder wraps."""
    place = Place(encoder=encoder, travel=3000, window=250, age_limit=10_000)
    found = candidates([slot_at(encoder + off, exposed_at=0)], place)
    assert bool(found) == (abs(off) <= 250)


@FEW
@given(age=st.integers(0, 3000))
def test_verdicts_past_the_age_limit_do_not_count(age: int) -> None:
    """Age is counted in belt travel, apart from the position."""
    place = Place(encoder=100, travel=3000, window=250, age_limit=1200)
    assert bool(candidates([slot_at(100, exposed_at=3000 - age)], place)) == (age <= 1200)


def test_a_consumed_verdict_does_not_count() -> None:
    """A verdict serves one part."""
    place = Place(encoder=100, travel=1000, window=250, age_limit=1200)
    fresh, used = slot_at(100), slot_at(110)
    used.consumed = True
    assert candidates([used, fresh], place) == [fresh]
