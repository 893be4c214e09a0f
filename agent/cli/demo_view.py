"""What `inspectd demo` shows: a live table on a terminal, a line for each part elsewhere."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text
from typing_extensions import Self

from inspectd.agent.outcomes import Outcome
from inspectd.io.plc import FaultCode, Reason, Verdict
from inspectd.io.plc_record import PartRecord

ROWS = 14
COLOURS = {"ACCEPT": "green", "REJECT": "red", "UNKNOWN": "yellow"}


@dataclass(slots=True)
class Row:
    """One part on the screen: what the agent said and what the gate did."""

    verdict: str
    reason: str
    score: float
    threshold: float
    latency_ms: float
    gate: str = "on the belt"
    truth: str = ""


class DemoView:
    """Shows parts as they are judged and as they reach the gate. Any thread may call its methods."""

    def __init__(self, *, show: bool) -> None:
        self._console = Console(quiet=not show)
        self._is_live = show and self._console.is_terminal
        self._rows: OrderedDict[int, Row] = OrderedDict()
        self._plc = "waiting for the agent"
        self._lock = threading.Lock()
        # Last: it renders at once.
        self._live = Live(console=self._console, refresh_per_second=8, get_renderable=self._render)

    def __enter__(self) -> Self:
        if self._is_live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_live:
            self._live.stop()

    def on_outcome(self, outcome: Outcome) -> None:
        """Show a part's verdict."""
        row = Row(
            verdict=outcome.finding.verdict.name,
            reason=outcome.finding.detail or outcome.finding.reason.meaning,
            score=outcome.observation.score if outcome.observation else float("nan"),
            threshold=outcome.threshold,
            latency_ms=(outcome.concluded_at - outcome.part.seen_at) * 1000,
        )
        self._add(outcome.part.trig_id, row)

    def on_record(self, record: PartRecord) -> None:
        """Show what the gate did with a part, and what it really was."""
        with self._lock:
            row = self._rows.get(record.trig_id)
        if row is None and record.verdict:
            # The link itself settled this id: a trigger seen too late, say.
            name, reason = Verdict(record.verdict).name, Reason(record.reason).meaning
            row = Row(name, reason, float("nan"), float("nan"), float("nan"))
            self._add(record.trig_id, row)
        if row is not None:
            row.gate = record.decision if record.accepted else f"rejected ({record.why})"
            row.truth = record.kind or "good"

    def _add(self, trig_id: int, row: Row) -> None:
        with self._lock:
            self._rows[trig_id] = row
            while len(self._rows) > ROWS:
                self._rows.popitem(last=False)
        if not self._is_live:
            self._console.print(
                f"part {trig_id:5d}  score {row.score:.4f} / {row.threshold:.4f}  "
                f"{row.verdict:7s} {row.latency_ms:6.1f} ms  {row.reason}"
            )

    def show_plc(self, *, connected: bool, fault: FaultCode) -> None:
        """Show the state of the link."""
        state = "connected" if connected else "not connected"
        self._plc = state if fault is FaultCode.NONE else f"{state}, fault: {fault.meaning}"

    def print_summary(self, report: dict[str, Any]) -> None:
        """Print the summary of a run."""
        table = Table(title="Summary", show_header=False)
        latency = report["latency_ms"]
        for key, value in report.items():
            if key != "latency_ms":
                table.add_row(key.replace("_", " "), str(value))
        table.add_row("latency p50 / p99", f"{latency['p50']:.1f} / {latency['p99']:.1f} ms")
        self._console.print(table)

    def _render(self) -> Group:
        table = Table(title="inspectd on a simulated line of buttons")
        for heading in ("part", "score", "threshold", "verdict", "why", "latency", "gate", "truth"):
            table.add_column(heading, justify="right" if heading in {"part", "score", "latency"} else "left")
        with self._lock:
            rows = list(self._rows.items())
        for trig_id, row in rows:
            colour = COLOURS[row.verdict]
            table.add_row(
                str(trig_id),
                f"{row.score:.4f}",
                f"{row.threshold:.4f}",
                Text(row.verdict, style=colour),
                row.reason,
                f"{row.latency_ms:.1f} ms",
                row.gate,
                row.truth,
            )
        return Group(table, Text(f"PLC: {self._plc}"))
