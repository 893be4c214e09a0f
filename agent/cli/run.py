"""`inspectd run`: the daemon."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from inspectd.agent.checks import load_checked
from inspectd.agent.cli.output import fail
from inspectd.agent.config import StationSettings
from inspectd.agent.logs import LEVELS, set_up_logs
from inspectd.agent.station import Parts, Station

MODELS_END_S = 0.2


def run_station(config: Path, log_level: str = "info", parts: Parts | None = None) -> None:
    """Run the station of a configuration file until SIGTERM or SIGINT. Raises what `Station.start` raises."""
    if log_level not in LEVELS:
        fail(f"--log-level {log_level}: no such level; choose one of {', '.join(LEVELS)}", status=2)
    set_up_logs(log_level)
    serve(load_checked(config), parts)


def serve(settings: StationSettings, parts: Parts | None = None) -> None:
    """Run a station until SIGTERM or SIGINT, and stop it whatever happens."""
    stop = threading.Event()

    def on_signal(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    station = Station(settings, parts)
    try:
        station.start(stop)
        station.run(stop)
    finally:
        station.stop()
    if not station.models_at_rest(MODELS_END_S):
        # Everything is written. A thread inside the engine's library would crash the interpreter's own end.
        sys.stderr.flush()
        os._exit(0)
