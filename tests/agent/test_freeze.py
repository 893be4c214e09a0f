"""A picture that comes twice serves one part at the most; what is late or ambiguous is no evidence."""

import numpy as np
import pytest
from agent_rig import DEADLINE, Rig
from numpy.typing import NDArray
from stand_ins import DEFECTIVE, GOOD

from inspectd.agent import line as line_module
from inspectd.agent.freeze import FreezeWatch
from inspectd.agent.verdict import Evidence, Finding, decide
from inspectd.io.plc import Reason, Verdict


def picture(seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (100, 120, 3), np.uint8)


def test_only_the_same_picture_again_is_a_repeat() -> None:
    """Compared with the frame before alone; a frame without pixels changes nothing."""
    watch = FreezeWatch()
    nothing = np.zeros((0, 0, 3), np.uint8)
    shown = [picture(1), picture(2), picture(2), picture(1), nothing, picture(1), picture(1)[:50]]
    assert [watch.repeats(pixels) for pixels in shown] == [False, False, True, False, False, True, False]


def test_frame_memory_that_is_written_again_is_no_repeat() -> None:
    """The watch keeps a copy: the slot that a frame came in is used for the next one."""
    watch = FreezeWatch()
    slot = picture(1)
    watch.repeats(slot)
    slot[:] = picture(2)
    assert not watch.repeats(slot)


@pytest.mark.parametrize("judged", [False, True])
def test_frozen_picture_serves_no_second_part(rig: Rig, judged: bool) -> None:  # noqa: FBT001  two cases
    """Whether the part before was judged by it, or never was since its trigger was missed."""
    if judged:
        rig.trigger()
    pixels: NDArray[np.uint8] = np.array(rig.expose(GOOD).pixels)
    rig.close_windows()
    rig.clock.advance(1.0)
    part = rig.trigger()
    rig.expose(pixels=pixels)
    rig.close_windows()
    assert rig.rows_of(part.part_id)[0]["detail"].startswith("frozen")
    assert rig.verdicts()[-1] == (Verdict.UNKNOWN, Reason.FRAME_UNFIT)


def test_held_up_between_verdict_and_publication(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A verdict that was in time when it was found, but is not any more, is discarded."""

    def decide_slowly(part: Evidence) -> Finding:
        finding = decide(part)
        rig.clock.advance(2 * DEADLINE)
        return finding

    part = rig.trigger()
    rig.expose(GOOD)
    monkeypatch.setattr(line_module, "decide", decide_slowly)
    rig.close_windows()
    assert rig.published == []
    rig.host.on_cycle(rig.clock.now)
    assert rig.verdicts() == [(Verdict.UNKNOWN, Reason.VERDICT_LATE)]
    assert len(rig.rows_of(part.part_id)) == 1


@pytest.mark.parametrize("second", [GOOD, DEFECTIVE])
def test_score_of_one_of_two_exposures_is_no_evidence(rig: Rig, second: float) -> None:
    """Neither is known to show this part: UNKNOWN, not REJECT, and no score in the row."""
    part = rig.trigger()
    rig.expose(DEFECTIVE)
    rig.turn()
    assert rig.scorer.judged == 1
    rig.expose(second)
    rig.close_windows()
    assert rig.verdicts() == [(Verdict.UNKNOWN, Reason.FRAME_MISMATCH)]
    row = rig.rows_of(part.part_id)[0]
    assert "image" not in row
    assert not row["score"] > 0
