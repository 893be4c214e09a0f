"""Which verdicts and states the outputs are told, and that they are kept apart from the line."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stand_ins import HeardLog

from inspectd.agent import outputs as outputs_module
from inspectd.agent.errors import AgentError
from inspectd.agent.ledger import OpenPart
from inspectd.agent.outcomes import Outcome
from inspectd.agent.outputs import ACKNOWLEDGED_WITHIN_S, MOST_HELD, Outputs
from inspectd.agent.verdict import Finding, InForce
from inspectd.io.output_settings import GpioSettings, MqttSettings
from inspectd.io.outputs import OutputStatus, PartWindow, Phase, PublishedVerdict, StationState
from inspectd.io.plc import FaultCode, Reason, Verdict

STATE = StationState(
    Phase.RUNNING,
    False,
    True,
    True,
    True,
    False,
    False,
    False,
    False,
    FaultCode.NONE,
    1,
)


def nothing_installed(_name: str) -> None:
    """Stand in for the look at what is installed."""


class Heard:
    """An output that keeps what it is told, and raises if asked to."""

    def __init__(self) -> None:
        self.verdicts: list[PublishedVerdict] = []
        self.states: list[StationState] = []
        self.now = OutputStatus(healthy=True)
        self.error: Exception | None = None
        self.stopped = 0

    def start(self) -> None:
        self._fail()

    def verdict(self, verdict: PublishedVerdict) -> None:
        self.verdicts.append(verdict)
        self._fail()

    def state(self, state: StationState) -> None:
        self.states.append(state)
        self._fail()

    def status(self) -> OutputStatus:
        return self.now

    def stop(self) -> None:
        self.stopped += 1
        self._fail()

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error


class Bench:
    """Two outputs behind one hub, with a clock that the test moves."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.first, self.second = Heard(), Heard()
        made = iter((self.first, self.second))

        def output_of(_settings: object, _station: str) -> Heard:
            return next(made)

        patch.setattr(outputs_module, "output_of", output_of)
        entry = GpioSettings(kind="gpio", line=1, window_to_ms=100.0)
        self.hub = Outputs([entry, entry], "press-3")
        self.log = HeardLog()
        patch.setattr(outputs_module, "log", self.log)
        self.now = 100.0
        patch.setattr(outputs_module.time, "monotonic", lambda: self.now)

    def conclude(self, part: int, verdict: Verdict, *, outcome: bool = True) -> None:
        """Do as Outcomes does: the row first, then the outcome."""
        self.hub.row(row(part, verdict))
        if outcome:
            self.hub.outcome(self.outcome(part, verdict))

    def outcome(self, part: int, verdict: Verdict) -> Outcome:
        open_part = OpenPart(
            part_id=part,
            trig_id=part,
            epoch=7,
            in_force=InForce(1, "button", "b", "d"),
            seen_at=10.0 + part,
            window_start=9.9 + part,
            window_end=10.5 + part,
            deadline=11.0 + part,
        )
        return Outcome(open_part, Finding(verdict, Reason.NONE), 10.2, None, 1.0)


def row(part: int, verdict: Verdict) -> dict[str, Any]:
    return {"time": "t", "part": part, "verdict": verdict.name, "reason": 0}


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def test_accept_is_told_as_accepted_once_the_plc_has_it(bench: Bench) -> None:
    """Not before the write is acknowledged, and with the window in which the PLC gave the part its id."""
    bench.conclude(1, Verdict.ACCEPT)
    assert bench.first.verdicts == []
    bench.hub.written([1], 10.3)
    bench.hub.written([1], 10.4)
    told = PublishedVerdict(1, Verdict.ACCEPT, Reason.NONE, row(1, Verdict.ACCEPT), PartWindow(10.9, 11.0))
    assert bench.first.verdicts == [told]
    assert bench.second.verdicts == [told]


@pytest.mark.parametrize("verdict", [Verdict.REJECT, Verdict.UNKNOWN])
def test_other_verdicts_are_told_at_once_and_never_as_accepted(bench: Bench, verdict: Verdict) -> None:
    """Whether the PLC has acknowledged them or not."""
    bench.conclude(1, verdict)
    bench.hub.written([1], 10.3)
    assert [(told.part, told.verdict, told.accepted) for told in bench.first.verdicts] == [(1, verdict, None)]


