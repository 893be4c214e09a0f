"""Whatever `check` lets pass, no exposure lies in two parts' windows, and each lies in its own part's.

Parts, PLC scans, polls and exposures are simulated at the worst times that the settings allow; the PLC's
words go through the real handshake and the real host.
"""

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from agent_rig import make_rig
from hypothesis import given, settings
from hypothesis import strategies as st
from station_files import settings_with

from inspectd.agent.checks import find_problems
from inspectd.agent.config import StationSettings
from inspectd.agent.ledger import OpenPart
from inspectd.agent.times import part_times
from inspectd.io.handshake import Handshake, Poll
from inspectd.io.plc import READ_COUNT, WRITE_COUNT, Control, PlcImage, next_id
from inspectd.io.plc_events import AgentState, RecordedIds, Trigger

PARTS = 12
JUST_OVER = 1.001
# Longest times of half a poll, and from its end until it is taken, s.
READ_S = 0.0005
TAKE_S = 0.001
ONLINE = AgentState(beating=True, online=True, trigger_ready=True)


@dataclass
class Part:
    """A part of the simulation; times in seconds."""

    number: int
    at_eye: float
    id_shows: float
    exposed: float | None = None


@dataclass
class Run:
    """What came of a simulation: all parts, and the windows of those that the agent took on."""

    parts: list[Part]
    windows: dict[int, OpenPart] = field(default_factory=dict[int, OpenPart])

    def owners(self, exposed: float) -> list[int]:
        """The parts in whose windows an exposure lies."""
        return [
            number for number, one in self.windows.items() if one.window_start <= exposed <= one.window_end
        ]


class WorstCase:
    """Simulates a line under `settings`; `pick(low, high)` chooses each time between its bounds."""

    def __init__(self, settings: StationSettings, pick: Callable[[float, float], float], seed: int) -> None:
        self._settings = settings
        self._pick = pick
        self._random = random.Random(seed)
        self._age = settings.plc.max_trigger_age_ms / 1000
        self._cycle = settings.plc.cycle_ms / 1000
        self._exposure = settings.line.trigger_to_exposure_ms / 1000
        self._hardware = settings.camera.trigger == "hardware"

    def run(self, monkeypatch: pytest.MonkeyPatch) -> Run:
        """Let `PARTS` parts pass."""
        rig = make_rig(monkeypatch, times=part_times(self._settings), capacity=1000)
        run = Run(self._parts())
        taken: list[OpenPart] = []
        monkeypatch.setattr(rig.line, "put", taken.append)
        first_id = self._random.choice([1, 65_530])
        handshake = Handshake(self._settings.plc, frozenset({1}), boot_id=5)
        poll = self._poll(run, first_id, started=0.0)
        handshake.begin(poll, [0] * WRITE_COUNT, RecordedIds(), poll.ended)
        while poll.started < run.parts[-1].id_shows + 1.0:
            poll = self._poll(
                run, first_id, started=max(poll.ended, poll.started + self._gap(run, poll.started))
            )
            now = poll.ended + self._pick(0, TAKE_S)
            for event in handshake.feed(poll, ONLINE, now):
                taken.clear()
                rig.host.on_events([event])
                if isinstance(event, Trigger):
                    part = run.parts[(event.trig_id - first_id) % 65_535]
                    run.windows[part.number] = taken[0]
                    if not self._hardware:
                        part.exposed = now + self._pick(0, self._exposure)
        return run

    def _parts(self) -> list[Part]:
        """Parts as close as they may come, each with an id within a scan and an exposure in its time."""
        parts: list[Part] = []
        at_eye = 0.5
        for number in range(PARTS):
            id_shows = at_eye + self._pick(0, self._settings.plc.plc_scan_ms / 1000)
            exposed = at_eye + self._pick(0, self._exposure) if self._hardware else None
            parts.append(Part(number, at_eye, id_shows, exposed))
            at_eye += self._settings.line.min_part_interval_ms / 1000 * JUST_OVER ** self._random.randrange(2)
        return parts

    def _gap(self, run: Run, started: float) -> float:
        """From the start of one poll to that of the next.

        Now and then longer than a trigger may age; often so that an id shows right after the poll has read,
        and so that the id is just not too old when the poll after that has it.
        """
        if self._random.random() < 0.1:
            return self._random.choice([1.2, 2.5]) * self._age
        longest = self._age - 2 * READ_S - TAKE_S
        to_next_id = min((one.id_shows - started for one in run.parts if one.id_shows > started), default=1.0)
        if self._random.random() < 0.5 and self._cycle <= to_next_id <= longest:
            return to_next_id - 1e-6
        return self._pick(self._cycle, longest)

    def _poll(self, run: Run, first_id: int, started: float) -> Poll:
        """Read the words as they stand at some moment between the start and the end of a poll."""
        read_at = started + self._pick(0, READ_S)
        ended = read_at + self._pick(0, READ_S)
        trig_id = first_id - 1
        for part in run.parts:
            if part.id_shows <= read_at:
                trig_id = first_id if part.number == 0 else next_id(trig_id)
        image = PlcImage(heartbeat=1, control=Control.TRIGGER_ENABLE, trig_id=trig_id, recipe=1, plc_epoch=7)
        words = image.pack()
        return Poll(words + [0] * (READ_COUNT - len(words)), started, ended)


