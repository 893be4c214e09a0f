"""What the agent answers the PLC link: parts in, verdicts that need no frame, the agent's state out."""

import pytest
from stand_ins import DEADLINE, DEFECTIVE, EPOCH, GOOD, Rig, make_rig

from inspectd.agent.outcomes import MOST_UNPLACED
from inspectd.io.plc import FaultCode, Reason, Verdict
from inspectd.io.plc_events import (
    DetailsLost,
    Discarded,
    DropInFlight,
    EpochChanged,
    FaultCleared,
    LinkDown,
    LinkUp,
    NoPosition,
    Placed,
    Position,
    Settled,
    StartRefused,
)


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Rig:
    return make_rig(monkeypatch)


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Rig:
    """A free-running station whose belt stands at 4711."""
    rig = make_rig(monkeypatch, free_running=True)
    rig.position = Position(4711, EPOCH, 1)
    return rig


def judge_one(rig: Rig) -> int:
    """Let a good part pass, and give its id."""
    part_id = rig.trigger().part_id
    rig.expose(GOOD)
    rig.close_windows()
    return part_id


# --- triggers --------------------------------------------------------------------------------------------


def test_software_trigger_is_fired_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The camera is triggered while the event is taken, once for each part."""
    rig = make_rig(monkeypatch, software_trigger=True)
    rig.trigger()
    assert rig.camera.triggers == 1
    rig.trigger()
    assert rig.camera.triggers == 2


def test_hardware_trigger_is_left_to_the_photo_eye(rig: Rig) -> None:
    """A camera that the photo-eye triggers is not triggered a second time."""
    rig.trigger()
    assert rig.camera.triggers == 0


def test_unknown_recipe_is_unknown_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of a class that the station has no model for is UNKNOWN/41 and costs no exposure."""
    rig = make_rig(monkeypatch, software_trigger=True)
    part = rig.trigger(recipe=9)
    assert rig.verdicts() == [(Verdict.UNKNOWN, Reason.OFFLINE)]
    assert rig.camera.triggers == 0
    rig.close_windows()
    assert len(rig.rows_of(part.part_id)) == 1
    assert len(rig.published) == 1


def test_too_many_parts_in_flight_give_up_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest is UNKNOWN/42 once; the others still get their own verdicts."""
    rig = make_rig(monkeypatch, capacity=2)
    for _ in range(3):
        rig.trigger()
        rig.expose(GOOD)
        rig.clock.advance(0.06)
    assert rig.verdicts() == [(Verdict.UNKNOWN, Reason.QUEUE_OVERRUN)]
    rig.close_windows()
    rig.close_windows()
    assert [result.part_id for result in rig.published] == [1, 2, 3]
    assert [verdict for verdict, _ in rig.verdicts()[1:]] == [Verdict.ACCEPT, Verdict.ACCEPT]
    assert rig.held == set()


def test_deadline_runs_from_the_moment_the_trigger_was_seen(rig: Rig) -> None:
    """Not before, and at the latest in the first cycle after it: UNKNOWN/21 once."""
    rig.trigger()
    rig.host.on_cycle(rig.clock.advance(DEADLINE - 0.001))
    assert rig.published == []
    rig.host.on_cycle(rig.clock.advance(0.002))
    rig.host.on_cycle(rig.clock.advance(0.002))
    assert rig.verdicts() == [(Verdict.UNKNOWN, Reason.VERDICT_LATE)]


def test_restart_drops_everything_in_flight(rig: Rig) -> None:
    """Each part in flight is UNKNOWN/40 in the record, under the epoch that it was triggered in."""
    parts = [rig.trigger().part_id for _ in range(3)]
    rig.host.on_events([EpochChanged(EPOCH, 0, rig.clock.now)])
    rows = [rig.rows_of(part)[0] for part in parts]
    assert {(row["verdict"], row["reason"], row["epoch"]) for row in rows} == {("UNKNOWN", 40, EPOCH)}
    assert len(rig.ledger) == 0


def test_ids_out_of_step_drop_everything_in_flight(rig: Rig) -> None:
    """The link says why; frames that wait may still belong to the next part."""
    rig.trigger()
    rig.host.on_events([DropInFlight(Reason.RESTARTED)])
    assert rig.verdicts() == [(Verdict.UNKNOWN, Reason.RESTARTED)]


# --- what the link makes of a verdict ------------------------------------------------------------------


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


# --- free-running ----------------------------------------------------------------------------------------


def test_free_running_frame_is_a_part_with_its_position(free: Rig) -> None:
    """Each frame is a part of its own; the PLC knows it by the encoder at its exposure."""
    free.expose(GOOD)
    free.expose(DEFECTIVE, ago=0.001)
    free.close_windows()
    assert [result.verdict for result in free.published] == [Verdict.ACCEPT, Verdict.REJECT]
    assert {(result.trig_id, result.encoder, result.epoch) for result in free.published} == {(0, 4711, EPOCH)}


def test_row_of_a_link_that_hangs_at_the_end(rig: Rig) -> None:
    """It does not say that the verdict was not published: the hanging write may yet bring it."""
    rig.link_answers = False
    judge_one(rig)
    rig.outcomes.flush(link_ended=False)
    (row,) = rig.recorder.rows
    assert (row["verdict"], row["detail"]) == ("UNKNOWN", "the link hangs: perhaps written")
    assert "published" not in row


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


def test_events_without_consequence_are_taken(rig: Rig) -> None:
    """The link's own ups and downs are logged, and change no part."""
    rig.trigger()
    rig.host.on_events(
        [
            LinkDown("pulled"),
            LinkUp(),
            StartRefused("another agent"),
            Placed(99, 1, Verdict.ACCEPT, Reason.NONE, 0.0),
        ]
    )
    assert rig.published == []
    assert len(rig.ledger) == 1


