"""The real line, host, ledger and outcomes put together around the stand-ins, and what tests ask of them."""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from stand_ins import EPOCH, GOOD, Clock, MemoryRecorder, StandInCamera, StandInScorer

from inspectd.agent import line as line_module
from inspectd.agent.classes import Classes
from inspectd.agent.condition import Condition
from inspectd.agent.config import ConfirmationSettings
from inspectd.agent.confirmations import Confirmations
from inspectd.agent.host import Host
from inspectd.agent.ledger import Ledger
from inspectd.agent.line import Line
from inspectd.agent.outcomes import Outcomes
from inspectd.agent.pairing import Pairing
from inspectd.agent.supervision import Budget, Faults, Pulse
from inspectd.agent.times import LineTimes, PartTimes
from inspectd.io.camera import Frame
from inspectd.io.encoder import EncoderPoll
from inspectd.io.plc import FaultCode, Reason, Verdict
from inspectd.io.plc_events import NoPosition, Placed, Position, RecordedIds, Result, Trigger

WINDOW, TRANSFER, DEADLINE, CLAIM = 0.05, 0.01, 0.4, 0.2
ACCEPT = (Verdict.ACCEPT, Reason.NONE)
MISMATCH = (Verdict.UNKNOWN, Reason.FRAME_MISMATCH)


@dataclass
class Rig:
    """The agent between camera and PLC link; use `make_rig`."""

    clock: Clock
    camera: StandInCamera
    scorers: dict[int, StandInScorer]
    classes: Classes
    recorder: MemoryRecorder
    faults: Faults
    pulse: Pulse
    ledger: Ledger
    outcomes: Outcomes
    line: Line
    host: Host
    published: list[Result]
    frames: list[Frame]
    ids: "itertools.count[int]"
    position: Position | NoPosition = NoPosition.UNTRUSTED
    plc_now: tuple[int, int] = (EPOCH, 1)
    """PLC_EPOCH and RECIPE as last polled."""
    polled_before: EncoderPoll | None = None
    """What was polled before the next exposure; None: the same as was polled last."""
    asked_before: list[float] = field(default_factory=list[float])
    """The moments for which that was asked."""
    link_fault: FaultCode = FaultCode.NONE
    held: set[int] = field(default_factory=set[int])
    link_answers: bool = True

    def publish(self, result: Result) -> None:
        """Take a verdict as the link does, and place it at once unless told not to answer."""
        self.published.append(result)
        if self.link_answers:
            placed = Placed(
                result.part_id, len(self.published), result.verdict, result.reason, self.clock.now
            )
            self.host.on_events([placed])

    def polled(self, stamp: float) -> EncoderPoll | None:
        """Give what the PLC showed before an exposure."""
        self.asked_before.append(stamp)
        return self.polled_before or EncoderPoll(0.0, 0.0, 0, *self.plc_now, serial="SN", lot="LOT")

    @property
    def scorer(self) -> StandInScorer:
        """The scorer of recipe 1."""
        return self.scorers[1]

    def trigger(self, recipe: int = 1, seen_after: float = 0.02) -> Trigger:
        """Let the PLC trigger a part now; the last good poll started `seen_after` ago."""
        part_id = next(self.ids)
        event = Trigger(
            part_id=part_id,
            trig_id=part_id,
            epoch=EPOCH,
            recipe=recipe,
            encoder=0,
            serial=f"SN{part_id}",
            lot="LOT",
            window_start=self.clock.now - seen_after,
            seen_at=self.clock.now,
        )
        self.plc_now = (EPOCH, recipe)
        self.host.on_events([event])
        return event

    def expose(
        self,
        score: float = GOOD,
        *,
        ago: float = 0.0,
        stamped: bool = True,
        problem: str = "",
        mark: int = 0,
        pixels: NDArray[np.uint8] | None = None,
        unseen_since: float | None = None,
    ) -> Frame:
        """Let the camera hand over a frame that was exposed `ago`; the scorer finds `mark` (0..255) in it.

        What it exposed from `unseen_since` (monotonic) until then may have been lost.
        """
        number = len(self.frames)
        if pixels is None:
            # As a sensor's noise does, the frame's number makes every picture another.
            pixels = np.array([[[round(score * 100), number % 256, mark]]], np.uint8)
        exposed_at = self.clock.now - ago
        frame = Frame(
            camera=self.camera.name,
            number=number,
            exposed_at=exposed_at,
            exposure_stamped=stamped,
            received_at=self.clock.now,
            pixels=np.zeros((0, 0, 3), np.uint8) if problem else pixels,
            problem=problem,
            unseen=None if unseen_since is None else (unseen_since, exposed_at),
            label=f"image {number}",
            give_back=lambda: self.held.discard(number),
        )
        self.held.add(number)
        self.frames.append(frame)
        self.host.on_frame(frame)
        self.camera.last_exposed_at = exposed_at
        return frame

    def turn(self, seconds: float = 0.0) -> None:
        """Let time pass and the line take one turn."""
        self.clock.advance(seconds)
        self.line._turn()  # pyright: ignore[reportPrivateUsage]  one turn of the loop, without its thread

    def close_windows(self) -> None:
        """Let time pass until every window is closed, and the line work until it is done."""
        self.turn()
        self.turn(WINDOW + TRANSFER + 0.001)

    def verdicts(self) -> list[tuple[Verdict, Reason]]:
        """What was published, in order."""
        return [(result.verdict, result.reason) for result in self.published]

    def rows_of(self, part_id: int) -> list[dict[str, Any]]:
        """All rows of a part."""
        return [row for row in self.recorder.rows if row.get("part") == part_id]


