"""What goes wrong on a line: the rows of the contract's fault table and more, each as a function of the rig.

Each begins on a line that accepts good parts, shows that what it is there for came about, and returns when
good parts are accepted again.
"""

from __future__ import annotations

import itertools
import os
import signal
import time
from typing import TYPE_CHECKING

from inspectd.agent.supervision import ENGINE_BUDGET
from inspectd.io.fault_proxy import ProxyMode
from inspectd.io.plc import FaultCode, Reason, Status
from tests.system.law import NO_ENTRY, is_good
from tests.system.line_rig import STARTUP_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.system.line_rig import LineRig

STOP_AFTER = 12
NOT_CONFIRMED = 3
STEP_BACK = 20_000
GAP = 16
# Besides the parts that a fault is about, for those that a busy machine does not judge.
SPARE = 7


# --- the agent -------------------------------------------------------------------------------------------


def agent_dies(rig: LineRig) -> None:
    """The agent is killed with verdicts under way, and started again."""
    rig.kill_agent()
    rig.start_agent()
    rig.wait_online()
    rig.wait_accepting()
    if rig.options.mode == "plc_triggered":
        assert_row(rig, Reason.RESTARTED)


def agent_hangs(rig: LineRig) -> None:
    """The agent is stopped for 1.5 s: its heartbeat stops, and the PLC rejects after 500 ms."""
    since = rig.next_at_gate()
    rig.agent.send_signal(signal.SIGSTOP)
    time.sleep(1.5)
    rig.agent.send_signal(signal.SIGCONT)
    rig.wait_accepting()
    assert_rejected(rig, since, "heartbeat", NO_ENTRY)


def agent_hangs_unnoticed(rig: LineRig) -> None:
    """The agent is stopped for a time that the PLC's heartbeat limit does not notice."""
    rig.agent.send_signal(signal.SIGSTOP)
    time.sleep(0.3)
    rig.agent.send_signal(signal.SIGCONT)
    rig.wait_accepting()


def second_agent(rig: LineRig) -> None:
    """A second agent is started for the same words: it refuses, and says why."""
    other = rig.start_other_agent()
    assert other.wait(STARTUP_S) != 0
    assert "another agent" in rig.logs()
    assert rig.agent.poll() is None
    rig.wait_accepting()


# --- the link and the PLC --------------------------------------------------------------------------------


def _link(mode: ProxyMode, seconds: float, delay_ms: float = 0.0) -> Callable[[LineRig], None]:
    def disturb(rig: LineRig) -> None:
        since = rig.next_at_gate()
        rig.proxy.set_mode(mode, delay_ms=delay_ms)
        time.sleep(seconds)
        rig.proxy.set_mode(ProxyMode.PASS)
        rig.wait_accepting()
        if seconds >= 1 and mode in (ProxyMode.HANG, ProxyMode.REFUSE):
            assert_rejected(rig, since, "heartbeat", NO_ENTRY)

    disturb.__name__ = f"link_{mode.value}_{seconds:g}"
    return disturb


