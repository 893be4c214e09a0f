"""How the agent tells the PLC that it is: recipes, and the faults of camera, record and bundles."""

import pytest
from agent_rig import ACCEPT, Rig, make_rig, unknown
from stand_ins import EPOCH, GOOD, StandInScorer

from inspectd.agent.supervision import CAMERA_BUDGET, CAMERA_BUDGET_S, RECORD_LIMIT_S
from inspectd.io.plc import FaultCode, Reason
from inspectd.io.plc_events import AgentState, FaultCleared, Settled


def state(rig: Rig) -> AgentState:
    """Let one cycle of the PLC link pass."""
    return rig.host.on_cycle(rig.clock.now)


def judge_one(rig: Rig, recipe: int = 1) -> None:
    """Let a good part pass."""
    rig.trigger(recipe=recipe)
    rig.expose(GOOD)
    rig.close_windows()


# --- recipes -----------------------------------------------------------------------------------------------


def test_recipe_in_force_follows_the_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is what a part triggered now would be judged by; 0 where that is nothing."""
    rig = make_rig(monkeypatch, recipes=(1, 2))
    told: list[int] = []
    for plc_now in ((0, 0), (0, 1), (EPOCH, 0), (EPOCH, 1), (EPOCH, 9), (EPOCH, 2)):
        rig.plc_now = plc_now
        told.append(state(rig).recipe_in_force)
    assert told == [0, 0, 0, 1, 0, 2]


@pytest.mark.parametrize("recipe", [0, 9])
def test_a_part_of_an_unknown_recipe_degrades_the_station(
    recipe: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From that part on, whoever gave it its UNKNOWN/41, until RECIPE names a class again; it is no fault."""
    rig = make_rig(monkeypatch, recipes=(1, 2))
    rig.plc_now = (EPOCH, recipe)
    assert not state(rig).degraded, "no part has come yet"
    for came in (
        lambda: rig.trigger(recipe=recipe),
        lambda: rig.host.on_events([Settled(99, 99, EPOCH, recipe, Reason.OFFLINE, True, 0.0)]),
    ):
        rig.plc_now = (EPOCH, recipe)
        came()
        assert (state(rig).degraded, state(rig).fault) == (True, FaultCode.NONE)
        rig.host.on_events([FaultCleared()])
        assert state(rig).degraded, "ClearFault mends no recipe"
        rig.plc_now = (EPOCH, 2)
        assert not state(rig).degraded
    assert rig.recorder.rows[-1]["detail"].startswith("no class for recipe 9" if recipe else "RECIPE is 0")


def test_a_known_part_ends_it_and_a_restart_of_the_plc_too(rig: Rig) -> None:
    rig.trigger(recipe=9)
    assert state(rig).degraded
    rig.trigger(recipe=1)
    assert not state(rig).degraded
    rig.trigger(recipe=9)
    rig.plc_now = (0, 0)
    assert not state(rig).degraded


def test_a_part_refused_for_another_reason_says_nothing_of_its_recipe(rig: Rig) -> None:
    """TriggerEnable may be off while RECIPE names a class; ids passed over have no recipe of their own."""
    rig.host.on_events([Settled(5, 5, EPOCH, 1, Reason.OFFLINE, True, 0.0)])
    rig.host.on_events([Settled(6, 6, EPOCH, 9, Reason.TRIGGER_LATE, True, 0.0)])
    assert not state(rig).degraded
    assert [row["detail"] for row in rig.recorder.rows] == ["", ""]


# --- 11: self-test -----------------------------------------------------------------------------------------


def test_a_class_that_failed_its_self_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its parts are UNKNOWN/34, the others' UNKNOWN/41, and ClearFault does not help until one passes."""
    rig = make_rig(monkeypatch, recipes=(1,))
    rig.classes.fail(2, "self-test of b: scores 1.5, expected 1")
    assert state(rig).fault is FaultCode.SELF_TEST_FAILED
    part = rig.trigger(recipe=2)
    assert rig.rows_of(part.part_id)[0]["detail"] == "self-test of b: scores 1.5, expected 1"
    rig.host.on_events([FaultCleared()])
    judge_one(rig)
    assert rig.verdicts() == [unknown(Reason.SELF_TEST_FAILED), unknown(Reason.OFFLINE)]
    assert (state(rig).fault, state(rig).degraded) == (FaultCode.SELF_TEST_FAILED, False)
    assert (state(rig).recipe_in_force, state(rig).trigger_ready) == (1, False)
    rig.plc_now = (EPOCH, 2)
    assert state(rig).recipe_in_force == 0

    rig.classes.put_in_force(2, StandInScorer("class 2"))
    assert state(rig).fault is FaultCode.SELF_TEST_FAILED, "it latches"
    rig.host.on_events([FaultCleared()])
    judge_one(rig, recipe=2)
    assert rig.verdicts()[2:] == [ACCEPT]
    assert (state(rig).fault, state(rig).recipe_in_force) == (FaultCode.NONE, 2)


