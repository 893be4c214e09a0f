"""`inspectd run`: the daemon."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType

from inspectd.agent.checks import find_problems
from inspectd.agent.config import StationSettings, load_config
from inspectd.agent.errors import ConfigError
from inspectd.agent.logs import set_up_logs
from inspectd.agent.station import Parts, Station


def run_station(config: Path, log_level: str = "info", parts: Parts | None = None) -> None:
    """Run the station of a configuration file until SIGTERM or SIGINT. Raises what `Station.start` raises."""
    set_up_logs(log_level)
    settings = load_config(config)
    problems = [problem for problem in find_problems(settings) if not problem.warning]
    if problems:
        raise ConfigError([f"{config}: {'.'.join(map(str, one.key))}: {one.text}" for one in problems])
    serve(settings, parts)


def serve(settings: StationSettings, parts: Parts | None = None) -> None:
    """Run a station until SIGTERM or SIGINT, and stop it whatever happens."""
    stop = threading.Event()

    def on_signal(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    station = Station(settings, parts)
    try:
        station.start()
        station.run(stop)
    finally:
        station.stop()
