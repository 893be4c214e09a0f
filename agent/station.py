"""One station: composes camera, engines, line loop, PLC link and record, starts and stops them in order."""

from __future__ import annotations

import gc
import itertools
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import cv2
import structlog

from inspectd.agent.classes import Classes
from inspectd.agent.condition import Condition
from inspectd.agent.config import ClassSettings, StationSettings
from inspectd.agent.confirmations import Confirmations
from inspectd.agent.errors import AgentError
from inspectd.agent.host import Host
from inspectd.agent.ledger import Ledger
from inspectd.agent.line import Line
from inspectd.agent.model_watch import ModelWatch
from inspectd.agent.notify import Notifier
from inspectd.agent.outcomes import Outcomes
from inspectd.agent.outputs import Outputs
from inspectd.agent.pairing import Pairing
from inspectd.agent.record import Recorder, recorded_ids
from inspectd.agent.scorer import Scorer
from inspectd.agent.station_state import station_state
from inspectd.agent.supervision import PLC_LIMIT_S, RECORD_LIMIT_S, Budget, Faults, Pulse
from inspectd.agent.times import line_times, part_times
from inspectd.agent.verdict import Finding
from inspectd.inference.engine import open_engine
from inspectd.inference.runtime import RuntimeSettings
from inspectd.io.camera import Camera
from inspectd.io.camera_process import CameraProcess
from inspectd.io.camera_settings import CameraSettings
from inspectd.io.encoder import EncoderPoll
from inspectd.io.outputs import Phase
from inspectd.io.plc import FaultCode, Reason, Verdict
from inspectd.io.plc_events import NoPosition, Position, Result
from inspectd.io.plc_link import PlcLink
from inspectd.io.transports import transport_of

log = structlog.get_logger(__name__)

PARTS_IN_FLIGHT = 16
CAMERA_START_S = 5.0
INSPECTION_STOP_S = 0.2
RECORD_STOP_S = 0.5
# Threads hand the interpreter over after this long instead of Python's 5 ms, which a verdict must not wait.
SWITCH_INTERVAL_S = 0.0002


