"""The diagnosis where the agent is the server: a PLC that does not write, too seldom, or never reads."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from plc_wiring_bench import BenchPlc, settings

from inspectd.io.handshake import Poll
from inspectd.io.plc_finding import Listening, Outcome, Sample
from inspectd.io.plc_served import await_client, check_client_reads, check_client_timing
from inspectd.io.plc_settings import ModbusServerSettings

SERVED = ModbusServerSettings(kind="modbus_server", listen="127.0.0.1", max_trigger_age_ms=45.0, poll_ms=20.0)


class Client:
    """Polls of a PLC that writes first at a time of the bench's clock."""

    own_memory = True

    def __init__(self, bench: BenchPlc, first_at: float) -> None:
        self._bench = bench
        self._first_at = first_at

    def take(self) -> list[Poll]:
        return [Poll([0] * 52, 0.0, 0.0)] if self._bench.now >= self._first_at else []

    def silence(self, now: float) -> str:
        return f"nothing by {now:.0f} s"

    def call_at_news(self, news: Callable[[], None]) -> None:
        """The diagnosis asks by itself."""


@pytest.mark.parametrize(("first_at", "outcome"), [(3.0, Outcome.PASSED), (60.0, Outcome.FAILED)])
def test_a_plc_has_ten_seconds_to_call(first_at: float, outcome: Outcome) -> None:
    bench = BenchPlc()
    found = await_client(SERVED, Client(bench, first_at), bench.clock, bench.sleep)
    assert found.outcome is outcome
    if outcome is Outcome.FAILED:
        assert "nothing by 10 s" in found.text
        assert "function 16" in found.remedy


@pytest.mark.parametrize(
    ("gap_s", "outcome", "told"),
    [
        (0.010, Outcome.PASSED, "p99 10.0 ms"),
        (0.030, Outcome.WARNED, "over plc.poll_ms (20)"),
        (0.050, Outcome.FAILED, "over plc.max_trigger_age_ms (45)"),
    ],
)
def test_writes_that_are_too_seldom_are_told(gap_s: float, outcome: Outcome, told: str) -> None:
    """So long a trigger may stand unseen."""
    samples = [Sample([0] * 52, n * gap_s, n * gap_s) for n in range(20)]
    found = check_client_timing(SERVED, Listening(samples))
    assert found.outcome is outcome
    assert told in found.text


def test_free_running_has_no_age_of_triggers() -> None:
    samples = [Sample([0] * 52, float(n), float(n)) for n in range(20)]
    free = settings(mode="free_running")
    assert check_client_timing(free, Listening(samples)).outcome is Outcome.PASSED


@pytest.mark.parametrize(("reads", "outcome"), [(True, Outcome.PASSED), (False, Outcome.FAILED)])
def test_a_plc_that_never_reads_is_told(reads: bool, outcome: Outcome) -> None:  # noqa: FBT001  a case
    """It would never see a verdict."""

    class Server:
        def await_read(self, _timeout_s: float) -> bool:
            return reads

    found = check_client_reads(Server())  # pyright: ignore[reportArgumentType]  all that is asked of it
    assert found.outcome is outcome
    assert bool(found.remedy) is not reads
