"""The agent with the oracle in place of an engine: `python -m tests.system.agent_process CONFIG`.

`--without CLAUSE` takes a clause out of the accept rule, for the mutation tests; `ledger_deadline` takes out
the ledger's own. `--unstamped` gives the camera no exposure stamps but the frames' arrival, as a network
stream has it. `--stop-deciding N` stops the process right after the N-th time that the accept rule spoke.
"""

import argparse
import itertools
import os
import signal
from collections.abc import Callable
from pathlib import Path

from inspectd.agent import ledger, line, station, verdict
from inspectd.agent.cli.output import fail
from inspectd.agent.cli.run import run_station
from inspectd.agent.errors import AgentError
from inspectd.agent.station import Parts
from inspectd.agent.verdict import Evidence, Finding
from inspectd.io.camera import Camera, Frame
from inspectd.io.camera_process import CameraProcess
from inspectd.io.camera_settings import CameraSettings
from tests.system.oracle import load_oracle


class PatientLedger(ledger.Ledger):
    """A ledger without the deadline."""

    def settle(self, part_id: int, now: float) -> ledger.OpenPart | None:
        """Take a part out at any time."""
        del now
        return super().settle(part_id, float("-inf"))

    def expire(self, now: float) -> list[ledger.OpenPart]:
        """Let no part expire."""
        del now
        return []


class UnstampedCamera(CameraProcess):
    """A camera that knows of each frame only when it arrived."""

    def start(self, on_frame: Callable[[Frame], None]) -> None:
        """Hand over every frame without its stamp."""

        def on_arrival(frame: Frame) -> None:
            frame.exposed_at, frame.exposure_stamped = frame.received_at, False
            on_frame(frame)

        super().start(on_arrival)


def open_unstamped(settings: CameraSettings) -> Camera:
    return UnstampedCamera(settings)


def remove_clauses(names: set[str]) -> None:
    """Take clauses out of the accept rule, and with `ledger_deadline` the ledger's deadline."""
    if "ledger_deadline" in names:
        station.Ledger = PatientLedger
    clauses = {clause.__name__: clause for clause in verdict.CLAUSES}
    unknown = names - clauses.keys() - {"ledger_deadline"}
    if unknown:
        raise SystemExit(f"no such clause: {', '.join(sorted(unknown))}")
    verdict.CLAUSES = tuple(clause for name, clause in clauses.items() if name not in names)


def stop_deciding(at_decision: int) -> None:
    """Stop this process once, between a verdict and its publication."""
    decide = line.decide
    decisions = itertools.count(1)

    def decide_and_stop(part: Evidence) -> Finding:
        finding = decide(part)
        if next(decisions) == at_decision:
            os.kill(os.getpid(), signal.SIGSTOP)
        return finding

    line.decide = decide_and_stop


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("config", type=Path)
    parser.add_argument("--without", action="append", default=[])
    parser.add_argument("--unstamped", action="store_true")
    parser.add_argument("--stop-deciding", type=int)
    options = parser.parse_args()
    remove_clauses(set(options.without))
    if options.stop_deciding is not None:
        stop_deciding(options.stop_deciding)
    camera = open_unstamped if options.unstamped else CameraProcess
    try:
        run_station(options.config, "info", Parts(load_scorer=load_oracle, open_camera=camera))
    except AgentError as error:
        fail(str(error))


if __name__ == "__main__":
    main()
