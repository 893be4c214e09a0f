"""The diagnosis where the agent is the server: does the PLC write and read, and how often."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from inspectd.io.plc_finding import failed, passed, percentile, warned
from inspectd.io.plc_settings import ModbusServerSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from inspectd.io.modbus_server import ModbusServer
    from inspectd.io.plc_finding import Finding, Listening
    from inspectd.io.plc_polls import Polls
    from inspectd.io.plc_settings import LinkSettings

CLIENT_STEP = "the PLC writes"
READS_STEP = "the PLC reads"
TIMING_STEP = "time between writes"
CLIENT_S = 10.0
_READ_S = 2.0
_POLL_S = 0.05


def await_client(
    settings: LinkSettings, polls: Polls, clock: Callable[[], float], sleep: Callable[[float], None]
) -> Finding:
    """Wait until the PLC has connected and written words 0 to 31 completely."""
    until = clock() + CLIENT_S
    while clock() < until:
        if polls.take():
            return passed(CLIENT_STEP, f"{settings.place} writes words 0 to 31")
        sleep(_POLL_S)
    return failed(
        CLIENT_STEP,
        f"no complete write within {CLIENT_S:g} s ({polls.silence(clock())})",
        "let the PLC's Modbus client connect to plc.listen and plc.port, read words 32 to 131 (function 3),"
        " then write words 0 to 31 in one request (function 16), over and over",
    )


def check_client_timing(settings: LinkSettings, heard: Listening) -> Finding:
    """How long the PLC takes from one write to the next: that long a trigger may have stood unseen."""
    gaps = [1000 * (after.ended - before.ended) for before, after in pairwise(heard.samples)]
    p50, p99 = percentile(gaps, 50), percentile(gaps, 99)
    text = f"the PLC writes every p50 {p50:.1f} ms, p99 {p99:.1f} ms"
    if settings.mode == "plc_triggered" and p99 > settings.max_trigger_age_ms:
        limit = f"plc.max_trigger_age_ms ({settings.max_trigger_age_ms:g})"
        return failed(TIMING_STEP, f"{text}, over {limit}", "let it write more often, in one request")
    if isinstance(settings, ModbusServerSettings) and p99 > settings.poll_ms:
        remedy = "let it write more often, or raise plc.poll_ms"
        return warned(TIMING_STEP, f"{text}, over plc.poll_ms ({settings.poll_ms:g})", remedy)
    return passed(TIMING_STEP, text)


def check_client_reads(server: ModbusServer) -> Finding:
    """Whether the PLC fetches what the agent has for it."""
    if server.await_read(_READ_S):
        return passed(READS_STEP, "words 32 to 131 were written and are read by the PLC")
    return failed(
        READS_STEP,
        f"the PLC has not read STATUS (word 33) within {_READ_S:g} s",
        "let it read words 32 to 131 (function 3) in every cycle, in two requests if one is too long for it",
    )
