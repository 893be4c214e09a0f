"""Signs of life and faults."""

import time

from inspectd.agent.supervision import Budget, Faults, Pulse
from inspectd.io.plc import FaultCode


def test_step_past_its_limit_is_overdue() -> None:
    """A step counts as hung only after its own limit; an idle loop never does."""
    pulse = Pulse()
    now = time.monotonic()
    assert pulse.overdue(now + 100) == ""
    pulse.step("inference", 0.5)
    assert pulse.overdue(now + 0.4) == ""
    assert "inference" in pulse.overdue(now + 1.0)
    pulse.idle()
    assert pulse.overdue(now + 100) == ""


def test_latched_fault_stays_until_cleared() -> None:
    """ClearFault alone ends a latched fault."""
    faults = Faults()
    assert faults.latch(FaultCode.STOP_LINE)
    assert not faults.latch(FaultCode.STOP_LINE)
    assert faults.current() is FaultCode.STOP_LINE
    assert faults.clear() == [FaultCode.STOP_LINE]
    assert faults.current() is FaultCode.NONE


def test_standing_fault_goes_with_its_cause() -> None:
    """A lost camera is a fault while it is lost, and ClearFault does not hide it."""
    faults = Faults()
    faults.stand(FaultCode.CAMERA_LOST, present=True)
    faults.clear()
    assert faults.current() is FaultCode.CAMERA_LOST
    faults.stand(FaultCode.CAMERA_LOST, present=False)
    assert faults.current() is FaultCode.NONE


def test_budget_counts_failures_in_a_row() -> None:
    """A success in between starts the count anew; the budget's last failure latches the fault."""
    faults = Faults()
    budget = Budget(FaultCode.INFERENCE_FAILING, 3)
    for failed in (True, True, False, True, True):
        assert not faults.count(budget, failed=failed)
    assert faults.current() is FaultCode.NONE
    assert faults.count(budget, failed=True)
    assert faults.current() is FaultCode.INFERENCE_FAILING


def test_fault_is_held_behind_another() -> None:
    """One fault is shown, all are held."""
    faults = Faults()
    faults.latch(FaultCode.INFERENCE_FAILING)
    faults.latch(FaultCode.STOP_LINE)
    faults.stand(FaultCode.CAMERA_LOST, present=True)
    assert faults.current() is FaultCode.INFERENCE_FAILING
    assert faults.holds(FaultCode.STOP_LINE)
    assert faults.holds(FaultCode.CAMERA_LOST)
    assert not faults.holds(FaultCode.FRAME_MISMATCH)
