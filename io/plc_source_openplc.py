"""A whole program for the OpenPLC runtime around the gate: words at their addresses, one task.

OpenPLC shows %QW0.. as holding registers 0.. and %MW0.. as 1024..; the registers that it reads from and
writes to another Modbus server begin at %IW100 and %QW100. It knows no arrays at addresses, so every word
has a name of its own and is copied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspectd.io.plc_settings import ModbusRtuSettings, ModbusServerSettings, ModbusTcpSettings
from inspectd.io.plc_source_text import structured_text

if TYPE_CHECKING:
    from inspectd.io.plc_settings import LinkSettings

_WORDS, _PLC_WORDS = 132, 32
_OUTPUT_REGISTERS, _MEMORY_REGISTERS = 1024, 1024
_REMOTE = 100

_PROGRAM = """\
PROGRAM inspectd_line
VAR
    (* Set these three, in encoder counts; until then every part is rejected with WHY 15. *)
    gate_distance : UDINT := 0; (* from photo-eye (free-running: camera) to reject gate *)
    gate_window : UDINT := 0; (* how far a part may be off its place, at most half of part_pitch *)
    part_pitch : UDINT := {pitch}; (* smallest distance between two parts *)
    recipe : UINT := {recipe}; (* product class of the part at the photo-eye *)
    (* Connect your sensors and the gate. *)
    photo_eye AT %IX0.0 : BOOL;
    gate_sensor AT %IX0.1 : BOOL;
    reject_sensor AT %IX0.2 : BOOL;
    encoder AT %MD0 : UDINT;
    gate_open AT %QX0.0 : BOOL; (* off rejects *)
    inspection : INSPECTD_GATE;
    plc : INSPECTD_PLC_WORDS;
    vision : INSPECTD_VISION_WORDS;
{words}
END_VAR
{read}
inspection(vision := vision, plc := plc, ENCODER := encoder, GATE := gate_sensor, GATE_ENCODER := encoder,
    RECIPE := recipe, GATE_DISTANCE := gate_distance, GATE_WINDOW := gate_window, PITCH := part_pitch{eye});
gate_open := inspection.ACCEPT;
{write}
END_PROGRAM

CONFIGURATION inspectd_configuration
    RESOURCE inspectd_resource ON PLC
        TASK inspectd_task(INTERVAL := T#{scan}ms, PRIORITY := 0);
        PROGRAM inspectd_instance WITH inspectd_task : inspectd_line;
    END_RESOURCE
END_CONFIGURATION
"""
_EYE = ",\n    EYE := photo_eye, EYE_ENCODER := encoder, REJECT_SEEN := reject_sensor"


def openplc_program(settings: LinkSettings, recipe: int, pitch: int) -> str:
    """Give one file to upload to the OpenPLC runtime; `recipe` and `pitch` (counts) as it begins with.

    ValueError: the image lies where OpenPLC has no registers.
    """
    places = _places(settings)
    # Word 31 is written before the others and word 2 after them, so that a torn read shows.
    order = [31, *(word for word in range(_PLC_WORDS - 1) if word != 2), 2]  # noqa: PLR2004  TRIG_ID
    program = _PROGRAM.format(
        pitch=pitch,
        recipe=recipe,
        scan=max(1, round(settings.plc_scan_ms)),
        words="\n".join(f"    w{word} AT {place} : UINT;" for word, place in enumerate(places)),
        read="\n".join(f"vision[{word - _PLC_WORDS}] := w{word};" for word in range(_PLC_WORDS, _WORDS)),
        write="\n".join(f"w{word} := plc[{word}];" for word in order),
        eye="" if settings.mode == "free_running" else _EYE,
    )
    return structured_text(settings) + "\n" + program


def _places(settings: LinkSettings) -> list[str]:
    """Give the address of each word."""
    if isinstance(settings, ModbusServerSettings):
        own = [f"%QW{_REMOTE + word}" for word in range(_PLC_WORDS)]
        return own + [f"%IW{_REMOTE + word}" for word in range(_WORDS - _PLC_WORDS)]
    first = settings.base_address if isinstance(settings, (ModbusTcpSettings, ModbusRtuSettings)) else 1024
    last = first + _WORDS - 1
    if last < _OUTPUT_REGISTERS:
        return [f"%QW{register}" for register in range(first, last + 1)]
    memory = first - _OUTPUT_REGISTERS
    if memory >= 0 and last < _OUTPUT_REGISTERS + _MEMORY_REGISTERS:
        return [f"%MW{register}" for register in range(memory, memory + _WORDS)]
    raise ValueError(
        f"plc.base_address {first}: OpenPLC's words are holding registers 0 to 1023 (%QW) and 1024 to 2047"
        " (%MW); set it to 1024, or to at most 892"
    )
