"""Settings of the PLC twin: the belt, the parts on it, the PLC program and its panel, and the server."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from inspectd.io.plc import Control

_WORD = 65535
_DOUBLE_WORD = (1 << 32) - 1


class PanelChange(BaseModel):
    """What is to be set at the PLC's panel while it runs; None leaves a thing as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: int | None = Field(default=None, ge=0, le=_WORD)
    lot: str | None = Field(default=None, max_length=16, pattern=r"^[ -~]*$")
    version: int | None = Field(default=None, ge=0, le=_WORD)
    skip_ids: int | None = Field(
        default=None, ge=0, le=_WORD, description="ids that the next trigger leaves out"
    )
    confirm_rejects: bool | None = Field(default=None, description="whether the reject sensor confirms")
    ack_results: bool | None = Field(default=None, description="whether results are acknowledged")
    heed_ready: bool | None = Field(
        default=None, description="level handshake: whether Trigger waits for TriggerReady"
    )


@dataclass(slots=True)
class Panel:
    """What a person at the PLC can set; it survives a power cycle. `control` is word 1, ClearFault apart."""

    recipe: int
    lot: str
    control: Control = Control.TRIGGER_ENABLE
    version: int = 1
    clear_fault_until: float = -math.inf
    skip_ids: int = 0
    """How many ids the next trigger leaves out, once: a fault of the PLC to test the agent with."""
    confirm_rejects: bool = True
    ack_results: bool = True
    """Whether results are acknowledged, by ACK_SEQ and in the level handshake by ResultAck."""
    heed_ready: bool = True
    """Level handshake: whether Trigger is raised only while TriggerReady."""

    def change(self, change: PanelChange) -> None:
        """Set what `change` names."""
        for name, value in change.model_dump(exclude_none=True).items():
            setattr(self, name, value)


class PlcSimulatorSettings(BaseModel):
    """What the twin simulates. Lengths are in encoder counts, times in seconds unless the name says ms."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    port: int = Field(default=0, ge=0, le=_WORD, description="TCP port on 127.0.0.1; 0: the kernel chooses")
    protocol: Literal["modbus_tcp", "s7"] = "modbus_tcp"
    agent_port: int | None = Field(
        default=None,
        ge=1,
        le=_WORD,
        description="the twin is a Modbus TCP client of the agent at this port of 127.0.0.1, not a server",
    )
    device_id: int = Field(default=1, ge=1, le=247, description="Modbus unit identifier")
    base_address: int = Field(default=0, ge=0, le=_WORD - 132, description="Modbus register of word 0")
    data_block: int = Field(default=1, ge=1, le=_WORD, description="S7 data block")
    base_byte: int = Field(default=0, ge=0, le=_WORD - 264, description="S7 byte of word 0")
    wire_port: int | None = Field(
        default=None,
        ge=1,
        le=_WORD,
        description="UDP port on 127.0.0.1 told of each part at the photo-eye",
    )

    parts: int = Field(default=0, ge=0, description="how many parts pass; 0: without end")
    rate: float = Field(default=2.0, gt=0, le=200, description="parts per second")
    pitch: int = Field(default=1000, ge=10, description="distance from part to part")
    spacing_jitter: float = Field(default=0.0, ge=0, le=0.4, description="shift of each part, of the pitch")
    gate_distance: int = Field(default=3000, ge=1, description="from photo-eye to reject gate")
    start_when_online: bool = Field(default=False, description="the belt waits for the agent to be Online")

    seed: int = Field(default=1, ge=0)
    defect_rate: float = Field(default=0.1, ge=0, le=1)

    mode: Literal["plc_triggered", "free_running"] = "plc_triggered"
    handshake: Literal["id_change", "level"] = "id_change"
    buffer_results: bool = Field(default=False, description="sets BufferResults: results one by one")
    station: int = Field(default=1, ge=0, le=_WORD)
    recipe: int = Field(default=1, ge=0, le=_WORD)
    recipes: tuple[Annotated[int, Field(ge=0, le=_WORD)], ...] = Field(
        default=(), description="recipe of each part in turn, over and over; empty: the panel's for all"
    )
    lot: str = Field(default="LOT-1", max_length=16, pattern=r"^[ -~]*$")
    scan_ms: float = Field(default=10.0, ge=1, le=100)
    first_trig_id: int = Field(default=1, ge=1, le=_WORD, description="first id after each start of the PLC")
    encoder_start: int = Field(default=0, ge=0, le=_DOUBLE_WORD, description="count at each start of the PLC")
    starting_s: float = Field(default=0.1, ge=0, description="how long PLC_EPOCH shows 0 at a start")
    retentive: bool = Field(default=False, description="words 32-131 survive a power cycle")
    gate_window: int = Field(
        default=250, ge=1, description="how far a part at the gate may be off the place where it is expected"
    )
    age_limit: int | None = Field(
        default=None,
        ge=1,
        description="free-running: oldest verdict used; default gate_distance + gate_window",
    )

    @property
    def speed(self) -> float:
        """Belt speed, counts per second."""
        return self.rate * self.pitch

    @property
    def slot_age_limit(self) -> int:
        """Oldest verdict that the free-running gate uses, counts."""
        return self.gate_distance + self.gate_window if self.age_limit is None else self.age_limit