def make_rig(  # noqa: PLR0913  what a test may wish otherwise
    monkeypatch: pytest.MonkeyPatch,
    *,
    free_running: bool = False,
    software_trigger: bool = False,
    shadow: bool = False,
    capacity: int = 16,
    stop_after: int = 1000,
    recipes: tuple[int, ...] = (1,),
    times: PartTimes | None = None,
    confirmations: ConfirmationSettings | None = None,
) -> Rig:
    """Put the real parts of the agent together around the stand-ins."""
    clock = Clock()
    monkeypatch.setattr(line_module, "time", clock)
    camera = StandInCamera(lambda: clock.monotonic())  # noqa: PLW0108  a test may put another clock into it
    scorers = {recipe: StandInScorer(f"class {recipe}") for recipe in recipes}
    recorder, faults, pulse, ledger = MemoryRecorder(), Faults(), Pulse(), Ledger(capacity)
    classes = Classes(ledger)
    for recipe, scorer in scorers.items():
        classes.put_in_force(recipe, scorer)
    published: list[Result] = []
    ids = itertools.count(1)

    def publish(result: Result) -> None:
        rig.publish(result)

    outcomes = Outcomes(
        publish=publish,
        recorder=recorder,
        faults=faults,
        stop_line=None if shadow else Budget(FaultCode.STOP_LINE, stop_after),
        station=3,
    )
    line = Line(
        times=LineTimes(step=1.0, claim=CLAIM, transfer=TRANSFER),
        camera=camera,
        classes=classes,
        pairing=Pairing(TRANSFER, spare_frames=4),
        ledger=ledger,
        outcomes=outcomes,
        faults=faults,
        pulse=pulse,
        shadow=shadow,
        any_fault=lambda: faults.current() is not FaultCode.NONE or rig.link_fault is not FaultCode.NONE,
        position_at=(lambda _stamp: rig.position) if free_running else None,
    )
    host = Host(
        times=times or PartTimes(window=WINDOW, early=0.0, deadline=DEADLINE),
        camera=camera,
        software_trigger=software_trigger,
        classes=classes,
        ledger=ledger,
        line=line,
        outcomes=outcomes,
        faults=faults,
        condition=Condition(
            camera=camera,
            classes=classes,
            recorder=recorder,
            faults=faults,
            pulse=pulse,
            shadow=shadow,
            plc_now=lambda: rig.plc_now,
        ),
        confirmations=Confirmations(confirmations, WINDOW, faults) if confirmations else None,
        read_record=lambda _epoch: RecordedIds(),
        next_part=(lambda: next(ids)) if free_running else None,
        plc_now=lambda: rig.plc_now,
        poll_before=lambda stamp: rig.polled(stamp),  # noqa: PLW0108  a test may put another in its place
    )
    rig = Rig(
        clock,
        camera,
        scorers,
        classes,
        recorder,
        faults,
        pulse,
        ledger,
        outcomes,
        line,
        host,
        published,
        [],
        ids,
    )
    return rig


def unknown(reason: Reason) -> tuple[Verdict, Reason]:
    return Verdict.UNKNOWN, reason


def one_row(rig: Rig, part_id: int) -> dict[str, object]:
    """Give the one row of a part, which has one published verdict and holds no frame."""
    (row,) = rig.rows_of(part_id)
    assert [result.part_id for result in rig.published].count(part_id) == 1
    assert rig.held == set()
    return row


def wait_for(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.005)
