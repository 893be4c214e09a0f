"""What the PLC link counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class LinkStatistics:
    """Counters since the start; `last_cycle_at` in s (monotonic), `round_trip_s` of the last read."""

    cycles: int = 0
    late_cycles: int = 0
    wake_ups: int = 0
    torn_reads: int = 0
    writes: int = 0
    connects: int = 0
    errors: int = 0
    discarded: int = 0
    host_errors: int = 0
    last_cycle_at: float = 0.0
    round_trip_s: float = 0.0
