"""Measures the PLC link alone, on both protocols against a PLC in a process of its own on this machine.

    python tests/benchmarks/plc_link.py [--parts 5000] [--outages 20]

Prints one JSON object per protocol: time from a ready verdict to the verdict in the PLC's memory, the link's
round trip (one read) in the same run, recovery from the server's return to the first acknowledged write,
and the share of one core that the link's thread takes at a cycle of 5 ms. Times in ms.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import queue
import random
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from plc_link_plc import DATA_BLOCK, RECIPE, serve

from inspectd.io.plc import Reason, Verdict
from inspectd.io.plc_events import AgentState, RecordedIds, Result, Trigger
from inspectd.io.plc_link import PlcLink
from inspectd.io.plc_settings import ModbusTcpSettings, S7Settings
from inspectd.io.transports import transport_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspectd.io.plc_events import Event

# What stands for the inference: any time at all within two cycles, so that no phase of the cycle is favoured.
LONGEST_JUDGING_S = 0.01
OUTAGE_S = 0.7
DEADLINE_S = 5.0
PATIENCE_S = 30.0
P99_BOUND_MS = 2.0


class Agent:
    """Judges each part after a random moment on a thread of its own; notes when each verdict was ready."""

    def __init__(self) -> None:
        self.ready: dict[int, float] = {}
        self.round_trips: list[float] = []
        self.written_at = 0.0
        self.link: PlcLink | None = None
        self.cpu: list[tuple[float, float]] = []
        self._parts: queue.SimpleQueue[Trigger | None] = queue.SimpleQueue()
        self._random = random.Random(1)
        self._judge = threading.Thread(target=self._run, daemon=True)
        self._judge.start()

    def on_events(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, Trigger):
                self._parts.put(event)

    def on_cycle(self, now: float) -> AgentState:
        # Called on the link's thread: its processor time against the clock.
        self.cpu.append((now, time.thread_time()))
        if self.link is not None:
            self.round_trips.append(self.link.statistics.round_trip_s)
        return AgentState(beating=True, online=True, trigger_ready=True, recipe_in_force=RECIPE)

    def on_written(self, part_ids: Sequence[int], at: float) -> None:
        del part_ids
        self.written_at = at

    def recorded(self, epoch: int) -> RecordedIds:
        del epoch
        return RecordedIds()

    def _run(self) -> None:
        while (part := self._parts.get()) is not None:
            time.sleep(self._random.uniform(0.0, LONGEST_JUDGING_S))
            now = time.monotonic()
            self.ready[part.trig_id] = now
            assert self.link is not None
            self.link.publish(
                Result(
                    part.part_id,
                    part.trig_id,
                    part.epoch,
                    part.recipe,
                    Verdict.ACCEPT,
                    Reason.NONE,
                    score_relative=0.5,
                    score=0.1,
                    seen_at=part.seen_at,
                    deadline=part.seen_at + DEADLINE_S,
                )
            )


def measure(protocol: str, parts: int, outages: int) -> dict[str, Any]:
    """Run one protocol from the first poll to the last outage."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    plc = spawn.Process(target=serve, args=(protocol, theirs), daemon=True)
    plc.start()
    port = ours.recv()
    settings = (
        S7Settings(kind="s7", host="127.0.0.1", port=port, data_block=DATA_BLOCK)
        if protocol == "s7"
        else ModbusTcpSettings(host="127.0.0.1", port=port)
    )
    agent = Agent()
    link = PlcLink(settings, transport_of(settings), agent, frozenset({RECIPE}))
    agent.link = link
    link.start()
    if not link.wait_begun(PATIENCE_S):
        raise SystemExit(f"{protocol}: the link did not begin")
    agent.cpu.clear()
    agent.round_trips.clear()
    ours.send("issue")
    until = time.monotonic() + parts * 0.1 + PATIENCE_S
    while len(agent.ready) < parts and time.monotonic() < until:
        time.sleep(0.05)
    ours.send("stamps")
    stamps = ours.recv()
    cpu, wall = agent.cpu[-1][1] - agent.cpu[0][1], agent.cpu[-1][0] - agent.cpu[0][0]
    latencies = 1000 * np.array(
        [stamps[number] - at for number, at in agent.ready.items() if number in stamps]
    )
    round_trips = 1000 * np.array(agent.round_trips)
    recoveries = 1000 * np.array([recovery(ours, link) for _ in range(outages)])
    link.stop()
    ours.send("end")
    plc.join(PATIENCE_S)
    latency, trip = percentiles(latencies), percentiles(round_trips)
    return {
        "protocol": protocol,
        "parts": len(latencies),
        "ready_to_memory_ms": latency,
        "round_trip_ms": trip,
        "p99_bound_ms": round(trip["p99"] + P99_BOUND_MS, 3),
        "recovery_ms": {**percentiles(recoveries), "max": round(float(recoveries.max()), 1)},
        "link_cpu_percent_of_one_core": round(100 * cpu / wall, 2),
    }


def recovery(plc: Any, link: PlcLink) -> float:
    """Take the server away for a while; seconds from its return to the link's first good write."""
    plc.send("stop")
    plc.recv()
    time.sleep(OUTAGE_S)
    before = link.statistics.writes
    plc.send("start")
    back = plc.recv()
    until = time.monotonic() + PATIENCE_S
    while link.statistics.writes == before and time.monotonic() < until:
        time.sleep(0.001)
    return time.monotonic() - back


def percentiles(values: np.ndarray[Any, np.dtype[np.float64]]) -> dict[str, float]:
    """Median and 99th percentile."""
    return {"p50": round(float(np.median(values)), 3), "p99": round(float(np.percentile(values, 99)), 3)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", type=int, default=5000)
    parser.add_argument("--outages", type=int, default=20)
    options = parser.parse_args()
    for protocol in ("modbus_tcp", "s7"):
        sys.stdout.write(json.dumps(measure(protocol, options.parts, options.outages)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
