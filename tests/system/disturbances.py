"""What goes wrong on a line, each as a function of the rig: it begins some parts into the run.

Each gives the first part from which on all is well again.
"""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from inspectd.io.fault_proxy import ProxyMode

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.system.line_rig import LineRig

BEGIN = 40
"""Past the wrap of the ids, which comes with part 37."""
BETWEEN = 30


def nothing(rig: LineRig) -> int:
    """All is well."""
    rig.wait_online()
    return 1


def kill(rig: LineRig) -> int:
    """The agent is killed and started again, twice."""
    since = BEGIN
    for _ in range(2):
        rig.wait_at_eye(since)
        rig.kill_agent()
        rig.start_agent()
        since = rig.wait_online() + BETWEEN
    return since - BETWEEN


def stop(rig: LineRig) -> int:
    """The agent is stopped for 1.5 s, then for a time that the PLC's heartbeat limit does not notice."""
    since = BEGIN
    for seconds in (1.5, 0.3):
        rig.wait_at_eye(since)
        rig.agent.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        rig.agent.send_signal(signal.SIGCONT)
        since = rig.wait_accepting() + BETWEEN
    return since - BETWEEN


def _link(*faults: tuple[ProxyMode, float, float]) -> Callable[[LineRig], int]:
    def disturb(rig: LineRig) -> int:
        since = BEGIN
        for mode, seconds, delay_ms in faults:
            rig.wait_at_eye(since)
            rig.proxy.set_mode(mode, delay_ms=delay_ms)
            time.sleep(seconds)
            rig.proxy.set_mode(ProxyMode.PASS)
            since = rig.wait_accepting() + BETWEEN
        return since - BETWEEN

    return disturb


hang = _link((ProxyMode.HANG, 1.0, 0), (ProxyMode.HANG, 0.3, 0))
reset = _link((ProxyMode.RESET, 0.8, 0), (ProxyMode.RESET, 0, 0), (ProxyMode.RESET, 0.3, 0))
delay = _link((ProxyMode.DELAY, 1.5, 30), (ProxyMode.DELAY, 1.5, 3), (ProxyMode.DELAY, 0.5, 120))
garble = _link((ProxyMode.TRUNCATE, 0.7, 0), (ProxyMode.DUPLICATE, 1.5, 0), (ProxyMode.REFUSE, 0.7, 0))


def power_cycle(rig: LineRig) -> int:
    """The PLC loses its power twice with parts on the belt, which runs on the first time.

    Its memory is retentive the second time.
    """
    since = BEGIN
    for retentive, belt_runs in ((False, True), (True, False)):
        rig.wait_at_eye(since)
        rig.plc.command("power_cycle", off_s=0.4, retentive=retentive, belt_runs=belt_runs)
        since = rig.wait_accepting() + BETWEEN
    return since - BETWEEN


def plc_frozen(rig: LineRig) -> int:
    """The PLC answers nothing for a while and then goes on, the belt with it."""
    since = BEGIN
    for seconds in (1.2, 0.2):
        rig.wait_at_eye(since)
        os.kill(rig.plc.pid, signal.SIGSTOP)
        time.sleep(seconds)
        os.kill(rig.plc.pid, signal.SIGCONT)
        since = rig.wait_accepting() + BETWEEN
    return since - BETWEEN


def camera_dies(rig: LineRig) -> int:
    """The camera's process is killed, and later stopped for longer than its sign of life may be missing."""
    rig.wait_at_eye(BEGIN)
    rig.signal_camera(signal.SIGKILL)
    rig.plc.wait_until(lambda status: bool(status["fault"]), 10)
    rig.clear_faults()
    rig.wait_at_eye(rig.wait_accepting() + BETWEEN)
    rig.signal_camera(signal.SIGSTOP)
    rig.plc.wait_until(lambda status: bool(status["fault"]), 10)
    rig.clear_faults()
    return rig.wait_accepting()


DISTURBANCES = {
    "nothing": nothing,
    "kill": kill,
    "stop": stop,
    "hang": hang,
    "reset": reset,
    "delay": delay,
    "garble": garble,
    "power_cycle": power_cycle,
    "plc_frozen": plc_frozen,
    "camera_dies": camera_dies,
}
