"""Every reason and every fault code that the README explains comes about: each by a scenario of its own."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from agent_rig import DEADLINE, Rig, make_rig
from stand_ins import DEFECTIVE, EPOCH, GOOD, LOW_LIMIT, THRESHOLD
from test_verdict import GOOD as GOOD_EVIDENCE

from inspectd.agent.config import ConfirmationSettings
from inspectd.agent.supervision import CAMERA_BUDGET, ENGINE_BUDGET, MISMATCH_BUDGET
from inspectd.agent.verdict import decide
from inspectd.inference.errors import EngineError
from inspectd.inference.manifest import Limits
from inspectd.io.plc import FaultCode, Reason, VisionImage
from inspectd.io.plc_events import AgentState, EpochChanged
from inspectd.io.plc_host_guard import HostGuard
from tests.io.handshake_bench import BOOT_ID, Bench

Patch = pytest.MonkeyPatch


def reason_of(rig: Rig, score: float = GOOD) -> Reason:
    """Let a part pass and give the reason of its verdict."""
    rig.trigger()
    rig.expose(score)
    rig.close_windows()
    return rig.published[-1].reason


def last_reason(bench: Bench) -> int:
    return VisionImage.unpack(bench.block).reason


# --- reasons -----------------------------------------------------------------------------------------------


def recheck(patch: Patch) -> Reason:
    rig = make_rig(patch)
    rig.scorer.limits = Limits(threshold=THRESHOLD, low_limit=LOW_LIMIT, recheck=0.1)
    return reason_of(rig, THRESHOLD * 0.95)


def trigger_late(_: Patch) -> int:
    bench = Bench()
    bench.poll(after_s=0.1, trig_id=101)
    return last_reason(bench)


def verdict_late(patch: Patch) -> Reason:
    rig = make_rig(patch)
    rig.trigger()
    rig.host.on_cycle(rig.clock.advance(DEADLINE + 0.01))
    return rig.published[-1].reason


def position_untrusted(patch: Patch) -> Reason:
    rig = make_rig(patch, free_running=True)
    rig.expose(GOOD)
    rig.close_windows()
    return rig.published[-1].reason


def failing_engine(rig: Rig) -> None:
    def fail() -> None:
        raise EngineError("no result")

    rig.scorer.while_judging = fail


def inference_failed(patch: Patch) -> Reason:
    rig = make_rig(patch)
    failing_engine(rig)
    return reason_of(rig)


def camera_lost(patch: Patch) -> Reason:
    rig = make_rig(patch)
    rig.camera.die()
    rig.trigger()
    rig.close_windows()
    return rig.published[-1].reason


def frame_mismatch(patch: Patch) -> Reason:
    rig = make_rig(patch)
    rig.trigger()
    rig.close_windows()
    return rig.published[-1].reason


def frame_unfit(patch: Patch) -> Reason:
    rig = make_rig(patch)
    rig.scorer.unfit = ("too dark",)
    return reason_of(rig)


def self_test_failed(patch: Patch) -> Reason:
    rig = make_rig(patch)
    rig.classes.fail(2, "golden.png scores 2, expected 1")
    rig.trigger(recipe=2)
    return rig.published[-1].reason


def restarted(patch: Patch) -> Reason:
    rig = make_rig(patch)
    rig.trigger()
    rig.host.on_events([EpochChanged(EPOCH, EPOCH + 1, rig.clock.now)])
    return rig.published[-1].reason


def offline(_: Patch) -> int:
    bench = Bench()
    bench.poll(trig_id=101, recipe=9)
    return last_reason(bench)


def queue_overrun(patch: Patch) -> Reason:
    rig = make_rig(patch, capacity=1)
    rig.trigger()
    rig.trigger()
    return rig.published[-1].reason


REASONS: dict[Reason, Callable[[Patch], int]] = {
    Reason.NONE: lambda patch: reason_of(make_rig(patch)),
    Reason.OVER_THRESHOLD: lambda patch: reason_of(make_rig(patch), DEFECTIVE),
    Reason.RECHECK: recheck,
    Reason.UNDER_LOW_LIMIT: lambda patch: reason_of(make_rig(patch), 0.0),
    Reason.TRIGGER_LATE: trigger_late,
    Reason.VERDICT_LATE: verdict_late,
    Reason.POSITION_UNTRUSTED: position_untrusted,
    Reason.INFERENCE_FAILED: inference_failed,
    Reason.CAMERA_LOST: camera_lost,
    Reason.FRAME_MISMATCH: frame_mismatch,
    Reason.FRAME_UNFIT: frame_unfit,
    Reason.SELF_TEST_FAILED: self_test_failed,
    Reason.RESTARTED: restarted,
    Reason.OFFLINE: offline,
    Reason.QUEUE_OVERRUN: queue_overrun,
    Reason.SHADOW: lambda patch: reason_of(make_rig(patch, shadow=True)),
    # A station has one view today: only the accept rule knows of more.
    Reason.VIEW_MISSING: lambda _: decide(replace(GOOD_EVIDENCE, views_wanted=2)).reason,
}


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.name)
def test_reason_comes_about(reason: Reason, monkeypatch: Patch) -> None:
    """In the agent's own words, or in those that the PLC reads."""
    assert REASONS[reason](monkeypatch) == reason


