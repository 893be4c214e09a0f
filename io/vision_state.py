"""The station's state in the names of OPC 40100-1 (OPC UA for machine vision), chapter 8, state machines.

VisionStateMachine has Preoperational, Halted, Error and Operational; Operational is divided by the automatic
mode's own machine into Initialized, Ready, SingleExecution and ContinuousExecution.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from inspectd.io.outputs import Phase
from inspectd.io.plc_codes import FaultCode

if TYPE_CHECKING:
    from inspectd.io.outputs import StationState


class VisionState(Enum):
    """States of VisionStateMachine."""

    PREOPERATIONAL = "Preoperational"
    HALTED = "Halted"
    ERROR = "Error"
    OPERATIONAL = "Operational"


class AutomaticMode(Enum):
    """States of the machine within Operational."""

    INITIALIZED = "Initialized"
    READY = "Ready"
    SINGLE_EXECUTION = "SingleExecution"
    CONTINUOUS_EXECUTION = "ContinuousExecution"


def vision_state(state: StationState) -> VisionState:
    """Give the state: starting, stopped, with a fault, or operational."""
    if state.phase is Phase.STARTING:
        return VisionState.PREOPERATIONAL
    if state.phase is Phase.STOPPED:
        return VisionState.HALTED
    return VisionState.OPERATIONAL if state.fault is FaultCode.NONE else VisionState.ERROR


def automatic_mode(state: StationState) -> AutomaticMode | None:
    """Give the state within Operational; None in every other.

    Initialized: the PLC is away or has taken the station offline. A station that the PLC triggers executes
    one job for each part; one that runs free executes one without end.
    """
    if vision_state(state) is not VisionState.OPERATIONAL:
        return None
    if not state.online:
        return AutomaticMode.INITIALIZED
    if state.free_running:
        return AutomaticMode.CONTINUOUS_EXECUTION
    if state.busy:
        return AutomaticMode.SINGLE_EXECUTION
    return AutomaticMode.READY if state.trigger_ready else AutomaticMode.INITIALIZED
