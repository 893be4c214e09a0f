"""The rows of the record: what the link makes of a verdict, and what it settled itself."""

import pytest
from agent_rig import Rig, make_rig
from stand_ins import EPOCH, GOOD

from inspectd.agent.outcomes import MOST_UNPLACED
from inspectd.io.plc import Reason, Verdict
from inspectd.io.plc_events import DetailsLost, Discarded, Placed, Settled


def judge_one(rig: Rig) -> int:
    """Let a good part pass, and give its id."""
    part_id = rig.trigger().part_id
    rig.expose(GOOD)
    rig.close_windows()
    return part_id


# --- what the link makes of a verdict --------------------------------------------------------------------


def test_row_waits_for_what_the_link_makes_of_the_verdict(rig: Rig) -> None:
    """It is written when the verdict's place at the PLC is known, and only once."""
    rig.link_answers = False
    part_id = judge_one(rig)
    assert (rig.recorder.rows, rig.outcomes.counters.accepted) == ([], 0)
    placed = Placed(part_id, 321, Verdict.ACCEPT, Reason.NONE, rig.clock.now)
    rig.host.on_events([placed])
    rig.host.on_events([placed])
    (row,) = rig.recorder.rows
    assert (row["part"], row["result_seq"], row["verdict"]) == (part_id, 321, "ACCEPT")
    assert rig.outcomes.counters.accepted == 1


def test_row_of_a_verdict_that_the_link_found_late(rig: Rig) -> None:
    """It says what the PLC was told, not what was found in time."""
    rig.link_answers = False
    part_id = judge_one(rig)
    rig.host.on_events([Placed(part_id, 1, Verdict.UNKNOWN, Reason.VERDICT_LATE, rig.clock.now)])
    (row,) = rig.recorder.rows
    assert (row["verdict"], row["reason"]) == ("UNKNOWN", 21)
    counters = rig.outcomes.counters
    assert (counters.accepted, counters.unknown, counters.late) == (0, 1, 1)


def test_row_tells_of_a_write_that_failed(rig: Rig) -> None:
    """Nobody knows then whether the PLC has the verdict."""
    rig.link_answers = False
    part_id = judge_one(rig)
    at = rig.clock.now
    placed = Placed(part_id, 1, Verdict.ACCEPT, Reason.NONE, at, acknowledged=False)
    rig.host.on_events([placed])
    (row,) = rig.recorder.rows
    assert (row["verdict"], row["acknowledged"]) == ("ACCEPT", False)


def test_latency_runs_to_the_write(rig: Rig) -> None:
    """From the trigger to the moment when the verdict was given to the PLC."""
    rig.link_answers = False
    part_id = judge_one(rig)
    trigger_seen = rig.frames[0].exposed_at
    rig.host.on_events([Placed(part_id, 1, Verdict.ACCEPT, Reason.NONE, trigger_seen + 0.25)])
    assert rig.recorder.rows[0]["latency_ms"] == pytest.approx(250.0)


def test_row_of_a_discarded_verdict_is_never_accept(rig: Rig) -> None:
    """The PLC got no verdict on the part: UNKNOWN, without a number."""
    rig.link_answers = False
    part_id = judge_one(rig)
    rig.host.on_events([Discarded(part_id, Reason.RESTARTED, "the PLC is in epoch 8")])
    (row,) = rig.recorder.rows
    assert (row["verdict"], row["reason"], row["result_seq"]) == ("UNKNOWN", 40, None)
    assert row["published"] is False


def test_verdicts_that_the_link_never_answers_do_not_pile_up(rig: Rig) -> None:
    """The oldest of too many is UNKNOWN in the record; each part has one row in the end."""
    rig.link_answers = False
    part_ids = [judge_one(rig) for _ in range(MOST_UNPLACED + 1)]
    assert [(row["part"], row["verdict"]) for row in rig.recorder.rows] == [(part_ids[0], "UNKNOWN")]
    rig.outcomes.flush(link_ended=True)
    assert [row["part"] for row in rig.recorder.rows] == part_ids
    assert {row["verdict"] for row in rig.recorder.rows} == {"UNKNOWN"}


def test_row_of_a_link_that_hangs_at_the_end(rig: Rig) -> None:
    """It does not say that the verdict was not published: the hanging write may yet bring it."""
    rig.link_answers = False
    judge_one(rig)
    rig.outcomes.flush(link_ended=False)
    (row,) = rig.recorder.rows
    assert (row["verdict"], row["detail"]) == ("UNKNOWN", "the link hangs: perhaps written")
    assert "published" not in row


# --- what the link settled itself ------------------------------------------------------------------------


def test_what_the_link_settled_is_recorded_only(rig: Rig) -> None:
    """An id that the link itself gave UNKNOWN gets a row, and is not published a second time."""
    rig.host.on_events([Settled(5, 65_535, EPOCH, 1, Reason.TRIGGER_LATE, published=True, seen_at=0.0)])
    (row,) = rig.rows_of(5)
    assert (row["trig_id"], row["verdict"], row["reason"]) == (65_535, "UNKNOWN", 20)
    assert rig.published == []
    assert rig.host.on_cycle(rig.clock.now).missed == 1


@pytest.mark.parametrize(("number", "name"), [(1, "ACCEPT"), (9, "9")])
def test_lost_details_are_recorded(number: int, name: str, rig: Rig) -> None:
    """A verdict in the ring without a row becomes "published, details lost", whatever stands there."""
    rig.host.on_events([DetailsLost(17, EPOCH, number, 0)])
    (row,) = rig.recorder.rows
    assert (row["trig_id"], row["verdict"], row["detail"]) == (17, name, "published, details lost")


def test_lost_details_in_free_running_mode_name_the_sequence(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the next start finds the row, and does not write another."""
    rig = make_rig(monkeypatch, free_running=True)
    rig.host.on_events([DetailsLost(17, EPOCH, 1, 0)])
    (row,) = rig.recorder.rows
    assert row["result_seq"] == 17
    assert "trig_id" not in row
