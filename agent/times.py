"""The times of a station: from the settings, in ms, to what the loops work with, in seconds.

A part's window for its exposure opens at the start of the last good poll that did not show its id yet (less
one PLC scan if the camera is triggered by hardware, since the photo-eye breaks before the PLC sees it), and
closes the highest trigger age and the time from trigger to exposure after the start of that poll.
"""

from __future__ import annotations

from dataclasses import dataclass

from inspectd.agent.config import StationSettings

# Longest time between the polls around an exposure whose position is still trusted, ms (besides the cycle).
POLL_LIMIT_MS = 25.0


@dataclass(frozen=True, slots=True)
class PartTimes:
    """Times of a part in seconds.

    `window` is how long after the start of the last good poll its exposure may lie, `early` how long before;
    `deadline` runs from the moment the trigger was seen.
    """

    window: float
    early: float
    deadline: float


@dataclass(frozen=True, slots=True)
class LineTimes:
    """Times of the line loop in seconds.

    `step` bounds each step of the loop. A frame waits for its trigger for `claim` after its exposure. A
    window that has ended waits for `transfer` longer, for what was exposed in it and is on its way.
    """

    step: float
    claim: float
    transfer: float


def trigger_lead_ms(settings: StationSettings) -> float:
    """How long before the last good poll a part's exposure may lie: one PLC scan if triggered by hardware."""
    return settings.plc.plc_scan_ms if settings.camera.trigger == "hardware" else 0.0


def position_wait_ms(settings: StationSettings) -> float:
    """Free-running: this long after an exposure its position is certain, or certainly not trustworthy."""
    return POLL_LIMIT_MS + settings.plc.cycle_ms


def window_close_ms(settings: StationSettings) -> float:
    """How long after the last poll without its trigger a part's window closes by the clock, ms."""
    line = settings.line
    return settings.plc.max_trigger_age_ms + line.trigger_to_exposure_ms + line.frame_transfer_ms


def part_times(settings: StationSettings) -> PartTimes:
    """Give the times of a part."""
    line, plc = settings.line, settings.plc
    return PartTimes(
        window=(plc.max_trigger_age_ms + line.trigger_to_exposure_ms) / 1000,
        early=trigger_lead_ms(settings) / 1000,
        deadline=line.deadline_ms / 1000,
    )


def line_times(settings: StationSettings) -> LineTimes:
    """Give the times of the line loop."""
    line, plc = settings.line, settings.plc
    free_running = plc.mode == "free_running"
    claim_ms = plc.max_trigger_age_ms + trigger_lead_ms(settings) + line.trigger_to_exposure_ms
    transfer_ms = position_wait_ms(settings) if free_running else line.frame_transfer_ms
    return LineTimes(step=line.step_limit_ms / 1000, claim=2 * claim_ms / 1000, transfer=transfer_ms / 1000)