def test_accept_without_acknowledgement_is_reported_but_not_accepted(bench: Bench) -> None:
    """After a while, or when too many wait, or at the end; an acknowledgement after that changes nothing."""
    bench.conclude(1, Verdict.ACCEPT)
    bench.hub.tell(STATE)
    assert bench.first.verdicts == []
    bench.now += ACKNOWLEDGED_WITHIN_S + 0.01
    bench.hub.tell(STATE)
    bench.hub.written([1], 10.3)
    for part in range(2, 3 + MOST_HELD):
        bench.conclude(part, Verdict.ACCEPT)
    bench.hub.written([2], 10.3)
    assert [(told.part, told.accepted) for told in bench.first.verdicts] == [(1, None), (2, None)]
    bench.hub.stop()
    bench.hub.written(range(3, 3 + MOST_HELD), 10.3)
    assert [told.part for told in bench.first.verdicts] == list(range(1, 3 + MOST_HELD))
    assert all(told.accepted is None for told in bench.first.verdicts)


def test_accept_of_which_no_window_is_known_is_no_accepted_part(bench: Bench) -> None:
    """A row alone does not open a gate, nor does one that the outcome does not bear out."""
    bench.conclude(1, Verdict.ACCEPT, outcome=False)
    bench.hub.written([1], 10.3)
    bench.hub.row(row(2, Verdict.ACCEPT))
    bench.hub.outcome(bench.outcome(2, Verdict.UNKNOWN))
    bench.hub.written([2], 10.3)
    assert [told.accepted for told in bench.first.verdicts] == [None, None]


def test_rows_without_a_part_are_not_told(bench: Bench) -> None:
    """What an earlier run left in the PLC has no part any more."""
    bench.hub.row({"trig_id": 5, "verdict": "ACCEPT", "reason": 0, "detail": "published, details lost"})
    bench.hub.tell(STATE)
    assert bench.first.verdicts == []


def test_state_is_told_when_it_changes_and_every_second(bench: Bench) -> None:
    """Not with each look, of which there are five a second."""
    for _ in range(11):
        bench.hub.tell(STATE)
        bench.now += 0.2
    assert 2 <= len(bench.first.states) <= 4
    count = len(bench.first.states)
    halted = replace(STATE, phase=Phase.STOPPED)
    bench.hub.tell(halted)
    assert bench.first.states[count:] == [halted]


def test_output_that_raises_disturbs_neither_caller_nor_neighbour(bench: Bench) -> None:
    """Its error is logged; the other output goes on."""
    bench.first.error = RuntimeError("mine")
    bench.hub.start()
    bench.conclude(1, Verdict.REJECT)
    bench.hub.tell(STATE)
    bench.hub.stop()
    assert len(bench.second.verdicts) == len(bench.second.states) == bench.second.stopped == 1
    assert [event for event, _ in bench.log.told].count("output_failed") == 4


def test_losses_are_logged_once_and_concerns_told(bench: Bench) -> None:
    """Who is called at night reads which output has lost how much, and why."""
    bench.hub.tell(STATE)
    assert bench.hub.concerns() == ()
    bench.second.now = OutputStatus(healthy=False, dropped=3, detail="broker gone", concern="no pulses")
    for _ in range(3):
        bench.now += 1.0
        bench.hub.tell(STATE)
    assert bench.log.told == [("output_dropped", "broker gone")]
    assert bench.hub.concerns() == ("no pulses",)
    bench.second.now = OutputStatus(healthy=True, dropped=5)
    bench.now += 1.0
    bench.hub.tell(STATE)
    assert bench.log.told[1:] == [("output_dropped", "")]


def test_missing_package_or_file_keeps_the_station_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text names the output and what to type."""
    settings = {
        "kind": "mqtt",
        "host": "127.0.0.1",
        "topic": "t",
        "user": "u",
        "password_file": str(tmp_path / "p"),
    }
    with pytest.raises(AgentError, match=r"outputs: mqtt .* No such file"):
        Outputs([MqttSettings.model_validate(settings)], "press-3")
    monkeypatch.setattr("inspectd.io.output_settings.importlib.util.find_spec", nothing_installed)
    with pytest.raises(AgentError, match=r"outputs: output gpio .* pip install 'inspectd\[gpio\]'"):
        Outputs([GpioSettings(kind="gpio", line=1, window_to_ms=100.0)], "press-3")


def test_without_outputs_nothing_is_held() -> None:
    """Most stations have none."""
    hub = Outputs([], "press-3")
    for part in range(1000):
        hub.row(row(part, Verdict.ACCEPT))
    hub.tell(STATE)
    begun = time.monotonic()
    hub.stop()
    assert time.monotonic() - begun < 1.0