# --- 17: record --------------------------------------------------------------------------------------------


def test_nothing_is_accepted_while_rows_cannot_be_kept(rig: Rig) -> None:
    """From the first cycle after the failed write on; ClearFault helps once the disk takes rows again."""
    rig.recorder.failing = "record verdicts.jsonl: No space left on device"
    assert state(rig).fault is FaultCode.RECORDER_FAILING
    rig.host.on_events([FaultCleared()])
    judge_one(rig)
    assert rig.verdicts() == [unknown(Reason.OFFLINE)]
    assert state(rig).fault is FaultCode.RECORDER_FAILING
    rig.recorder.failing = ""
    assert state(rig).fault is FaultCode.RECORDER_FAILING, "it latches"
    rig.host.on_events([FaultCleared()])
    judge_one(rig)
    assert rig.verdicts()[1:] == [ACCEPT]
    assert (state(rig).fault, state(rig).degraded) == (FaultCode.NONE, False)


def test_lost_rows_are_a_fault_once_and_stay_known(rig: Rig) -> None:
    """What is lost cannot come back: the station is Degraded until its restart."""
    rig.recorder.lost = 3
    assert state(rig).fault is FaultCode.RECORDER_FAILING
    assert state(rig).degraded
    rig.host.on_events([FaultCleared()])
    assert (state(rig).fault, state(rig).degraded) == (FaultCode.NONE, True)
    rig.recorder.lost = 4
    assert state(rig).fault is FaultCode.RECORDER_FAILING


def test_a_recorder_that_hangs_is_a_fault(rig: Rig) -> None:
    """A disk that answers nothing at all raises no error: its thread has stopped beating."""
    rig.recorder.beat_at = rig.clock.now
    rig.clock.advance(RECORD_LIMIT_S - 0.1)
    assert state(rig).fault is FaultCode.NONE
    rig.clock.advance(0.2)
    assert state(rig).fault is FaultCode.RECORDER_FAILING


# --- 18: supervision ---------------------------------------------------------------------------------------


def lose_camera(rig: Rig, times: int, every_s: float = 1.0) -> None:
    for _ in range(times):
        rig.camera.alive = False
        state(rig)
        rig.camera.alive = True
        state(rig)
        rig.clock.advance(every_s)


def test_a_camera_that_is_lost_again_and_again(rig: Rig) -> None:
    """Past its budget it is not trusted because it came back once more: the fault latches."""
    state(rig)
    lose_camera(rig, CAMERA_BUDGET)
    assert state(rig).fault is FaultCode.NONE
    lose_camera(rig, 1)
    assert state(rig).fault is FaultCode.SUPERVISION_EXCEEDED
    rig.host.on_events([FaultCleared()])
    assert state(rig).fault is FaultCode.NONE
    lose_camera(rig, CAMERA_BUDGET)
    assert state(rig).fault is FaultCode.NONE, "the count starts anew"


def test_a_camera_lost_now_and_then(rig: Rig) -> None:
    """Each loss clears itself as the contract says."""
    state(rig)
    lose_camera(rig, 4 * CAMERA_BUDGET, every_s=CAMERA_BUDGET_S / CAMERA_BUDGET + 1)
    assert state(rig).fault is FaultCode.NONE


def test_a_camera_that_never_came_is_lost_and_no_more(rig: Rig) -> None:
    """However often its process was started, and however long its cable is out."""
    rig.camera.alive = False
    for _ in range(3 * CAMERA_BUDGET):
        assert state(rig).fault is FaultCode.CAMERA_LOST
    rig.camera.alive = True
    assert state(rig).fault is FaultCode.NONE
