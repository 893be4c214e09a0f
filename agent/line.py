"""The line loop: trigger, frame, score, verdict, publish. One part after another, on one thread."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

import structlog

from inspectd.agent.freeze import FROZEN, FreezeWatch
from inspectd.agent.ledger import Ledger, OpenPart
from inspectd.agent.outcomes import Observation, Outcomes
from inspectd.agent.pairing import Candidate, Pairing
from inspectd.agent.scorer import Scorer
from inspectd.agent.supervision import ENGINE_BUDGET, MISMATCH_BUDGET, Budget, Faults, Pulse
from inspectd.agent.times import LineTimes
from inspectd.agent.verdict import Evidence, ViewEvidence, decide
from inspectd.inference.errors import InferenceError
from inspectd.io.camera import Camera, Frame
from inspectd.io.plc import FaultCode, Reason
from inspectd.io.plc_events import NoPosition, Position

log = structlog.get_logger(__name__)

ENGINE_FAILURES = Budget(FaultCode.INFERENCE_FAILING, ENGINE_BUDGET)
MISMATCHES = Budget(FaultCode.FRAME_MISMATCH, MISMATCH_BUDGET)
IDLE_WAIT_S = 0.05


class Line:
    """Takes parts and frames from its inbox and gives each part its verdict."""

    def __init__(  # noqa: PLR0913  one argument for each thing the loop works with
        self,
        *,
        times: LineTimes,
        camera: Camera,
        scorers: Mapping[int, Scorer],
        pairing: Pairing,
        ledger: Ledger,
        outcomes: Outcomes,
        faults: Faults,
        pulse: Pulse,
        shadow: bool,
        any_fault: Callable[[], bool],
        position_at: Callable[[float], Position | NoPosition] | None,
    ) -> None:
        self._times = times
        self._camera = camera
        self._scorers = scorers
        self._pairing = pairing
        self._ledger = ledger
        self._outcomes = outcomes
        self._faults = faults
        self._pulse = pulse
        self._shadow = shadow
        self._any_fault = any_fault
        self._position_at = position_at
        self._inbox: deque[OpenPart | Frame] = deque()
        self._news = threading.Condition()
        self._stopping = False
        self._void_before = 0.0
        self._closed: deque[Candidate] = deque()
        self._observed: dict[int, Observation] = {}
        self._freeze = FreezeWatch()
        self.errors = 0

    def put(self, item: OpenPart | Frame) -> None:
        """Hand in a part or a frame; never waits. Any thread.

        The inbox needs no bound of its own: the ledger bounds the parts and the camera's slots the frames.
        """
        with self._news:
            self._inbox.append(item)
            self._news.notify()

    def void(self, exposed_before: float) -> None:
        """Never judge a part or a frame from before the given moment, monotonic. Any thread."""
        with self._news:
            self._void_before = max(self._void_before, exposed_before)
            self._news.notify()

    def stop(self) -> None:
        """End `run` after the step at hand."""
        with self._news:
            self._stopping = True
            self._news.notify()

    def run(self) -> None:
        """Inspect until stopped."""
        while not self._stopping:
            self._pulse.idle()
            self._wait()
            self._pulse.step("inspection", self._times.step)
            try:
                self._turn()
            except Exception:
                # The part concerned has no score, and so becomes UNKNOWN; the loop goes on.
                self.errors += 1
                self._faults.count(ENGINE_FAILURES, failed=True)
                log.exception("inspection_turn_failed", errors=self.errors)
        self._release_all()

    def _turn(self) -> None:
        """Take in what has come, conclude the parts whose windows are closed, then score one frame."""
        # All that came by `now` is taken in before a window is closed at `now`: while the last frame was
        # scored, a second exposure of the same part may have come.
        now = time.monotonic()
        self._take_inbox()
        self._pairing.release_older(now - self._times.claim)
        self._closed.extend(self._pairing.take_closed(now))
        while self._closed:
            self._conclude(self._closed.popleft())
        candidate = self._next_to_observe()
        if candidate is not None:
            self._observe(candidate)

    def _wait(self) -> None:
        """Wait for news or for the next window to close, unless there is work left."""
        closes_at = self._pairing.next_close()
        wait_s = IDLE_WAIT_S if closes_at is None else min(IDLE_WAIT_S, closes_at - time.monotonic())
        if wait_s <= 0 or self._closed or self._next_to_observe() is not None:
            return
        with self._news:
            if not self._inbox and not self._stopping:
                self._news.wait(wait_s)

    def _take_inbox(self) -> None:
        with self._news:
            items, self._inbox = self._inbox, deque()
            void_before = self._void_before
        self._pairing.release_older(void_before)
        for item in items:
            if isinstance(item, OpenPart):
                self._pairing.open(item)
                continue
            if self._freeze.repeats(item.pixels):
                item.problem = FROZEN
            if item.exposed_at < void_before:
                item.release()
            else:
                self._pairing.offer(item)

    def _next_to_observe(self) -> Candidate | None:
        """The oldest part with one frame that nobody has looked at and that is still worth a look."""
        for candidate in self._pairing.open_candidates():
            part_id = candidate.part.part_id
            if len(candidate.frames) == 1 and part_id not in self._observed and self._ledger.is_open(part_id):
                return candidate
        return None

    def _observe(self, candidate: Candidate) -> None:
        """Score a part's frame, whatever comes of it, and give the frame's memory back."""
        part, frame = candidate.part, candidate.frames[0]
        scorer = self._scorers[part.in_force.recipe]
        observation = Observation.of(frame, scorer)
        # Entered before it is judged: a frame that the scorer fails on is not tried again.
        self._observed[part.part_id] = observation
        try:
            if not observation.unfit:
                self._pulse.step("inference", self._times.step)
                observation.add(scorer.judge(frame.pixels))
            if not observation.unfit:
                self._faults.count(ENGINE_FAILURES, failed=not math.isfinite(observation.score))
        except InferenceError as error:
            observation.failure = str(error)
            log.error("inference_failed", part=part.part_id, error=str(error))
            self._faults.count(ENGINE_FAILURES, failed=True)
        finally:
            frame.release()

    def _conclude(self, candidate: Candidate) -> None:
        """Give a part its verdict, if it still waits for one, with the frames of its closed window."""
        part_id = candidate.part.part_id
        try:
            if self._ledger.is_open(part_id):
                try:
                    if len(candidate.frames) == 1 and part_id not in self._observed:
                        self._observe(candidate)
                finally:
                    self._give_verdict(candidate)
        finally:
            self._observed.pop(part_id, None)
            candidate.release()

    def _give_verdict(self, candidate: Candidate) -> None:
        part = candidate.part
        # What one of several exposures showed is no evidence: it may be another part.
        seen = self._observed.get(part.part_id) if len(candidate.frames) == 1 else None
        position = self._position_at(part.window_start) if self._position_at else None
        now = time.monotonic()
        finding = decide(self._evidence(candidate, seen, position, now))
        if self._ledger.settle(part.part_id, time.monotonic()) is None:
            return
        mismatch = finding.reason is Reason.FRAME_MISMATCH and len(candidate.frames) != 1
        self._faults.count(MISMATCHES, failed=mismatch)
        encoder = position.encoder if isinstance(position, Position) else None
        self._outcomes.conclude(part, finding, now, seen, encoder)

    def _release_all(self) -> None:
        self._take_inbox()
        for candidate in self._closed:
            candidate.release()
        self._pairing.close()

    def _evidence(
        self,
        candidate: Candidate,
        seen: Observation | None,
        position: Position | NoPosition | None,
        now: float,
    ) -> Evidence:
        part = candidate.part
        recipe = part.in_force.recipe
        view = ViewEvidence(
            camera=self._camera.name,
            frames=len(candidate.frames),
            camera_alive=self._camera.status().alive,
            exposure_stamped=seen is not None and seen.exposure_stamped,
            unfit=seen.unfit if seen else (),
            score=seen.score if seen else float("nan"),
            limits=self._scorers[recipe].limits,
            judged_by=seen.judged_by(recipe) if seen else None,
            failure=seen.failure if seen else "",
        )
        return Evidence(
            in_force=part.in_force,
            views_wanted=1,
            views=(view,),
            fault=self._any_fault(),
            shadow=self._shadow,
            now=now,
            deadline=part.deadline,
            position_trusted=position is None or _fits(part, position),
        )


def _fits(part: OpenPart, position: Position | NoPosition) -> bool:
    """Whether the position is certain and of the epoch and recipe that the part was opened with."""
    if not isinstance(position, Position):
        return False
    return (position.epoch, position.recipe) == (part.epoch, part.in_force.recipe)