# --- the agent's state -----------------------------------------------------------------------------------


def test_state_of_a_healthy_agent(rig: Rig) -> None:
    """Online and beating while the loop lives; busy while a part waits."""
    rig.host.inspecting = lambda: True
    state = rig.host.on_cycle(rig.clock.now)
    assert (state.online, state.beating, state.trigger_ready, state.busy) == (True, True, True, False)
    assert (state.fault, state.degraded, state.shadow, state.stop_line) == (
        FaultCode.NONE,
        False,
        False,
        False,
    )
    rig.trigger()
    assert rig.host.on_cycle(rig.clock.now).busy


def test_heartbeat_ends_with_the_loop(rig: Rig) -> None:
    """An inspection thread that ended does not beat any more."""
    rig.host.inspecting = lambda: False
    assert not rig.host.on_cycle(rig.clock.now).beating


def test_heartbeat_ends_when_a_step_hangs(rig: Rig) -> None:
    """A step past its limit: no heartbeat, no readiness; both come back with the loop."""
    rig.host.inspecting = lambda: True
    rig.pulse.step("inference", -1.0)
    state = rig.host.on_cycle(rig.clock.now + 1e6)
    assert not state.beating
    assert not state.trigger_ready
    rig.pulse.idle()
    assert rig.host.on_cycle(rig.clock.now).beating


def test_failing_record_shows_degraded(rig: Rig) -> None:
    """A record that cannot be written degrades the station and stops nothing."""
    rig.recorder.healthy = False
    state = rig.host.on_cycle(rig.clock.now)
    assert state.degraded
    assert state.fault is FaultCode.NONE


def test_line_is_asked_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many parts in a row not accepted, UNKNOWN counted: StopLineRequest and its fault, until cleared."""
    rig = make_rig(monkeypatch, stop_after=3)
    for score in (DEFECTIVE, GOOD, DEFECTIVE, DEFECTIVE):
        rig.trigger()
        rig.expose(score)
        rig.close_windows()
    assert not rig.host.on_cycle(rig.clock.now).stop_line
    rig.host.on_events([Settled(9, 9, EPOCH, 1, Reason.TRIGGER_LATE, published=True, seen_at=0.0)])
    state = rig.host.on_cycle(rig.clock.now)
    assert (state.stop_line, state.fault) == (True, FaultCode.STOP_LINE)
    rig.host.on_events([FaultCleared()])
    state = rig.host.on_cycle(rig.clock.now)
    assert (state.stop_line, state.fault) == (False, FaultCode.NONE)


def test_line_is_asked_to_stop_behind_another_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """The word FAULT shows the first fault alone; the request to stop must show all the same."""
    rig = make_rig(monkeypatch, stop_after=2)
    rig.faults.latch(FaultCode.INFERENCE_FAILING)
    for _ in range(2):
        rig.trigger()
        rig.expose(GOOD)
        rig.close_windows()
    state = rig.host.on_cycle(rig.clock.now)
    assert (state.stop_line, state.fault) == (True, FaultCode.INFERENCE_FAILING)


def test_written_verdicts_are_told_to_observers(rig: Rig) -> None:
    """Whoever measures learns which verdicts stand in the PLC, and since when."""
    told: list[tuple[list[int], float]] = []
    rig.host.observe_written(lambda part_ids, at: told.append((list(part_ids), at)))
    rig.host.on_written([4, 5], 12.5)
    assert told == [([4, 5], 12.5)]


def test_outcomes_are_told_to_observers(rig: Rig) -> None:
    """A live view gets every outcome, with what the frame showed where there was one."""
    scores: list[float | None] = []
    rig.outcomes.observe(lambda outcome: scores.append(outcome.observation and outcome.observation.score))
    rig.trigger()
    rig.expose(GOOD)
    rig.close_windows()
    rig.trigger()
    rig.host.on_cycle(rig.clock.advance(DEADLINE + 0.01))
    assert scores == [GOOD, None]


def test_counters_add_up(rig: Rig) -> None:
    """Accepted, rejected and unknown are all parts, and each reason is counted by its name."""
    for score in (GOOD, DEFECTIVE, 0.0):
        rig.trigger()
        rig.expose(score)
        rig.close_windows()
    counters = rig.outcomes.counters
    assert (counters.accepted, counters.rejected, counters.unknown) == (1, 1, 1)
    assert counters.by_reason == {"NONE": 1, "OVER_THRESHOLD": 1, "UNDER_LOW_LIMIT": 1}
