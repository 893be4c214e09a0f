"""The OPC UA server as the agent holds it: a process of its own that is told verdicts and states."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from inspectd.io.output_process import OutputProcess
from inspectd.io.vision_state import automatic_mode, vision_state

if TYPE_CHECKING:
    from inspectd.io.output_settings import OpcUaSettings
    from inspectd.io.outputs import OutputStatus, PublishedVerdict, StationState


class OpcUaOutput:
    """See `inspectd.io.outputs.Output`."""

    def __init__(self, settings: OpcUaSettings, station: str) -> None:
        begin = {"settings": settings.model_dump(mode="json"), "station": station}
        name = f"opcua {settings.host}:{settings.port}"
        self._process = OutputProcess(
            name, "inspectd.io.opcua_child", json.dumps(begin), on_message=lambda _message: None
        )
        self._dropped = 0

    @property
    def pid(self) -> int | None:
        """Process id of the server."""
        return self._process.pid

    def start(self) -> None:
        """See `Output.start`."""
        self._process.start()

    def verdict(self, verdict: PublishedVerdict) -> None:
        """See `Output.verdict`; a server that is down shows the next one when it is back."""
        self._dropped += not self._process.send({"record": dict(verdict.record)})

    def state(self, state: StationState) -> None:
        """See `Output.state`; what gets lost is told again a second later."""
        self._process.send({"state": shown_state(state)})

    def status(self) -> OutputStatus:
        """See `Output.status`."""
        return replace(self._process.status, dropped=self._dropped)

    def stop(self) -> None:
        """See `Output.stop`."""
        self._process.stop()


def shown_state(state: StationState) -> dict[str, Any]:
    """Give the server's variables that tell the state, by path."""
    mode = automatic_mode(state)
    return {
        "VisionStateMachine/CurrentState": vision_state(state).value,
        "VisionStateMachine/AutomaticMode/CurrentState": mode.value if mode else "",
        "RecipeManagement/RecipeInForce": state.recipe_in_force,
        "RecipeManagement/Recipes": [entry.recipe for entry in state.classes],
        "RecipeManagement/Classes": [entry.name for entry in state.classes],
        "RecipeManagement/Bundles": [entry.bundle for entry in state.classes],
        "RecipeManagement/Decisions": [entry.decision for entry in state.classes],
        "Fault/Code": int(state.fault),
        "Fault/Name": state.fault.name,
        "Fault/Meaning": state.fault.meaning,
        "Fault/Remedy": state.fault.remedy,
        "Online": state.online,
        "PlcConnected": state.plc_connected,
        "Degraded": state.degraded,
        "Shadow": state.shadow,
        "StopLineRequest": state.stop_line,
    }
