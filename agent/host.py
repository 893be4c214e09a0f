"""What the agent answers the PLC link: parts in, the agent's state out. Runs on the PLC thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import structlog

from inspectd.agent.classes import Classes
from inspectd.agent.condition import Condition, no_class
from inspectd.agent.confirmations import Confirmations
from inspectd.agent.ledger import Ledger, OpenPart
from inspectd.agent.line import Line
from inspectd.agent.outcomes import Outcomes, in_force
from inspectd.agent.supervision import Faults
from inspectd.agent.times import PartTimes
from inspectd.agent.verdict import Finding, InForce
from inspectd.io.camera import Camera, Frame
from inspectd.io.encoder import EncoderPoll
from inspectd.io.plc import FaultCode, Reason, Verdict
from inspectd.io.plc_events import (
    AgentState,
    DetailsLost,
    Discarded,
    DropInFlight,
    EpochChanged,
    Event,
    FaultCleared,
    LinkDown,
    LinkUp,
    Placed,
    RecordedIds,
    RejectConfirmed,
    Settled,
    StartRefused,
    Trigger,
)

log = structlog.get_logger(__name__)


class Host:
    """Opens parts, expires and drops them, and tells the PLC how the agent is. Nothing here waits."""

    def __init__(  # noqa: PLR0913  one argument for each thing the host works with
        self,
        *,
        times: PartTimes,
        camera: Camera,
        software_trigger: bool,
        classes: Classes,
        ledger: Ledger,
        line: Line,
        outcomes: Outcomes,
        faults: Faults,
        condition: Condition,
        confirmations: Confirmations | None,
        read_record: Callable[[int], RecordedIds],
        next_part: Callable[[], int] | None,
        plc_now: Callable[[], tuple[int, int]],
        poll_before: Callable[[float], EncoderPoll | None],
    ) -> None:
        self._times = times
        self._camera = camera
        self._software_trigger = software_trigger
        self._classes = classes
        self._ledger = ledger
        self._line = line
        self._outcomes = outcomes
        self._faults = faults
        self._condition = condition
        self._confirmations = confirmations
        self._read_record = read_record
        self._next_part = next_part
        self._plc_now = plc_now
        self._poll_before = poll_before
        self._written: list[Callable[[Sequence[int], float], None]] = []
        self.last_cycle = 0.0
        self.inspecting: Callable[[], bool] = lambda: False

    def on_events(self, events: Sequence[Event]) -> None:  # noqa: C901, PLR0912  one case for each event
        """Act on what a poll brought."""
        for event in events:
            match event:
                case Trigger():
                    self._open(event)
                case Settled():
                    self._settled(event)
                case DetailsLost():
                    ring_key = "trig_id" if self._next_part is None else "result_seq"
                    self._outcomes.record_lost_details(event, ring_key)
                case EpochChanged():
                    log.warning("plc_epoch_changed", old=event.old, new=event.new)
                    self._line.void(event.good_poll_start)
                    self._drop(Reason.RESTARTED, "the PLC has restarted")
                    self._forget_confirmations()
                case DropInFlight():
                    self._drop(event.reason, "trigger ids out of step")
                    self._forget_confirmations()
                case Placed():
                    self._outcomes.placed(event)
                    if self._confirmations and event.verdict is not Verdict.ACCEPT:
                        self._confirmations.rejected(event.part_id)
                case RejectConfirmed():
                    if self._confirmations:
                        self._confirmations.confirmed(event)
                case Discarded():
                    log.warning("verdict_discarded", part=event.part_id, why=event.why)
                    self._outcomes.discarded(event.part_id, event.reason, event.why)
                case StartRefused():
                    log.error("start_refused", why=event.why)
                case FaultCleared():
                    log.info("faults_cleared", faults=[fault.name for fault in self._faults.clear()])
                    self._forget_confirmations()
                case LinkUp():
                    log.info("plc_connected")
                case LinkDown():
                    log.warning("plc_disconnected", why=event.why)

    def on_cycle(self, now: float) -> AgentState:
        """Expire parts past their deadline and tell the state of the agent."""
        for part in self._ledger.expire(now):
            self._outcomes.conclude(part, Finding(Verdict.UNKNOWN, Reason.VERDICT_LATE), now)
        self.last_cycle = now
        counters = self._outcomes.counters
        return replace(
            self._condition.state(now, inspecting=self.inspecting()),
            missed=counters.missed,
            late=counters.late,
            busy=len(self._ledger) > 0,
            exposed_part_id=self._line.exposed_part_id,
        )

    def on_written(self, part_ids: Sequence[int], at: float) -> None:
        """Tell whoever measures that these verdicts stand in the PLC."""
        for observer in self._written:
            observer(part_ids, at)

    def fault(self) -> FaultCode:
        """Give the agent's own fault as it stands."""
        return self._faults.current()

    def observe_written(self, observer: Callable[[Sequence[int], float], None]) -> None:
        """Call `observer` with part ids and the moment (s, monotonic) their verdicts were acknowledged."""
        self._written.append(observer)

    def recorded(self, epoch: int) -> RecordedIds:
        """Tell which ids of an epoch the record holds."""
        return self._read_record(epoch)

    def _open(self, trigger: Trigger) -> None:
        part = partial(
            OpenPart,
            part_id=trigger.part_id,
            trig_id=trigger.trig_id,
            epoch=trigger.epoch,
            seen_at=trigger.seen_at,
            window_start=trigger.window_start - self._times.early,
            window_end=trigger.window_start + self._times.window,
            deadline=trigger.seen_at + self._times.deadline,
            serial=trigger.serial,
            lot=trigger.lot,
        )
        if self._confirmations:
            self._confirmations.issued(trigger.part_id, trigger.trig_id)
        if self._enter(trigger.recipe, part, trigger.seen_at) and self._software_trigger:
            self._camera.trigger()

    def on_frame(self, frame: Frame) -> None:
        """Take a frame from the camera's thread; in free-running mode each frame is a part of its own."""
        if self._next_part is None or self._open_free_running(frame, self._next_part):
            self._line.put(frame)
        else:
            frame.release()

    def _open_free_running(self, frame: Frame, next_part: Callable[[], int]) -> bool:
        """Open the part that a frame shows; False if there is nothing to judge it by.

        It is of the epoch and recipe polled last before its exposure; what is polled first after it must
        agree before it is accepted.
        """
        polled = self._poll_before(frame.exposed_at)
        if polled is None or polled.epoch == 0:
            return False  # before the PLC is there no part can be told from another: the frame is nobody's
        part = partial(
            OpenPart,
            part_id=next_part(),
            trig_id=0,
            epoch=polled.epoch,
            seen_at=frame.exposed_at,
            window_start=frame.exposed_at,
            window_end=frame.exposed_at,
            deadline=frame.exposed_at + self._times.deadline,
            serial=polled.serial,
            lot=polled.lot,
        )
        if polled.epoch != self._plc_now()[0]:
            finding = Finding(Verdict.UNKNOWN, Reason.RESTARTED, "the PLC has restarted since the exposure")
            self._refuse(part, polled.recipe, finding, frame.received_at)
            return False
        return self._enter(polled.recipe, part, frame.received_at)

    def _enter(self, recipe: int, opened_with: Callable[..., OpenPart], now: float) -> bool:
        """Open a part with the scorer in force, which it keeps; False if its recipe has none."""
        self._condition.note_recipe(recipe)
        with self._classes.opening:
            scorer = self._classes.get(recipe)
            part = opened_with(in_force=in_force(recipe, scorer), scorer=scorer) if scorer else None
            crowded_out = self._ledger.open(part) if part else []
        if part is None:
            self._refuse(opened_with, recipe, self._why_not(recipe), now)
            return False
        for crowded in crowded_out:
            finding = Finding(Verdict.UNKNOWN, Reason.QUEUE_OVERRUN, "too many parts in flight")
            self._outcomes.conclude(crowded, finding, part.seen_at)
        self._line.put(part)
        return True

    def _refuse(
        self, opened_with: Callable[..., OpenPart], recipe: int, finding: Finding, now: float
    ) -> None:
        """Give a part its UNKNOWN before it is open."""
        self._outcomes.conclude(opened_with(in_force=InForce(recipe, "", "", "")), finding, now)

    def _why_not(self, recipe: int) -> Finding:
        """Say why no part of this recipe can be judged."""
        failure = self._classes.self_test_failure(recipe)
        if failure:
            return Finding(Verdict.UNKNOWN, Reason.SELF_TEST_FAILED, failure)
        return Finding(Verdict.UNKNOWN, Reason.OFFLINE, no_class(recipe))

    def _settled(self, event: Settled) -> None:
        """Take an id that the link gave UNKNOWN itself, and of which it says nothing else."""
        unknown = event.reason is Reason.OFFLINE and not self._classes.knows(event.recipe)
        if event.reason is Reason.OFFLINE:
            self._condition.note_recipe(event.recipe)
        self._outcomes.record_settled(event, no_class(event.recipe) if unknown else "")
        # Ids that were passed over may never have been parts, and those of before a start are unknown: they
        # are not to be confirmed, and bring no part before them nearer to the gate.
        if self._confirmations and event.reason not in (Reason.TRIGGER_LATE, Reason.RESTARTED):
            self._confirmations.issued(event.part_id, event.trig_id)
            if event.published:
                self._confirmations.rejected(event.part_id)

    def _drop(self, reason: Reason, detail: str) -> None:
        for part in self._ledger.drop_all():
            self._outcomes.conclude(part, Finding(Verdict.UNKNOWN, reason, detail), part.seen_at)

    def _forget_confirmations(self) -> None:
        if self._confirmations:
            self._confirmations.start_anew()
