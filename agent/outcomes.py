"""What follows from a verdict: publication to the PLC, a row in the record, counters, a word to observers.

A verdict is published first. Only what the PLC link says it has made of it (late meanwhile, or of a PLC that
has restarted) is counted, recorded and told: a row never says ACCEPT where the PLC was told something else.
Where the write failed, the row says that too: nobody knows whether the PLC has the verdict.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from inspectd.agent.ledger import OpenPart
from inspectd.agent.record import Recorder, Row
from inspectd.agent.scorer import Scorer
from inspectd.agent.supervision import Budget, Faults
from inspectd.agent.verdict import Finding, InForce
from inspectd.inference.engine import Judged
from inspectd.io.camera import Frame
from inspectd.io.plc import Reason, Verdict
from inspectd.io.plc_events import DetailsLost, Placed, Result, Settled

log = structlog.get_logger(__name__)

MOST_UNPLACED = 64
"""Verdicts that wait for the link's answer; the link answers each by its deadline."""


@dataclass(slots=True)
class Observation:
    """What one frame showed of a part: filled while it is judged. Times in seconds, monotonic."""

    camera: str
    frame_number: int
    label: str
    exposed_at: float
    exposure_stamped: bool
    unfit: tuple[str, ...]
    scorer: Scorer
    score: float = float("nan")
    failure: str = ""
    engine_ms: float = 0.0

    @classmethod
    def of(cls, frame: Frame, scorer: Scorer) -> Observation:
        """Begin with what the frame itself says."""
        return cls(
            camera=frame.camera,
            frame_number=frame.number,
            label=frame.label,
            exposed_at=frame.exposed_at,
            exposure_stamped=frame.exposure_stamped,
            unfit=(frame.problem,) if frame.problem else (),
            scorer=scorer,
        )

    def add(self, judged: Judged) -> None:
        """Take over what the scorer found."""
        self.unfit = judged.unfit
        self.score = judged.score
        self.engine_ms = judged.engine_ms

    def judged_by(self, recipe: int) -> InForce:
        """Name the class that the frame was judged by."""
        return in_force(recipe, self.scorer)


