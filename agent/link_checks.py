"""The rules that a link to the PLC must keep beside those of the line: what each kind of it takes.

Where the agent is the server the PLC sets the pace; on a serial line the bits do.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from inspectd.agent.config import StationSettings
from inspectd.agent.times import POLL_LIMIT_MS, window_close_ms
from inspectd.io.plc_settings import LinkSettings, ModbusRtuSettings, ModbusServerSettings

Found = tuple[tuple[str | int, ...], str, bool]
"""Key, what is wrong there, and whether that is a warning only."""


def link_problems(settings: StationSettings) -> Iterator[Found]:
    """Apply every rule."""
    plc = settings.plc
    if isinstance(plc, ModbusServerSettings):
        yield from _server(plc)
    elif isinstance(plc, ModbusRtuSettings):
        yield from _serial_line(plc)
    if plc.mode == "free_running":
        yield from _positions(plc)
    if plc.handshake == "level":
        yield from _one_at_a_time(settings)


def told_of_seen_after(plc: LinkSettings) -> str:
    """Say what `seen_after_ms` consists of, with its numbers."""
    if isinstance(plc, ModbusServerSettings):
        return f"2 x poll_ms + cycle_ms ({plc.seen_after_ms:g})"
    if isinstance(plc, ModbusRtuSettings):
        return f"cycle_ms + a read and a write on the serial line ({plc.seen_after_ms:.0f})"
    return f"cycle_ms ({plc.seen_after_ms:g})"


def told_of_delivery(plc: LinkSettings) -> str:
    """Say what `delivery_ms` consists of."""
    return "poll_ms" if isinstance(plc, ModbusServerSettings) else "cycle + time-out"


def _server(plc: ModbusServerSettings) -> Iterator[Found]:
    if not plc.allowed_clients and not ipaddress.ip_address(plc.listen).is_loopback:
        text = (
            "is empty: whoever reaches this address can write the PLC's words, since Modbus knows no "
            "passwords; name the PLC's address"
        )
        yield ("plc", "allowed_clients"), text, True


def _serial_line(plc: ModbusRtuSettings) -> Iterator[Found]:
    """A cycle must fit on the line, and an answer into the time-out."""
    if not plc.exchange_ms <= plc.cycle_ms:
        text = (
            f"a cycle takes {plc.exchange_ms:.1f} ms at {plc.baud_rate} baud (read {plc.read_ms:.1f} + write "
            f"{plc.write_ms:.1f} + 2 x plc_scan_ms for the answers), over cycle_ms ({plc.cycle_ms:g})"
        )
        yield ("plc", "cycle_ms"), f"{text}; raise cycle_ms, at most to 100, or baud_rate", False
    answer = max(plc.read_ms, plc.write_ms) + plc.plc_scan_ms
    if not answer < plc.timeout_ms:
        text = f"{plc.timeout_ms:g} ms is not over the {answer:.1f} ms that an answer takes on the line"
        yield ("plc", "timeout_ms"), f"{text}; raise timeout_ms or baud_rate", False


def _positions(plc: LinkSettings) -> Iterator[Found]:
    """Free-running: a position lies between two polls that are near enough to each other."""
    limit = POLL_LIMIT_MS + plc.cycle_ms
    if isinstance(plc, ModbusServerSettings) and not plc.poll_span_ms <= limit:
        text = f"two polls may be {plc.poll_span_ms:g} ms apart (2 x poll_ms), over 25 + cycle_ms ({limit:g})"
        yield ("plc", "poll_ms"), f"{text}: no position could be trusted; let the PLC write more often", False
    if isinstance(plc, ModbusRtuSettings) and not plc.poll_span_ms <= limit:
        text = (
            f"a read and a write take {plc.exchange_ms:.1f} ms on the serial line, over 25 ms: positions "
            "could not be trusted"
        )
        yield ("plc", "mode"), f"{text}; take plc_triggered, a faster line, or a network", False


def _one_at_a_time(settings: StationSettings) -> Iterator[Found]:
    """Level handshake: whether a part's result can be taken before the next part comes."""
    plc, interval = settings.plc, settings.line.min_part_interval_ms
    window = window_close_ms(settings)
    exchange = 2 * (plc.seen_after_ms + plc.plc_scan_ms)
    if not window + exchange < interval:
        text = (
            f"without BufferResults one part has the station for {window + exchange:g} ms at least, its "
            f"window ({window:g}) and the exchange of its result ({exchange:g}): not under "
            f"line.min_part_interval_ms ({interval:g}), so that TriggerReady comes too late for the next one"
        )
        remedy = "have the PLC set BufferResults, lower max_trigger_age_ms, or set handshake to id_change"
        yield ("plc", "handshake"), f"{text}; {remedy}", True
