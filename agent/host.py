"""What the agent answers the PLC link: parts in, the agent's state out. Runs on the PLC thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import structlog

from inspectd.agent.classes import Classes
from inspectd.agent.ledger import Ledger, OpenPart
from inspectd.agent.line import Line
from inspectd.agent.outcomes import Outcomes, in_force
from inspectd.agent.record import Recorder
from inspectd.agent.supervision import Faults, Pulse
from inspectd.agent.times import PartTimes
from inspectd.agent.verdict import Finding, InForce
from inspectd.io.camera import Camera, Frame
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
        recorder: Recorder,
        faults: Faults,
        pulse: Pulse,
        shadow: bool,
        read_record: Callable[[int], RecordedIds],
        next_part: Callable[[], int] | None,
        plc_now: Callable[[], tuple[int, int]],
    ) -> None:
        self._times = times
        self._camera = camera
        self._software_trigger = software_trigger
        self._classes = classes
        self._ledger = ledger
        self._line = line
        self._outcomes = outcomes
        self._recorder = recorder
        self._faults = faults
        self._pulse = pulse
        self._shadow = shadow
        self._read_record = read_record
        self._next_part = next_part
        self._plc_now = plc_now
        self._written: list[Callable[[Sequence[int], float], None]] = []
        self._recipe = 0
        self._overdue = False
        self._concerns: tuple[str, ...] = ()
        self.last_cycle = 0.0
        self.inspecting: Callable[[], bool] = lambda: False

    def on_events(self, events: Sequence[Event]) -> None:  # noqa: C901  one case for each event
        """Act on what a poll brought."""
        for event in events:
            match event:
                case Trigger():
                    self._open(event)
                case Settled():
                    self._outcomes.record_settled(event)
                case DetailsLost():
                    ring_key = "trig_id" if self._next_part is None else "result_seq"
                    self._outcomes.record_lost_details(event, ring_key)
                case EpochChanged():
                    log.warning("plc_epoch_changed", old=event.old, new=event.new)
                    self._line.void(event.good_poll_start)
                    self._drop(Reason.RESTARTED, "the PLC has restarted")
                case DropInFlight():
                    self._drop(event.reason, "trigger ids out of step")
                case Placed():
                    self._outcomes.placed(event)
                case Discarded():
                    log.warning("verdict_discarded", part=event.part_id, why=event.why)
                    self._outcomes.discarded(event.part_id, event.reason, event.why)
                case StartRefused():
                    log.error("start_refused", why=event.why)
                case FaultCleared():
                    log.info("faults_cleared", faults=[fault.name for fault in self._faults.clear()])
                case LinkUp():
                    log.info("plc_connected")
                case LinkDown():
                    log.warning("plc_disconnected", why=event.why)

    def on_cycle(self, now: float) -> AgentState:
        """Expire parts past their deadline and tell the state of the agent."""
        for part in self._ledger.expire(now):
            self._outcomes.conclude(part, Finding(Verdict.UNKNOWN, Reason.VERDICT_LATE), now)
        overdue = self._pulse.overdue(now)
        if bool(overdue) != self._overdue:
            self._overdue = bool(overdue)
            log.error("inspection_overdue", step=overdue) if overdue else log.info("inspection_back")
        concerns = self._classes.concerns
        if concerns != self._concerns:
            self._concerns = concerns
            log.warning("degraded", why=concerns) if concerns else log.info("degraded_no_more")
        camera_alive = self._camera.status().alive
        self._faults.stand(FaultCode.CAMERA_LOST, present=not camera_alive)
        fault = self._faults.current()
        self.last_cycle = now
        counters = self._outcomes.counters
        return AgentState(
            beating=self.inspecting() and not overdue,
            online=True,
            fault=fault,
            degraded=bool(concerns) or not self._recorder.status().healthy,
            shadow=self._shadow,
            stop_line=self._faults.holds(FaultCode.STOP_LINE),
            recipe_in_force=self._recipe,
            missed=counters.missed,
            late=counters.late,
            trigger_ready=fault is FaultCode.NONE and not overdue,
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
        if self._enter(trigger.recipe, part, trigger.seen_at) and self._software_trigger:
            self._camera.trigger()

    def on_frame(self, frame: Frame) -> None:
        """Take a frame from the camera's thread; in free-running mode each frame is a part of its own."""
        # Before the PLC is there no part can be told from another: such frames are of nobody's part.
        mine = self._next_part is None or (
            self._plc_now()[0] != 0 and self._open_free_running(frame, self._next_part())
        )
        if mine:
            self._line.put(frame)
        else:
            frame.release()

    def _open_free_running(self, frame: Frame, part_id: int) -> bool:
        """Open the part that a frame shows; False if there is nothing to judge it by."""
        epoch, recipe = self._plc_now()
        part = partial(
            OpenPart,
            part_id=part_id,
            trig_id=0,
            epoch=epoch,
            seen_at=frame.exposed_at,
            window_start=frame.exposed_at,
            window_end=frame.exposed_at,
            deadline=frame.exposed_at + self._times.deadline,
        )
        return self._enter(recipe, part, frame.received_at)

    def _enter(self, recipe: int, opened_with: Callable[..., OpenPart], now: float) -> bool:
        """Open a part with the scorer in force, which it keeps; False if its recipe has no class."""
        with self._classes.opening:
            scorer = self._classes.get(recipe)
            named = in_force(recipe, scorer) if scorer else InForce(recipe, "", "", "")
            part = opened_with(in_force=named, scorer=scorer)
            crowded_out = self._ledger.open(part) if scorer else []
        if scorer is None:
            finding = Finding(Verdict.UNKNOWN, Reason.OFFLINE, f"no class for recipe {recipe}")
            self._outcomes.conclude(part, finding, now)
            return False
        self._recipe = recipe
        for crowded in crowded_out:
            finding = Finding(Verdict.UNKNOWN, Reason.QUEUE_OVERRUN, "too many parts in flight")
            self._outcomes.conclude(crowded, finding, part.seen_at)
        self._line.put(part)
        return True

    def _drop(self, reason: Reason, detail: str) -> None:
        for part in self._ledger.drop_all():
            self._outcomes.conclude(part, Finding(Verdict.UNKNOWN, reason, detail), part.seen_at)
