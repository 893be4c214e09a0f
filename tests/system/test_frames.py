"""Single frames go wrong: exactly the parts concerned are UNKNOWN, and the next ones are right again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inspectd.io.plc import Reason
from tests.system.law import assert_lawful, assert_right, is_good
from tests.system.line_options import LineOptions
from tests.system.line_rig import LineRig

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RATE = 12.0
INTERVAL_MS = 1000 / RATE
APART = 5


def any_good(part: int) -> bool:
    return is_good(part)


def any_defective(part: int) -> bool:
    return not is_good(part)


def defective_after_good(part: int) -> bool:
    return is_good(part - 1) and not is_good(part)


def good_before_good(part: int) -> bool:
    return is_good(part) and is_good(part + 1)


def defective_before_good(part: int) -> bool:
    return not is_good(part) and is_good(part + 1)


def good_before_defective(part: int) -> bool:
    return is_good(part) and not is_good(part + 1)


# What goes wrong, at which kind of part, how many parts later it shows, and as what.
FAULTS: list[tuple[dict[str, Any], Callable[[int], bool], tuple[int, ...], Reason]] = [
    # The next frame tells of the loss, and whether it was in its own window nobody knows.
    ({"fault": "drop"}, good_before_good, (0, 1), Reason.FRAME_MISMATCH),
    ({"fault": "drop"}, defective_before_good, (0, 1), Reason.FRAME_MISMATCH),
    ({"fault": "duplicate"}, any_good, (0,), Reason.FRAME_MISMATCH),
    ({"fault": "duplicate", "ms": 10}, any_defective, (0,), Reason.FRAME_MISMATCH),
    # The second exposure lies in the window of the next part.
    ({"fault": "duplicate", "ms": INTERVAL_MS}, good_before_defective, (1,), Reason.FRAME_MISMATCH),
    ({"fault": "stray", "ms": INTERVAL_MS}, good_before_defective, (1,), Reason.FRAME_MISMATCH),
    ({"fault": "delay", "ms": 80}, any_good, (0,), Reason.FRAME_MISMATCH),
    # The frame comes when the next part is exposed.
    ({"fault": "delay", "ms": INTERVAL_MS}, good_before_defective, (0,), Reason.FRAME_MISMATCH),
    ({"fault": "delay", "ms": 3 * INTERVAL_MS}, any_defective, (0,), Reason.FRAME_MISMATCH),
    ({"fault": "freeze"}, defective_after_good, (0,), Reason.FRAME_UNFIT),
    ({"fault": "freeze"}, any_good, (0,), Reason.FRAME_UNFIT),
]


def plan() -> tuple[list[dict[str, Any]], dict[int, Reason]]:
    """Give each kind of part its faults, some parts apart, and what must come of them."""
    faults: list[dict[str, Any]] = []
    unknown: dict[int, Reason] = {}
    part = 10
    for _ in range(2):
        for fault, fits, later, reason in FAULTS:
            part = next(number for number in range(part + APART, part + 100) if fits(number))
            faults.append({**fault, "part": part, "ms": int(fault.get("ms", 0))})
            unknown |= dict.fromkeys((part + parts for parts in later), reason)
    return faults, unknown


def test_frames_dropped_duplicated_delayed_and_frozen(tmp_path: Path) -> None:
    """22 faults among 200 parts: each part concerned is UNKNOWN with its reason, all others are right."""
    faults, unknown = plan()
    with LineRig(tmp_path, LineOptions(rate=RATE, camera={"faults": faults})) as rig:
        rig.finish(200)
        assert max(unknown) < 200 - APART
        assert_lawful(rig)
        assert_right(rig, unknown)