def load_engine(entry: ClassSettings, runtime: RuntimeSettings) -> Scorer:
    """Open a class's bundle on the configured runtime, warmed and self-tested."""
    return open_engine(entry.bundle, runtime)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a station is made from; tests put their own in place of a part."""

    load_scorer: Callable[[ClassSettings, RuntimeSettings], Scorer] = load_engine
    open_camera: Callable[[CameraSettings], Camera] = CameraProcess


class Station:
    """A running inspection station. Use `start`, `run`, `stop`, in this order, from one thread."""

    def __init__(self, settings: StationSettings, parts: Parts | None = None) -> None:
        self._settings = settings
        self._parts = parts or Parts()
        self._pulse = Pulse()
        self._ledger = Ledger(PARTS_IN_FLIGHT)
        self._classes = Classes(self._ledger)
        self._models = ModelWatch(settings.classes, self._load, self._classes)
        self._notifier = Notifier()
        self.faults = Faults()
        self.camera = self._parts.open_camera(settings.camera)
        record = settings.record
        self.recorder = Recorder(record.folder, record.max_mb * 1_000_000, record.keep)
        self.outcomes = Outcomes(
            publish=self._publish,
            recorder=self.recorder,
            faults=self.faults,
            # In shadow mode nothing is ever accepted, and that is no reason to stop the line.
            stop_line=None if settings.line.shadow else Budget(FaultCode.STOP_LINE, settings.line.stop_after),
            station=settings.plc.station,
        )
        self.outputs = Outputs(settings.outputs, settings.name)
        self.recorder.observe(self.outputs.row)
        self.outcomes.observe(self.outputs.outcome)
        self.line = self._make_line()
        self.host = self._make_host()
        self.host.observe_written(self.outputs.written)
        recipes = frozenset(entry.recipe for entry in settings.classes)
        self.link = PlcLink(settings.plc, transport_of(settings.plc), self.host, recipes)
        self._thread = threading.Thread(target=self.line.run, name="inspection", daemon=True)
        self.host.inspecting = self._thread.is_alive

    def start(self, stop: threading.Event | None = None) -> None:
        """Load every class, start everything, and go Online; give up between two steps if `stop` is set.

        Raises AgentError, BundleError or EngineError where a part of the station cannot be had. A class whose
        self-test fails is no such part: the PLC is told by a fault.
        """
        stop = stop or threading.Event()
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        cv2.setNumThreads(1)  # its threads would take turns with the engine's, for less than they cost
        self.outputs.start()
        self._tell_outputs(Phase.STARTING)
        self.camera.start(self.host.on_frame)
        self.recorder.start()
        for entry in self._settings.classes:
            self._models.load(entry)
            if stop.is_set():
                return
        if not self._await_camera(stop):
            return
        self._thread.start()
        # What start-up left behind is not garbage: without it a collection is too short to delay a verdict.
        gc.collect()
        gc.freeze()
        self.link.start()
        self._models.keep_running()
        log.info("station_started", station=self._settings.name)
        self._notifier.send("READY=1")

    def run(self, stop: threading.Event) -> None:
        """Watch over the station until `stop` is set.

        Raises AgentError if another agent serves this PLC block already.
        """
        while not stop.wait(min(0.2, self._notifier.interval_s)):
            if self.link.refusal:
                raise AgentError(self.link.refusal)
            self._models.keep_running()
            self._tell_outputs(Phase.RUNNING)
            if self.healthy(time.monotonic()):
                self._notifier.send("WATCHDOG=1")

    def healthy(self, now: float) -> bool:
        """Whether inspection, PLC and recorder thread all have shown a sign of life within their limits."""
        return (
            self._thread.is_alive()
            and not self._pulse.overdue(now)
            and now - self.host.last_cycle < PLC_LIMIT_S
            and now - self.recorder.beat_at < RECORD_LIMIT_S
        )

    def stop(self) -> None:
        """Go offline, give every part in flight its UNKNOWN, and write everything down. Idempotent.

        Takes less than 2 s, whatever hangs: camera and PLC are waited for at the same time, 1 s each at the
        most, the inspection loop until then, and record and outputs for `RECORD_STOP_S` more.
        """
        self._notifier.send("STOPPING=1")
        self._models.stop()
        self._drop_parts()
        self.line.stop()
        camera_stop = threading.Thread(target=self.camera.stop, name="camera-stop", daemon=True)
        camera_stop.start()
        self.link.stop()
        camera_stop.join()
        if self._thread.is_alive():
            self._thread.join(INSPECTION_STOP_S)
        # What came after the first time is too late for the PLC, but not for the record.
        self._drop_parts()
        self.outcomes.flush(link_ended=self.link.ended)
        self._tell_outputs(Phase.STOPPED)
        outputs_stop = threading.Thread(target=self.outputs.stop, name="outputs-stop", daemon=True)
        outputs_stop.start()
        self.recorder.stop(RECORD_STOP_S)
        outputs_stop.join(RECORD_STOP_S)
        if self._thread.is_alive():
            log.error("inspection_hangs", remedy="its engine is left as it is, for it may be in use")
        else:
            self._classes.close_all()
        log.info("station_stopped", station=self._settings.name, dropped=self.line.inbox.dropped)

    def models_at_rest(self, timeout_s: float) -> bool:
        """Whether, after `stop`, no version is being opened any more; waits `timeout_s` for it."""
        return self._models.ended(timeout_s)

    def _tell_outputs(self, phase: Phase) -> None:
        self.outputs.tell(station_state(phase, self._settings, self._classes, self.faults, self.link))

    def _load(self, entry: ClassSettings) -> Scorer:
        return self._parts.load_scorer(entry, self._settings.engine)

    def _drop_parts(self) -> None:
        now = time.monotonic()
        for part in self._ledger.drop_all():
            finding = Finding(Verdict.UNKNOWN, Reason.OFFLINE, "the agent is stopping")
            self.outcomes.conclude(part, finding, now)

    def _await_camera(self, stop: threading.Event) -> bool:
        """Give the camera a moment to come up; a station without one starts all the same, with a fault.

        False if `stop` was set meanwhile.
        """
        give_up = time.monotonic() + CAMERA_START_S
        while not self.camera.status().alive and time.monotonic() < give_up:
            if stop.wait(0.01):
                return False
        return not stop.is_set()

    def _any_fault(self) -> bool:
        faults = (self.faults.current(), self.link.fault)
        return any(fault is not FaultCode.NONE for fault in faults)

    # The link is made last, since it needs the host: what was made before it reaches it through these.

    def _publish(self, result: Result) -> None:
        self.link.publish(result)

    def _position_at(self, stamp: float) -> Position | NoPosition:
        return self.link.position_at(stamp)

    def _plc_now(self) -> tuple[int, int]:
        return self.link.plc_now()

    def _poll_before(self, stamp: float) -> EncoderPoll | None:
        return self.link.poll_before(stamp)

    def _make_line(self) -> Line:
        times = line_times(self._settings)
        free_running = self._settings.plc.mode == "free_running"
        return Line(
            times=times,
            camera=self.camera,
            classes=self._classes,
            pairing=Pairing(times.transfer, spare_frames=self._settings.camera.slots // 2),
            ledger=self._ledger,
            outcomes=self.outcomes,
            faults=self.faults,
            pulse=self._pulse,
            shadow=self._settings.line.shadow,
            any_fault=self._any_fault,
            position_at=self._position_at if free_running else None,
        )

    def _make_host(self) -> Host:
        folder = self._settings.record.folder
        free_running = self._settings.plc.mode == "free_running"
        ring_key = "result_seq" if free_running else "trig_id"
        next_part: Callable[[], int] | None = None
        if free_running:
            last_part_id = recorded_ids(folder, 0, ring_key=ring_key).last_part_id
            next_part = partial(next, itertools.count(last_part_id + 1))
        return Host(
            times=part_times(self._settings),
            camera=self.camera,
            software_trigger=self._settings.camera.trigger == "software",
            classes=self._classes,
            ledger=self._ledger,
            line=self.line,
            outcomes=self.outcomes,
            faults=self.faults,
            condition=self._make_condition(),
            confirmations=self._make_confirmations(),
            read_record=lambda epoch: recorded_ids(folder, epoch, ring_key=ring_key),
            next_part=next_part,
            plc_now=self._plc_now,
            poll_before=self._poll_before,
        )

    def _make_condition(self) -> Condition:
        return Condition(
            camera=self.camera,
            classes=self._classes,
            recorder=self.recorder,
            faults=self.faults,
            pulse=self._pulse,
            shadow=self._settings.line.shadow,
            plc_now=self._plc_now,
            concerns=self.outputs.concerns,
        )

    def _make_confirmations(self) -> Confirmations | None:
        line = self._settings.line
        # In shadow mode the PLC rejects by other means, if at all.
        if line.confirmations is None or line.shadow:
            return None
        return Confirmations(line.confirmations, line.min_part_interval_ms / 1000, self.faults)
