"""What the agent answers the PLC link: parts in, verdicts that need no frame, the agent's state out."""

import pytest
from agent_rig import DEADLINE, Rig, make_rig
from stand_ins import DEFECTIVE, EPOCH, GOOD

from inspectd.io.plc import FaultCode, Reason, Verdict
from inspectd.io.plc_events import (
    DropInFlight,
    EpochChanged,
    FaultCleared,
    LinkDown,
    LinkUp,
    Placed,
    Settled,
    StartRefused,
)

# --- triggers and other events ---------------------------------------------------------------------------


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


def test_state_tells_which_part_was_exposed(rig: Rig) -> None:
    """The PLC's ExposureDone: as soon as the frame is known, long before the verdict."""
    part = rig.trigger()
    rig.turn()
    assert rig.host.on_cycle(rig.clock.now).exposed_part_id == 0
    rig.expose(0.5)
    rig.turn()
    assert rig.host.on_cycle(rig.clock.now).exposed_part_id == part.part_id
    assert rig.published == []


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