def plc_freezes(rig: LineRig) -> None:
    """The PLC answers nothing for a while and then goes on, the belt with it."""
    for seconds in (1.2, 0.2):
        os.kill(rig.plc.pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(rig.plc.pid, signal.SIGCONT)
        rig.wait_accepting()


def _plc_restarts(*, retentive: bool, belt_runs: bool) -> Callable[[LineRig], None]:
    def disturb(rig: LineRig) -> None:
        since, epoch = rig.next_at_gate(), rig.plc.status()["epoch"]
        rig.plc.command("power_cycle", off_s=0.4, retentive=retentive, belt_runs=belt_runs)
        rig.wait_accepting()
        assert rig.plc.status()["epoch"] != epoch
        assert_rejected(rig, since, "restart", "plc_off", NO_ENTRY)

    disturb.__name__ = f"plc_restarts_{'with' if retentive else 'without'}_memory"
    return disturb


def ids_set_back(rig: LineRig) -> None:
    """Ids go back in the same epoch: a fault latches, and nothing is accepted until ClearFault."""
    rig.plc.command("panel", skip_ids=65_535 - STEP_BACK - 1)
    wait_for_fault(rig, FaultCode.IDS_STEPPED_BACK)
    since = rig.next_at_eye()
    rig.wait_at_gate(since)
    rig.clear_faults()
    rig.wait_accepting()
    assert_rejected(rig, since - 1, "fault", NO_ENTRY)


def ids_leave_a_gap(rig: LineRig) -> None:
    """As many ids as the ring has slots are never shown."""
    rig.plc.command("panel", skip_ids=GAP)
    rig.wait_at_eye(rig.next_at_eye())
    rig.wait_accepting()
    assert_row(rig, Reason.TRIGGER_LATE, at_least=GAP)


# --- what the station judges with ------------------------------------------------------------------------


def verdict_late(rig: LineRig) -> None:
    """Good parts are judged past their deadline: UNKNOWN/21, and what comes later is discarded."""
    first = soon(rig)
    good = [part for part in range(first, first + 40) if is_good(part)]
    slow = good[:9:4]
    rig.order(slow, "slow0.3")
    rig.wait_at_gate(slow[-1] + 1)
    rig.wait_accepting()
    assert_row(rig, Reason.VERDICT_LATE)


def model_fails(rig: LineRig) -> None:
    """The engine raises: UNKNOWN/30 each; after a budget of failures in a row a fault latches."""
    first = soon(rig)
    rig.order(range(first, first + ENGINE_BUDGET + SPARE), "fail")
    wait_for_fault(rig, FaultCode.INFERENCE_FAILING)
    rig.wait_at_gate(first + ENGINE_BUDGET + SPARE)
    rig.clear_faults()
    rig.wait_accepting()
    assert_row(rig, Reason.INFERENCE_FAILED, at_least=ENGINE_BUDGET)


def _camera_lost(number: signal.Signals) -> Callable[[LineRig], None]:
    def disturb(rig: LineRig) -> None:
        rig.signal_camera(number)
        rig.plc.wait_until(lambda status: bool(status["fault"]), 20)
        # Lost frames in a row may have latched a fault of their own.
        rig.clear_faults()
        rig.wait_accepting()
        assert_row(rig, Reason.CAMERA_LOST)

    disturb.__name__ = "camera_dies" if number is signal.SIGKILL else "camera_freezes"
    return disturb


# --- what the agent stops the line for -------------------------------------------------------------------


def not_accepted(rig: LineRig) -> None:
    """`STOP_AFTER` parts in a row are rejected: StopLineRequest until ClearFault."""
    first = soon(rig)
    rig.order(range(first, first + STOP_AFTER + SPARE), "2.0")
    _wait_for_stop_request(rig)
    rig.wait_at_gate(first + STOP_AFTER + SPARE)
    rig.plc.command("clear_fault")
    rig.wait_accepting()


def not_confirmed(rig: LineRig) -> None:
    """`NOT_CONFIRMED` rejected parts in a row are not seen at the reject sensor: StopLineRequest."""
    rig.plc.command("panel", confirm_rejects=False)
    _wait_for_stop_request(rig)
    rig.plc.command("panel", confirm_rejects=True)
    rig.plc.command("clear_fault")
    rig.wait_accepting()


def _wait_for_stop_request(rig: LineRig) -> None:
    status = wait_for_fault(rig, FaultCode.STOP_LINE)
    assert status["status"] & Status.STOP_LINE_REQUEST


def soon(rig: LineRig) -> int:
    """Give a part that comes late enough for an order to be taken before."""
    return rig.next_at_eye() + 3 + round(rig.options.rate)


# --- what is seen of it ----------------------------------------------------------------------------------


def wait_for_fault(rig: LineRig, fault: FaultCode) -> dict[str, int]:
    """Wait until the PLC sees this fault; gives its state then."""
    return rig.plc.wait_until(lambda status: status["fault"] == fault, STARTUP_S)


def assert_row(rig: LineRig, reason: Reason, at_least: int = 1) -> None:
    """So many parts have a row with this reason."""
    found = sum(row["reason"] == reason for row in rig.rows())
    assert found >= at_least, f"{found} rows with reason {reason:d}\n{rig.logs()}"


def assert_rejected(rig: LineRig, since: int, *why: str) -> None:
    """Some parts from `since` on were rejected by one of these clauses of the gate."""
    reasons = {record.why for record in rig.plc.records if record.part >= since}
    assert reasons & set(why), f"rejected for {reasons}\n{rig.logs()}"


# --- which come one after another in one run --------------------------------------------------------------

CHAINS: dict[str, tuple[Callable[[LineRig], None], ...]] = {
    "link": (
        _link(ProxyMode.HANG, 1.0),
        _link(ProxyMode.HANG, 0.3),
        _link(ProxyMode.RESET, 0.5),
        _link(ProxyMode.RESET, 0.0),
        _link(ProxyMode.REFUSE, 1.0),
        _link(ProxyMode.DELAY, 1.0, delay_ms=30),
        _link(ProxyMode.DELAY, 1.0, delay_ms=3),
        _link(ProxyMode.DELAY, 0.5, delay_ms=120),
        _link(ProxyMode.TRUNCATE, 0.7),
        _link(ProxyMode.DUPLICATE, 1.0),
    ),
    "plc": (
        plc_freezes,
        _plc_restarts(retentive=False, belt_runs=True),
        ids_set_back,
        ids_leave_a_gap,
        _plc_restarts(retentive=True, belt_runs=False),
    ),
    "agent": (agent_hangs, agent_hangs_unnoticed, agent_dies, second_agent, agent_dies),
    "station": (verdict_late, model_fails, _camera_lost(signal.SIGKILL), _camera_lost(signal.SIGSTOP)),
    "stop_line": (not_accepted, not_confirmed),
}
NEEDS_IDS = {ids_set_back, ids_leave_a_gap, not_confirmed}
"""What free-running mode does not know: it has no ids, and so no confirmations by id."""


def rows_of(chain: str, *, ids: bool) -> list[Callable[[LineRig], None]]:
    """Give what happens in a chain, where the PLC names parts by ids or where it does not."""
    return [row for row in CHAINS[chain] if ids or row not in NEEDS_IDS]


EVERY_ROW = set(itertools.chain.from_iterable(CHAINS.values()))
