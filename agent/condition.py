"""How the agent is, as it tells the PLC each cycle: its parts' faults, Degraded, RECIPE_IN_FORCE."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from inspectd.agent.classes import Classes
from inspectd.agent.record import Recorder
from inspectd.agent.supervision import (
    CAMERA_BUDGET,
    CAMERA_BUDGET_S,
    RECORD_LIMIT_S,
    Faults,
    LossBudget,
    Pulse,
)
from inspectd.io.camera import Camera
from inspectd.io.plc import FaultCode
from inspectd.io.plc_events import AgentState

log = structlog.get_logger(__name__)


class Condition:
    """Looks at the parts of the agent and raises their faults. For the PLC link's thread."""

    def __init__(
        self,
        *,
        camera: Camera,
        classes: Classes,
        recorder: Recorder,
        faults: Faults,
        pulse: Pulse,
        shadow: bool,
        plc_now: Callable[[], tuple[int, int]],
        concerns: Callable[[], tuple[str, ...]] = tuple,
    ) -> None:
        self._camera = camera
        self._classes = classes
        self._recorder = recorder
        self._faults = faults
        self._pulse = pulse
        self._shadow = shadow
        self._plc_now = plc_now
        self._further_concerns = concerns
        self._camera_losses = LossBudget(CAMERA_BUDGET, CAMERA_BUDGET_S)
        self._rows_lost = 0
        self._unknown_recipe: int | None = None
        self._overdue = False
        self._concerns: tuple[str, ...] = ()

    def note_recipe(self, recipe: int) -> None:
        """Take the recipe of a part that came. Any thread.

        From a part whose recipe names no class on, the station is Degraded until RECIPE names one again.
        """
        self._unknown_recipe = None if self._classes.knows(recipe) else recipe

    def state(self, now: float, *, inspecting: bool) -> AgentState:
        """Raise and end the faults that can be seen now, and tell how the agent is; of its parts nothing."""
        overdue = self._overdue_step(now)
        self._look_at_camera(now)
        self._look_at_record(now)
        self._faults.persist(FaultCode.SELF_TEST_FAILED, present=self._classes.failed)
        epoch, recipe = self._plc_now()
        known = epoch != 0 and self._classes.knows(recipe)
        if known or epoch == 0:
            self._unknown_recipe = None
        fault = self._faults.current()
        return AgentState(
            beating=inspecting and not overdue,
            online=True,
            fault=fault,
            degraded=self._is_degraded(),
            shadow=self._shadow,
            stop_line=self._faults.holds(FaultCode.STOP_LINE),
            recipe_in_force=recipe if known and not self._classes.self_test_failure(recipe) else 0,
            trigger_ready=fault is FaultCode.NONE and not overdue,
        )

    def _overdue_step(self, now: float) -> bool:
        overdue = self._pulse.overdue(now)
        if bool(overdue) != self._overdue:
            self._overdue = bool(overdue)
            log.error("inspection_overdue", step=overdue) if overdue else log.info("inspection_back")
        return self._overdue

    def _look_at_camera(self, now: float) -> None:
        status = self._camera.status()
        self._faults.stand(FaultCode.CAMERA_LOST, present=not status.alive)
        if self._camera_losses.see(now, works=status.alive):
            self._faults.latch(FaultCode.SUPERVISION_EXCEEDED)
            log.error(
                "supervision_exceeded",
                what=f"camera {self._camera.name}",
                why=f"lost over {CAMERA_BUDGET} times in {CAMERA_BUDGET_S / 60:g} minutes: {status.error}",
            )

    def _look_at_record(self, now: float) -> None:
        """While rows cannot be kept nothing shall be accepted: nobody could tell afterwards what was."""
        record, silent_s = self._recorder.status(), now - self._recorder.beat_at
        why = record.failing
        if silent_s > RECORD_LIMIT_S:
            why = f"the recorder hangs since {silent_s:.0f} s: its disk does not answer"
        elif record.lost > self._rows_lost:
            why = why or f"{record.lost - self._rows_lost} rows lost, see the log"
        self._rows_lost = record.lost
        if self._faults.persist(FaultCode.RECORDER_FAILING, present=bool(why)):
            log.error("recorder_failing", why=why)

    def _is_degraded(self) -> bool:
        concerns = self._classes.concerns + self._further_concerns()
        if self._unknown_recipe is not None:
            concerns += (f"{no_class(self._unknown_recipe)}: such parts are UNKNOWN/41",)
        if self._rows_lost:
            concerns += (f"{self._rows_lost} rows of the record were lost since the start",)
        if concerns != self._concerns:
            self._concerns = concerns
            log.warning("degraded", why=concerns) if concerns else log.info("degraded_no_more")
        return bool(concerns)


def no_class(recipe: int) -> str:
    """Say that a recipe names no class."""
    return f"no class for recipe {recipe}" if recipe else "RECIPE is 0: no class is named"
