"""The live image on a terminal: tables of both sides' words, STATUS bit by bit, and the ring."""

from __future__ import annotations

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from inspectd.io.handshake_faults import PLC_SILENCE_S
from inspectd.io.plc_live import LiveImage, Pulse, Value, meaning_of, value_of
from inspectd.io.plc_map import PLC_FIELDS, VISION_FIELDS, Field

VERDICT_COLOURS = {"ACCEPT": "green", "REJECT": "red", "UNKNOWN": "yellow"}
_NOT_SHOWN = {"TRIG_ID_2", "RESULT_SEQ_2", "RESERVED_28", "RESERVED_29", "RESERVED_30"}
_WORRYING = {"MissedAcq", "Overrun", "Fault", "PlcHeartbeatLost", "StopLineRequest", "Degraded", "Shadow"}


def picture(image: LiveImage, where: str, link: str = "") -> RenderableType:
    """Draw the image; `link`: what is wrong with the link, if anything is."""
    tables = [
        _words("PLC to vision", PLC_FIELDS, image),
        _words("vision to PLC", VISION_FIELDS, image),
        _bits(image),
        _ring(image),
    ]
    head = Text(f"{where}   ")
    head.append_text(_pulse("PLC", image.plc_pulse, image.at)).append("   ")
    head.append_text(_pulse("vision", image.vision_pulse, image.at))
    for torn, words in ((image.plc_torn, "2 and 31"), (image.vision_torn, "37 and 47")):
        if torn:
            head.append(f"   torn read: words {words} differ", style="red")
    parts: list[RenderableType] = [head]
    if link:
        parts.append(Text(f"link: {link}", style="red"))
    fault = next(field for field in VISION_FIELDS if field.name == "FAULT")
    if image.words[fault.word]:
        parts.append(Text(f"FAULT {meaning_of(fault, image.words[fault.word])}", style="red"))
    return Group(*parts, Columns(tables))


def _words(title: str, fields: tuple[Field, ...], image: LiveImage) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for heading in ("word", "name", "value"):
        table.add_column(heading, justify="right" if heading == "word" else "left", no_wrap=True)
    for field in fields:
        if field.name not in _NOT_SHOWN:
            table.add_row(str(field.word), field.name, _shown(field, value_of(field, image.words)))
    return table


def _shown(field: Field, value: Value) -> str:
    if field.bits:
        return f"0x{int(value):04X}"
    if field.kind == "REAL":
        return f"{value:.5g}"
    meaning = meaning_of(field, value) if field.name in {"VERDICT", "REASON"} else ""
    return f"{value} {meaning}".strip()


def _bits(image: LiveImage) -> Table:
    table = Table(title="bits", title_justify="left", box=None, pad_edge=False)
    table.add_column("bit", justify="right")
    table.add_column("name", no_wrap=True)
    for field in (*PLC_FIELDS, *VISION_FIELDS):
        for bit in field.bits:
            is_set = bool(image.words[field.word] >> bit.number & 1)
            colour = "red" if bit.name in _WORRYING else "green"
            mark = Text(f"■ {bit.name}", style=colour) if is_set else Text(f"□ {bit.name}", style="dim")
            table.add_row(f"{field.word}.{bit.number}", mark)
    return table


def _ring(image: LiveImage) -> Table:
    table = Table(title="verdict ring", title_justify="left", box=None, pad_edge=False)
    for heading in ("slot", "id", "verdict", "reason", "CHECK"):
        table.add_column(heading, justify="right" if heading in {"slot", "id"} else "left", no_wrap=True)
    for slot in image.slots():
        if slot.entry.id == 0:
            table.add_row(str(slot.index), Text("empty", style="dim"))
            continue
        fits = slot.fits_recipe is not None
        check = Text(f"fits recipe {slot.fits_recipe}") if fits else Text("does not fit", style="red")
        verdict = Text(slot.verdict, style=VERDICT_COLOURS.get(slot.verdict, "red"))
        table.add_row(str(slot.index), str(slot.entry.id), verdict, slot.reason, check)
    return table


def _pulse(whose: str, pulse: Pulse, now: float) -> Text:
    still_ms = 1000 * (now - pulse.since)
    if not pulse.moved and now - pulse.since <= PLC_SILENCE_S:
        return Text(f"{whose} heartbeat at {pulse.value}, not watched for long enough", style="dim")
    if pulse.moving(now):
        return Text(f"{whose} heartbeat moves, last change {still_ms:.0f} ms ago", style="green")
    return Text(f"{whose} heartbeat stands at {pulse.value} for {still_ms:.0f} ms", style="red")
