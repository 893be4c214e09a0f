"""Production as a sample: which rows of a record count, and what becomes of the others."""

from __future__ import annotations

import math
from typing import Any

import pytest

from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.journal import Wanted, keys_told, read_journal

KEY = "float32/openvino/float32"
BUNDLE = "b" * 64
WANTED = Wanted(BUNDLE, "disk", KEY, frozenset({0, 1, 2, 43}))


def row(part: int, score: float = 0.1, **changes: Any) -> dict[str, Any]:
    return {
        "part": part,
        "time": f"2026-01-01T00:00:{part:02}.000+00:00",
        "image": f"{part}.png",
        "bundle": BUNDLE,
        "class": "disk",
        "reason": 43,
        "score": score,
        "engine": KEY,
    } | changes


def test_judged_rows_of_the_bundle_count() -> None:
    """Shadow, accepted, over the threshold and rechecked: leaving some out would bend the sample."""
    journal = read_journal([row(n, reason=reason) for n, reason in enumerate((43, 0, 1, 2))], WANTED)
    assert [part.part for part in journal.parts] == [0, 1, 2, 3]
    assert journal.left_out == {}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"bundle": "c" * 64}, "another bundle"),
        ({"bundle": None}, "another bundle"),
        ({"class": "ring"}, "another class"),
        ({"reason": 33}, "not judged by its score"),
        ({"reason": 3}, "not judged by its score"),
        ({"reason": "43"}, "not judged by its score"),
        ({"score": None}, "no finite score"),
        ({"score": math.nan}, "no finite score"),
        ({"score": math.inf}, "no finite score"),
        ({"score": -1.0}, "no finite score"),
        ({"score": True}, "no finite score"),
        ({"score": "0.1"}, "no finite score"),
        ({"engine": None}, "runtime not told"),
        ({"engine": "float32/openvino/bfloat16"}, "another runtime"),
        ({"part": None}, "no part id"),
        ({"part": "7"}, "no part id"),
    ],
)
def test_other_rows_are_counted_and_not_used(changes: dict[str, Any], why: str) -> None:
    """Each by its reason."""
    journal = read_journal([row(1), row(2) | changes], WANTED)
    assert [part.part for part in journal.parts] == [1]
    assert journal.left_out == {why: 1}


def test_rows_without_a_runtime_count_if_the_caller_names_it() -> None:
    """But not those that tell of another."""
    wanted = Wanted(BUNDLE, "disk", KEY, WANTED.judged, assume_key=True)
    journal = read_journal([row(1, engine=None), row(2, engine="float32/torch/float32")], wanted)
    assert [part.part for part in journal.parts] == [1]


def test_a_part_counts_once() -> None:
    """A record copied onto itself is no larger sample."""
    journal = read_journal([row(1), row(1), row(2)], WANTED)
    assert len(journal.parts) == 2
    assert journal.left_out == {"a part told of twice": 1}


def test_highest_scores_are_listed_first() -> None:
    """There the defective parts are."""
    journal = read_journal([row(1, 0.2), row(2, 0.5), row(3, 0.1)], WANTED)
    assert [(part.part, part.image) for part in journal.highest(2)] == [(2, "2.png"), (1, "1.png")]


def test_named_bad_parts_leave_the_good_ones() -> None:
    """A part that the record knows but whose row is not usable may be named as well."""
    journal = read_journal([row(1, 0.2), row(2, 0.5), row(3, reason=33)], WANTED)
    assert journal.divide({2, 3}) == ([0.2], [0.5])


def test_a_bad_part_that_nobody_knows_is_refused() -> None:
    """A slip of the pen would leave the defective one among the good."""
    journal = read_journal([row(1), row(2)], WANTED)
    with pytest.raises(CalibrationError, match="does not have: 22"):
        journal.divide({22})


def test_keys_are_told_with_their_rows() -> None:
    """Of this bundle alone."""
    rows = [row(1), row(2), row(3, engine="x/y/z"), row(4, bundle="c" * 64, engine="o"), row(5, engine=None)]
    assert keys_told(rows, BUNDLE) == {KEY: 2, "x/y/z": 1}
