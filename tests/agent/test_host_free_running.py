"""A free-running station: each frame is a part, which the PLC knows by its position."""

import pytest
from agent_rig import Rig, make_rig
from stand_ins import DEFECTIVE, EPOCH, GOOD

from inspectd.io.encoder import EncoderPoll
from inspectd.io.plc import Reason, Verdict
from inspectd.io.plc_events import EpochChanged, NoPosition, Position


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Rig:
    """A free-running station whose belt stands at 4711."""
    rig = make_rig(monkeypatch, free_running=True)
    rig.position = Position(4711, EPOCH, 1)
    return rig


def test_free_running_frame_is_a_part_with_its_position(free: Rig) -> None:
    """Each frame is a part of its own; the PLC knows it by the encoder at its exposure."""
    free.expose(GOOD)
    free.expose(DEFECTIVE, ago=0.001)
    free.close_windows()
    assert [result.verdict for result in free.published] == [Verdict.ACCEPT, Verdict.REJECT]
    assert {(result.trig_id, result.encoder, result.epoch) for result in free.published} == {(0, 4711, EPOCH)}


def test_rows_that_wait_are_written_at_the_end(free: Rig) -> None:
    """What still waits for the link when the agent stops is recorded, and as not accepted."""
    free.link_answers = False
    free.expose(GOOD)
    free.close_windows()
    free.outcomes.flush(link_ended=True)
    assert [row["verdict"] for row in free.recorder.rows] == ["UNKNOWN"]


@pytest.mark.parametrize(
    "position",
    [
        NoPosition.UNTRUSTED,
        NoPosition.PENDING,
        Position(4711, EPOCH + 1, 1),
        Position(4711, EPOCH, 2),
    ],
    ids=["not trusted", "not known yet", "other epoch", "other recipe"],
)
def test_free_running_part_without_a_sure_position_is_unknown(
    position: Position | NoPosition, free: Rig
) -> None:
    """UNKNOWN/22 unless the position is certain, and of the part's own epoch and recipe."""
    free.position = position
    free.expose(GOOD)
    free.close_windows()
    assert free.verdicts() == [(Verdict.UNKNOWN, Reason.POSITION_UNTRUSTED)]
    assert free.held == set()


def test_free_running_frame_without_a_class_is_unknown(free: Rig) -> None:
    """UNKNOWN/41 at once for a recipe without a model, and the frame's memory goes back at once."""
    free.plc_now = (EPOCH, 9)
    free.expose(GOOD)
    assert free.verdicts() == [(Verdict.UNKNOWN, Reason.OFFLINE)]
    assert free.held == set()


def test_free_running_part_is_of_the_recipe_before_its_exposure(monkeypatch: pytest.MonkeyPatch) -> None:
    """RECIPE may have changed by the time a frame arrives: that is the next part's class."""
    rig = make_rig(monkeypatch, free_running=True, recipes=(1, 2))
    rig.position = Position(4711, EPOCH, 1)
    rig.polled_before = EncoderPoll(0.0, 0.0, 0, EPOCH, 1, serial="S\ufffd", lot="L")
    rig.plc_now = (EPOCH, 2)
    frame = rig.expose(GOOD, ago=0.01)
    rig.close_windows()
    assert rig.asked_before == [frame.exposed_at]
    (row,) = rig.recorder.rows
    assert (row["verdict"], row["recipe"], row["class"]) == ("ACCEPT", 1, "class 1")
    assert (row["serial"], row["lot"]) == ("S\ufffd", "L")
    assert (rig.scorers[1].judged, rig.scorers[2].judged) == (1, 0)


def test_free_running_frame_from_before_a_restart_is_told_so(free: Rig) -> None:
    """UNKNOWN/40 in the record, whenever it arrives; its memory goes back at once."""
    free.polled_before = EncoderPoll(0.0, 0.0, 0, EPOCH, 1)
    for now in (0, EPOCH + 1):
        free.plc_now = (now, 1)
        free.expose(GOOD)
    assert free.verdicts() == 2 * [(Verdict.UNKNOWN, Reason.RESTARTED)]
    assert {result.epoch for result in free.published} == {EPOCH}
    assert free.held == set()


def test_free_running_frame_before_the_first_poll_is_nobodys(
    free: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing says which recipe it was."""

    def nothing(_stamp: float) -> None:
        return None

    monkeypatch.setattr(free, "polled", nothing)
    free.expose(GOOD)
    free.close_windows()
    assert (free.published, free.recorder.rows, free.held) == ([], [], set())


def test_free_running_frame_before_the_plc_is_there_is_no_part(free: Rig) -> None:
    """Without an epoch no part can be told from another: no verdict, no row, no memory kept."""
    free.plc_now = (0, 0)
    free.expose(GOOD)
    free.close_windows()
    assert (free.published, free.recorder.rows, free.held) == ([], [], set())


def test_free_running_unreadable_image_is_unfit(free: Rig) -> None:
    """An image that cannot be read is a part all the same: UNKNOWN/33."""
    free.expose(problem="b.png: empty file")
    free.close_windows()
    assert free.verdicts() == [(Verdict.UNKNOWN, Reason.FRAME_UNFIT)]


def test_free_running_restart_drops_parts_and_frames(free: Rig) -> None:
    """Parts of the old epoch are UNKNOWN/40; their frames are given back."""
    free.expose(GOOD)
    free.turn()
    free.host.on_events([EpochChanged(EPOCH, EPOCH + 1, free.clock.now + 0.001)])
    free.close_windows()
    assert free.verdicts() == [(Verdict.UNKNOWN, Reason.RESTARTED)]
    assert free.held == set()
