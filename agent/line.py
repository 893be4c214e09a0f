"""The line loop: trigger, frame, score, verdict, publish. One part after another, on one thread."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable

import structlog

from inspectd.agent.classes import Classes
from inspectd.agent.freeze import FreezeWatch
from inspectd.agent.inbox import Inbox
from inspectd.agent.ledger import Ledger, OpenPart
from inspectd.agent.outcomes import Observation, Outcomes
from inspectd.agent.pairing import Candidate, Pairing, open_throughout, seen_through
from inspectd.agent.scorer import Scorer
from inspectd.agent.supervision import ENGINE_BUDGET, MISMATCH_BUDGET, Budget, Faults, Pulse
from inspectd.agent.times import LineTimes
from inspectd.agent.verdict import Evidence, ViewEvidence, decide
from inspectd.inference.errors import InferenceError
from inspectd.io.camera import Camera, CameraStatus, Frame
from inspectd.io.plc import FaultCode, Reason
from inspectd.io.plc_events import NoPosition, Position

log = structlog.get_logger(__name__)

ENGINE_FAILURES = Budget(FaultCode.INFERENCE_FAILING, ENGINE_BUDGET)
MISMATCHES = Budget(FaultCode.FRAME_MISMATCH, MISMATCH_BUDGET)
IDLE_WAIT_S = 0.05
# A part whose window is closed waits in such steps for the camera's word that nothing more was exposed in it.
CAMERA_WAIT_S = 0.001


class Line:
    """Takes parts and frames from its inbox and gives each part its verdict."""

    def __init__(  # noqa: PLR0913  one argument for each thing the loop works with
        self,
        *,
        times: LineTimes,
        camera: Camera,
        classes: Classes,
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
        self._classes = classes
        self._pairing = pairing
        self._ledger = ledger
        self._outcomes = outcomes
        self._faults = faults
        self._pulse = pulse
        self._shadow = shadow
        self._any_fault = any_fault
        self._position_at = position_at
        self.inbox = Inbox()
        self._stopping = False
        self._arrived: deque[OpenPart | Frame] = deque()
        self._closed: deque[Candidate] = deque()
        self._observed: dict[int, Observation] = {}
        self._freeze = FreezeWatch()
        self.errors = 0

    def put(self, item: OpenPart | Frame) -> None:
        """Hand in a part or a frame; never waits. Any thread."""
        self.inbox.put(item)

    def void(self, exposed_before: float) -> None:
        """Never judge a part or a frame from before the given moment, monotonic. Any thread."""
        self.inbox.void(exposed_before)

    @property
    def exposed_part_id(self) -> int:
        """Newest part whose exposure is known, 0 before the first. Any thread."""
        return self._pairing.exposed_part_id

    def stop(self) -> None:
        """End `run` after the step at hand."""
        self._stopping = True
        self.inbox.wake()

    def run(self) -> None:
        """Inspect until stopped."""
        while not self._stopping:
            try:
                self._pulse.idle()
                self._wait()
                self._pulse.step("inspection", self._times.step)
                self._turn()
            except Exception:  # noqa: PERF203  the loop's boundary
                # The part concerned has no score, and so becomes UNKNOWN; the loop goes on.
                self._count_error()
                log.exception("inspection_turn_failed", errors=self.errors)
        self._release_all()

    def _count_error(self) -> None:
        self.errors += 1
        self._faults.count(ENGINE_FAILURES, failed=True)

    def _turn(self) -> None:
        """Take in what has come, conclude the parts whose windows are closed, then score one frame.

        At the end, when no frame is being judged, scorers that were replaced are let go.
        """
        # All that came by `now`, and all that the camera's word includes, is taken in before a window is
        # closed by them: while the last frame was scored, a second exposure of the same part may have come.
        now, camera = time.monotonic(), self._camera.status()
        self._take_inbox()
        self._pairing.release_older(now - self._times.claim)
        for candidate in self._closable(now, camera):
            candidate.window_seen = seen_through(candidate, camera)
            self._pairing.take(candidate)
            self._closed.append(candidate)
        while self._closed:
            self._conclude(self._closed.popleft())
        candidate = self._next_to_observe()
        if candidate is not None:
            self._observe(candidate)
        self._classes.let_go()

    def _wait(self) -> None:
        """Wait for news, the close of a window or the camera's word on it, unless there is work left."""
        now, closes_at = time.monotonic(), self._pairing.next_close()
        if self._closed or self._arrived or self._next_to_observe() is not None:
            return
        wait_s = IDLE_WAIT_S
        if closes_at is not None and closes_at <= now:
            if self._closable(now, self._camera.status()):
                return
            wait_s = CAMERA_WAIT_S
        elif closes_at is not None:
            wait_s = min(IDLE_WAIT_S, closes_at - now)
        if not self._stopping:
            self.inbox.wait(wait_s)

    def _closable(self, now: float, camera: CameraStatus) -> list[Candidate]:
        """Give the parts whose window is closed, or of which nothing more will be known.

        Until a living camera has been heard from past a window's end, an exposure may be on its way, however
        late it is: the part waits, to its deadline at most.
        """
        return [
            candidate
            for candidate in self._pairing.due(now)
            if seen_through(candidate, camera)
            or not open_throughout(camera, candidate.part)
            or now > candidate.part.deadline
            or not self._ledger.is_open(candidate.part.part_id)
        ]

    def _take_inbox(self) -> None:
        delivery = self.inbox.take()
        self._arrived.extend(delivery.items)
        void_before = delivery.void_before
        if delivery.unseen is not None:
            self._pairing.note_unseen(delivery.unseen)
        self._pairing.release_older(void_before)
        while self._arrived:
            item = self._arrived.popleft()
            try:
                self._take(item, void_before)
            except Exception:
                self._count_error()
                log.exception("not_taken_in", errors=self.errors)
                # The part whose frame it may be has no image then, and no other exposure in its place.
                if isinstance(item, Frame):
                    self._pairing.pass_over(item)

    def _take(self, item: OpenPart | Frame, void_before: float) -> None:
        if isinstance(item, OpenPart):
            candidate = self._pairing.open(item)
            # In free-running mode the window is the exposure itself.
            if item.window_end > item.window_start:
                self._camera.look(candidate.closes_at)
            return
        self._freeze.check(item)
        if item.exposed_at < void_before:
            self._pairing.pass_over(item)
        else:
            self._pairing.offer(item)

    def _next_to_observe(self) -> Candidate | None:
        """The oldest part with one frame that nobody has looked at and that is still worth a look."""
        for candidate in self._pairing.open_candidates():
            part_id = candidate.part.part_id
            if candidate.exposures == 1 and part_id not in self._observed and self._ledger.is_open(part_id):
                return candidate
        return None

    def _observe(self, candidate: Candidate) -> None:
        """Score a part's frame, whatever comes of it, and give the frame's memory back."""
        part, frame = candidate.part, candidate.frames[0]
        scorer = _scorer_of(part)
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
                    if candidate.exposures == 1 and part_id not in self._observed:
                        self._observe(candidate)
                finally:
                    self._give_verdict(candidate)
        finally:
            self._observed.pop(part_id, None)
            candidate.release()

    def _give_verdict(self, candidate: Candidate) -> None:
        part = candidate.part
        # What one of several exposures showed is no evidence: it may be another part.
        seen = self._observed.get(part.part_id) if candidate.exposures == 1 else None
        position = self._position_at(part.window_start) if self._position_at else None
        now = time.monotonic()
        finding = decide(self._evidence(candidate, seen, position, now))
        if self._ledger.settle(part.part_id, time.monotonic()) is None:
            return
        # A source without stamps says so itself.
        stamped = seen is None or seen.exposure_stamped
        self._faults.count(MISMATCHES, failed=stamped and finding.reason is Reason.FRAME_MISMATCH)
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
        limits = (seen.scorer if seen else _scorer_of(part)).limits
        view = ViewEvidence(
            camera=self._camera.name,
            frames=candidate.exposures,
            camera_alive=open_throughout(self._camera.status(), part),
            window_seen=candidate.window_seen and not self._pairing.lost_in(part),
            exposure_stamped=seen is not None and seen.exposure_stamped,
            unfit=seen.unfit if seen else (),
            score=seen.score if seen else float("nan"),
            limits=limits,
            judged_by=seen.judged_by(part.in_force.recipe) if seen else None,
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


def _scorer_of(part: OpenPart) -> Scorer:
    """Give the scorer that the part keeps from its trigger on; one without is never handed to the line."""
    if part.scorer is None:
        raise LookupError(f"part {part.part_id} has no scorer")
    return part.scorer


def _fits(part: OpenPart, position: Position | NoPosition) -> bool:
    """Whether the position is certain and of the epoch and recipe that the part was opened with."""
    if not isinstance(position, Position):
        return False
    return (position.epoch, position.recipe) == (part.epoch, part.in_force.recipe)
