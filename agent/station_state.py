"""The station's state as its outputs are told it."""

from __future__ import annotations

from inspectd.agent.classes import Classes
from inspectd.agent.config import StationSettings
from inspectd.agent.supervision import Faults
from inspectd.io.outputs import ClassInForce, Phase, StationState
from inspectd.io.plc import FaultCode, Status, VisionImage
from inspectd.io.plc_link import PlcLink


def station_state(
    phase: Phase, settings: StationSettings, classes: Classes, faults: Faults, link: PlcLink
) -> StationState:
    """Give the state of this moment: what the PLC was told last, while it is connected, and the fault."""
    words = link.written if link.connected else ()
    told = VisionImage.unpack(words) if words else VisionImage()
    fault = faults.current()
    return StationState(
        phase=phase,
        free_running=settings.plc.mode == "free_running",
        plc_connected=link.connected,
        online=Status.ONLINE in told.status,
        trigger_ready=Status.TRIGGER_READY in told.status,
        busy=Status.BUSY in told.status,
        degraded=Status.DEGRADED in told.status,
        shadow=settings.line.shadow,
        stop_line=faults.holds(FaultCode.STOP_LINE),
        fault=link.fault if fault is FaultCode.NONE else fault,
        recipe_in_force=told.recipe_in_force,
        classes=_classes(settings, classes),
    )


def _classes(settings: StationSettings, classes: Classes) -> tuple[ClassInForce, ...]:
    named = ((entry.recipe, classes.get(entry.recipe)) for entry in settings.classes)
    return tuple(
        ClassInForce(recipe, scorer.class_name, scorer.bundle_id, scorer.decision_id)
        for recipe, scorer in named
        if scorer is not None
    )
