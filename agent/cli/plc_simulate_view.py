"""What `inspectd plc simulate` shows: the belt with its parts, the gate's last decisions, and the counts."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from inspectd.agent.cli.plc_watch_view import VERDICT_COLOURS
from inspectd.io.plc import Reason, Verdict
from inspectd.io.plc_live import fault_of
from inspectd.io.plc_record import PartRecord

ROWS = 12


class Gate:
    """What the gate did with the parts so far. Any thread may call its methods."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: deque[PartRecord] = deque(maxlen=ROWS)
        self.counts = {"parts": 0, "accepted": 0, "rejected": 0, "without_verdict": 0}
        self.counts |= {"defective_accepted": 0, "good_rejected": 0}

    def add(self, record: PartRecord) -> None:
        """Count a part that passed the gate."""
        with self._lock:
            self._last.append(record)
            for name, counts in (
                ("parts", True),
                ("accepted", record.accepted),
                ("rejected", not record.accepted),
                ("without_verdict", record.missing),
                ("defective_accepted", record.accepted and record.kind is not None),
                ("good_rejected", not record.accepted and record.kind is None),
            ):
                self.counts[name] += counts

    def last(self) -> list[PartRecord]:
        """Give the last parts, the newest first."""
        with self._lock:
            return list(reversed(self._last))


def picture(view: dict[str, Any], gate: Gate, *, where: str, distance: int, width: int) -> RenderableType:
    """Draw the state `view` of the twin, `width` columns wide; `distance`: from photo-eye to gate, counts."""
    counts = "   ".join(f"{name.replace('_', ' ')} {count}" for name, count in gate.counts.items())
    return Group(
        Text(f"simulated PLC, {where}"),
        _agent(view),
        Text(),
        *_belt(view["parts"], distance, max(20, width - 16)),
        Text(),
        _decisions(gate),
        Text(counts, style="bold"),
    )


def _agent(view: dict[str, Any]) -> Text:
    text = Text(f"epoch {view['epoch']}   TRIG_ID {view['trig_id']}   agent: ")
    if not view["agent_alive"]:
        return text.append("no heartbeat, every part is rejected", style="red")
    text.append("Online" if view["online"] else "not Online", style="green" if view["online"] else "yellow")
    if view["fault"]:
        code = fault_of(view["fault"])
        text.append(f"   fault {code.name if code is not None else view['fault']}", style="red")
    return text


def _belt(parts: list[dict[str, int]], distance: int, width: int) -> list[Text]:
    """Draw three lines: the parts, their ids below them, and which sensor is where."""
    marks = [(" ", "")] * (width + 1)
    names = [" "] * (width + 8)
    for part in parts:
        place = min(width, max(0, part["past_eye"] * width // distance))
        verdict = _verdict(part["verdict"])
        marks[place] = ("●", VERDICT_COLOURS.get(verdict, ""))
        name = str(part["trig_id"] or part["part"])
        if all(column == " " for column in names[max(0, place - 1) : place + len(name) + 1]):
            names[place : place + len(name)] = name
    belt = Text("eye ▕", style="dim")
    for mark, colour in marks:
        belt.append(mark if mark != " " else "─", style=colour or ("dim" if mark == " " else ""))
    return [belt.append("▏ gate", style="dim"), Text("     " + "".join(names).rstrip())]


def _decisions(gate: Gate) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("part", "id", "really", "verdict", "reason", "gate"):
        table.add_column(heading, justify="right" if heading in {"part", "id"} else "left", min_width=6)
    for record in gate.last():
        verdict = _verdict(record.verdict)
        table.add_row(
            str(record.part),
            str(record.trig_id or ""),
            record.kind or "good",
            Text(verdict, style=VERDICT_COLOURS.get(verdict, "dim")),
            reason_of(record),
            _decision(record),
        )
    return table


def line(record: PartRecord) -> str:
    """Say in one line what became of a part."""
    verdict = _verdict(record.verdict)
    reason = f" ({reason_of(record)})" if record.verdict else ""
    decision = "accepted" if record.accepted else f"rejected: {record.why}"
    return f"part {record.part} id {record.trig_id} {record.kind or 'good'}: {verdict}{reason}, {decision}"


def reason_of(record: PartRecord) -> str:
    """Say why the verdict is what it is; "" without one."""
    known = {int(reason): reason.meaning for reason in Reason}
    return known.get(record.reason, str(record.reason)) if record.verdict else ""


def _decision(record: PartRecord) -> Text:
    if record.accepted:
        wrong = record.kind is not None
        return Text("accepted, though defective" if wrong else "accepted", style="red" if wrong else "green")
    return Text(f"rejected: {record.why}", style="yellow")


def _verdict(number: int) -> str:
    return Verdict(number).name if 0 < number <= max(Verdict) else "no verdict"