def in_force(recipe: int, scorer: Scorer) -> InForce:
    """Name what a scorer judges by, as a part keeps it from its trigger on."""
    return InForce(recipe, scorer.class_name, scorer.bundle_id, scorer.decision_id)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One part with its verdict, for observers. `observation` is None where no frame was judged.

    `concluded_at` (s, monotonic): when the verdict was given to the PLC; if it never was, when it was found.
    """

    part: OpenPart
    finding: Finding
    concluded_at: float
    observation: Observation | None
    threshold: float


@dataclass(slots=True)
class Counters:
    """Verdicts so far."""

    accepted: int = 0
    rejected: int = 0
    unknown: int = 0
    late: int = 0
    missed: int = 0
    by_reason: dict[str, int] = field(default_factory=dict[str, int])

    def add(self, verdict: Verdict, reason: Reason) -> None:
        """Count one verdict."""
        self.accepted += verdict is Verdict.ACCEPT
        self.rejected += verdict is Verdict.REJECT
        self.unknown += verdict is Verdict.UNKNOWN
        self.late += reason is Reason.VERDICT_LATE
        self.missed += reason is Reason.TRIGGER_LATE
        self.by_reason[reason.name] = self.by_reason.get(reason.name, 0) + 1


class Outcomes:
    """Carries verdicts out. Any thread may call; never waits.

    `stop_line` is how many parts in a row may be not accepted; None: the line is never asked to stop.
    """

    def __init__(
        self,
        publish: Callable[[Result], None],
        recorder: Recorder,
        faults: Faults,
        stop_line: Budget | None,
        station: int,
    ) -> None:
        self._publish = publish
        self._recorder = recorder
        self._faults = faults
        self._stop_line = stop_line
        self._station = station
        self._lock = threading.Lock()
        self._observers: list[Callable[[Outcome], None]] = []
        self._unplaced: dict[int, Outcome] = {}
        self.counters = Counters()

    def observe(self, observer: Callable[[Outcome], None]) -> None:
        """Call `observer` with every outcome; it must return at once and never raise."""
        self._observers.append(observer)

    def conclude(
        self,
        part: OpenPart,
        finding: Finding,
        now: float,
        seen: Observation | None = None,
        encoder: int | None = None,
    ) -> None:
        """Publish the verdict of a part that the ledger has just given up to the caller."""
        limits = seen.scorer.limits if seen else None
        threshold = limits.threshold if limits else float("nan")
        score = seen.score if seen else float("nan")
        with self._lock:
            self._unplaced[part.part_id] = Outcome(part, finding, now, seen, threshold)
            oldest = next(iter(self._unplaced)) if len(self._unplaced) > MOST_UNPLACED else None
        if oldest is not None:
            self.discarded(oldest, Reason.QUEUE_OVERRUN, "the PLC link does not answer")
        self._publish(
            Result(
                part_id=part.part_id,
                trig_id=part.trig_id,
                epoch=part.epoch,
                recipe=part.in_force.recipe,
                verdict=finding.verdict,
                reason=finding.reason,
                score_relative=score / threshold,
                score=score,
                seen_at=part.seen_at,
                deadline=part.deadline,
                encoder=encoder,
            )
        )

    def placed(self, event: Placed) -> None:
        """Learn what goes to the PLC as the verdict of a part, and under which RESULT_SEQ."""
        outcome = self._take(event.part_id)
        if outcome is None:
            return
        if outcome.finding.verdict is not event.verdict:
            detail = "ready in time, but not written by the deadline"
            outcome = replace(outcome, finding=Finding(event.verdict, event.reason, detail))
        publication: Row = {"result_seq": event.result_seq}
        if not event.acknowledged:
            publication["acknowledged"] = False
        self._finish(replace(outcome, concluded_at=event.at), publication)

    def discarded(self, part_id: int, reason: Reason, why: str, *, certain: bool = True) -> None:
        """Learn that the PLC will get no verdict on a part: it is UNKNOWN, whatever was found."""
        outcome = self._take(part_id)
        if outcome is None:
            return
        if outcome.finding.verdict is not Verdict.UNKNOWN:
            outcome = replace(outcome, finding=Finding(Verdict.UNKNOWN, reason, why))
        unpublished: Row = {"result_seq": None}
        if certain:
            unpublished["published"] = False
        self._finish(outcome, unpublished)

    def flush(self, *, link_ended: bool) -> None:
        """Settle what still waits for the link: the agent is stopping. A link that hangs may yet write it."""
        why = "the agent stopped before it was written" if link_ended else "the link hangs: perhaps written"
        for part_id in list(self._unplaced):
            self.discarded(part_id, Reason.OFFLINE, why, certain=link_ended)

    def _take(self, part_id: int) -> Outcome | None:
        with self._lock:
            return self._unplaced.pop(part_id, None)

    def _finish(self, outcome: Outcome, publication: Row) -> None:
        """Count, record and tell what became of a part; once for each."""
        part, finding, seen = outcome.part, outcome.finding, outcome.observation
        self._count(finding.verdict, finding.reason)
        row: Row = {
            "part": part.part_id,
            "trig_id": part.trig_id,
            "epoch": part.epoch,
            "station": self._station,
            "recipe": part.in_force.recipe,
            "class": part.in_force.class_name,
            "bundle": part.in_force.bundle_id,
            "decision": part.in_force.decision_id,
            "verdict": finding.verdict.name,
            "reason": int(finding.reason),
            "detail": finding.detail,
            "score": seen.score if seen else float("nan"),
            "threshold": outcome.threshold,
            "latency_ms": round((outcome.concluded_at - part.seen_at) * 1000, 3),
            "serial": part.serial,
            "lot": part.lot,
        }
        self._recorder.put(row | publication | _frame_fields(seen))
        for observer in self._observers:
            observer(outcome)

    def record_settled(self, event: Settled, detail: str = "") -> None:
        """Record an id to which the PLC link itself gave UNKNOWN; `detail` says why, for a person."""
        self._count(event.verdict, event.reason)
        self._recorder.put(
            {
                "part": event.part_id,
                "trig_id": event.trig_id,
                "epoch": event.epoch,
                "station": self._station,
                "recipe": event.recipe,
                "verdict": event.verdict.name,
                "reason": int(event.reason),
                "detail": detail,
                "published": event.published,
                "serial": event.serial,
                "lot": event.lot,
            }
        )

    def record_lost_details(self, event: DetailsLost, ring_key: str) -> None:
        """Record an id whose verdict stands in the PLC while its row was lost in a crash or power cut.

        `ring_key` names what the id is: "trig_id", in free-running mode "result_seq".
        """
        log.warning("published_details_lost", **{ring_key: event.number}, epoch=event.epoch)
        self._recorder.put(
            {
                ring_key: event.number,
                "epoch": event.epoch,
                "station": self._station,
                "verdict": _verdict_name(event.verdict),
                "reason": event.reason,
                "detail": "published, details lost",
            }
        )

    def _count(self, verdict: Verdict, reason: Reason) -> None:
        with self._lock:
            self.counters.add(verdict, reason)
        if reason is Reason.RESTARTED:
            return  # that says nothing of parts, light or camera: a restart alone shall not stop the line
        stop_line = self._stop_line
        if stop_line and self._faults.count(stop_line, failed=verdict is not Verdict.ACCEPT):
            log.error("stop_line_requested", not_accepted_in_a_row=stop_line.limit)


def _verdict_name(number: int) -> str:
    return Verdict(number).name if number in set(Verdict) else str(number)


def _frame_fields(seen: Observation | None) -> dict[str, Any]:
    if seen is None:
        return {}
    engine = {"engine": seen.scorer.limits_key} if math.isfinite(seen.score) else {}
    return engine | {
        "camera": seen.camera,
        "frame": seen.frame_number,
        "image": seen.label,
        "exposed_at": round(seen.exposed_at, 6),
        "engine_ms": round(seen.engine_ms, 3),
    }