# --- faults ------------------------------------------------------------------------------------------------


def fault_of(rig: Rig) -> FaultCode:
    return rig.host.on_cycle(rig.clock.now).fault


def shown(bench: Bench) -> int:
    """FAULT as the PLC reads it after the next write."""
    return VisionImage.unpack(bench.handshake.words(bench.state, bench.now)).fault


def camera_is_lost(patch: Patch) -> int:
    rig = make_rig(patch)
    rig.camera.die()
    return fault_of(rig)


def plc_is_lost(_: Patch) -> int:
    bench = Bench()
    bench.now += 0.6
    return shown(bench)


def frames_mismatch(patch: Patch) -> int:
    rig = make_rig(patch)
    for _ in range(MISMATCH_BUDGET):
        rig.trigger()
        rig.close_windows()
    return fault_of(rig)


def self_test_fails(patch: Patch) -> int:
    rig = make_rig(patch)
    rig.classes.fail(2, "golden.png scores 2, expected 1")
    return fault_of(rig)


def another_writes(_: Patch) -> int:
    bench = Bench()
    bench.poll()
    bench.block[2] = BOOT_ID + 1
    bench.poll()
    return shown(bench)


def ids_step_back(_: Patch) -> int:
    bench = Bench(trig_id=100)
    bench.poll(trig_id=90)
    return shown(bench)


def version_is_wrong(_: Patch) -> int:
    bench = Bench()
    bench.poll(version=2)
    return shown(bench)


def parts_not_accepted(patch: Patch) -> int:
    rig = make_rig(patch, stop_after=2)
    for _ in range(2):
        reason_of(rig, DEFECTIVE)
    return fault_of(rig)


def rejects_not_confirmed(patch: Patch) -> int:
    rig = make_rig(patch, confirmations=ConfirmationSettings(missing=1, within_parts=1))
    for _ in range(2):
        reason_of(rig, DEFECTIVE)
    return fault_of(rig)


def model_fails(patch: Patch) -> int:
    rig = make_rig(patch)
    failing_engine(rig)
    for _ in range(ENGINE_BUDGET):
        reason_of(rig)
    return fault_of(rig)


def record_fails(patch: Patch) -> int:
    rig = make_rig(patch)
    rig.recorder.failing = "record verdicts.jsonl: No space left on device"
    return fault_of(rig)


def camera_flaps(patch: Patch) -> int:
    rig = make_rig(patch)
    for _ in range(CAMERA_BUDGET + 1):
        for alive in (True, False, True):
            rig.camera.alive = alive
            fault_of(rig)
    return fault_of(rig)


def own_code_fails(patch: Patch) -> int:
    rig, bench = make_rig(patch), Bench()

    def fail(_now: float) -> AgentState:
        raise RuntimeError("bug")

    patch.setattr(rig.host, "on_cycle", fail)
    bench.state = HostGuard(rig.host).on_cycle(bench.now)
    return shown(bench)


FAULTS: dict[FaultCode, tuple[Callable[[Patch], int], ...]] = {
    FaultCode.NONE: (lambda patch: fault_of(make_rig(patch)), lambda _: shown(Bench())),
    FaultCode.CAMERA_LOST: (camera_is_lost,),
    FaultCode.PLC_LOST: (plc_is_lost,),
    FaultCode.FRAME_MISMATCH: (frames_mismatch,),
    FaultCode.SELF_TEST_FAILED: (self_test_fails,),
    FaultCode.TWO_WRITERS: (another_writes,),
    FaultCode.IDS_STEPPED_BACK: (ids_step_back,),
    FaultCode.BAD_VERSION: (version_is_wrong,),
    FaultCode.STOP_LINE: (parts_not_accepted, rejects_not_confirmed),
    FaultCode.INFERENCE_FAILING: (model_fails,),
    FaultCode.RECORDER_FAILING: (record_fails,),
    FaultCode.SUPERVISION_EXCEEDED: (camera_flaps,),
    FaultCode.INTERNAL_ERROR: (own_code_fails,),
}


@pytest.mark.parametrize("fault", FaultCode, ids=lambda fault: fault.name)
def test_fault_comes_about(fault: FaultCode, monkeypatch: Patch) -> None:
    """As the agent tells it to the link, or as the PLC reads it."""
    assert [scenario(monkeypatch) for scenario in FAULTS[fault]] == [fault] * len(FAULTS[fault])