class QuickPolls(WorstCase):
    """A link on which nothing ever takes long."""

    def _gap(self, run: Run, started: float) -> float:  # noqa: ARG002  nothing depends on them here
        return self._cycle


def worst_times(generator: random.Random) -> Callable[[float, float], float]:
    """Choose the earliest, the latest or any time between."""

    def pick(low: float, high: float) -> float:
        return generator.choice([low, high, generator.uniform(low, high)])

    return pick


def tight_station(*, trigger: str, scan: float, age: float, exposure: float, apart: float) -> StationSettings:
    """A station whose parts are `apart` times as far from each other as `check` demands; times in ms."""
    needed = 2 * age + exposure + scan * (2 if trigger == "hardware" else 1)
    return settings_with(
        camera={"kind": "simulated", "trigger": trigger, "wire_port": 5021},
        plc={"cycle_ms": 5.0, "max_trigger_age_ms": age, "plc_scan_ms": scan},
        line={
            "min_part_interval_ms": apart * needed,
            "trigger_to_exposure_ms": exposure,
            "deadline_ms": 300.0,
            "eye_to_gate_ms": 10_000.0,
        },
    )


def simulate(station: StationSettings, seed: int) -> Run:
    with pytest.MonkeyPatch.context() as monkeypatch:
        return WorstCase(station, worst_times(random.Random(seed)), seed).run(monkeypatch)


def windows_overlap(run: Run) -> bool:
    windows = sorted(run.windows.values(), key=lambda one: one.window_start)
    return any(earlier.window_end >= later.window_start for earlier, later in itertools.pairwise(windows))


@settings(deadline=None, max_examples=100)
@given(
    trigger=st.sampled_from(["hardware", "software"]),
    scan=st.sampled_from([1.0, 10.0, 50.0]),
    age=st.floats(10.0, 100.0),
    exposure=st.sampled_from([0.0, 5.0, 40.0]),
    seed=st.integers(0, 2**32),
)
def test_each_exposure_lies_in_the_window_of_its_own_part_alone(
    trigger: str, scan: float, age: float, exposure: float, seed: int
) -> None:
    """Parts as close as `check` allows, polls as rare as a trigger may age, every time at its worst."""
    station = tight_station(trigger=trigger, scan=scan, age=age, exposure=exposure, apart=JUST_OVER)
    # Where the numbers are small, so many parts pass until the deadline that another rule objects.
    assert [one for one in find_problems(station) if one.key != ("line", "deadline_ms")] == []
    run = simulate(station, seed)
    for part in run.parts:
        if part.exposed is not None:
            own = [part.number] if part.number in run.windows else []
            assert run.owners(part.exposed) == own, part
    assert not windows_overlap(run)


@pytest.mark.parametrize("trigger", ["hardware", "software"])
def test_parts_that_are_too_close_would_share_windows(trigger: str) -> None:
    """The simulation finds the worst case: where `check` refuses, windows do overlap."""
    station = tight_station(trigger=trigger, scan=10.0, age=60.0, exposure=0.0, apart=0.85)
    assert ("line", "min_part_interval_ms") in [one.key for one in find_problems(station)]
    assert any(windows_overlap(simulate(station, seed)) for seed in range(200))


def test_many_parts_are_taken_on() -> None:
    """The simulation is no empty one: where polls are quick, every part gets its window."""
    station = settings_with()
    with pytest.MonkeyPatch.context() as monkeypatch:
        run = QuickPolls(station, lambda low, _high: low, seed=1).run(monkeypatch)
    assert sorted(run.windows) == list(range(PARTS))
