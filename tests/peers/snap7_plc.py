"""The PLC of plc.js in the native snap7 server, which python-snap7 1.4.1 carries as a C++ library.

snap7_plc.py PORT DATA_BLOCK LINGER_MS: run with that version on the path; it cannot stand beside the version
that the agent uses. Prints one JSON line for each part, with values decoded by snap7's own functions.
"""

# The old version's names: static tools see the new one.
# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportArgumentType=false
import json
import struct
import sys
import time
from ctypes import c_uint8
from typing import Any

import snap7
from snap7.types import srvAreaDB
from snap7.util import get_bool, get_dword, get_real, get_word, set_dword, set_word

EPOCH, RECIPE = 4711, 3
FIRST_ID, PARTS = 65533, 4  # the first belongs to no part; the parts are 65534, 65535, 1 and 2
SCAN_S, INTERVAL_S = 0.01, 0.15
RING, SLOTS = 52, 16
ENCODER = 0xDEADBEE0
SERIAL, LOT = b"SN-0042/A", b"LOT 2026-11 #007"


def say(entry: dict[str, object]) -> None:
    """Tell the test, one JSON line."""
    sys.stdout.write(json.dumps(entry) + "\n")
    sys.stdout.flush()


def crc16(data: bytes) -> int:
    """CRC-16/MODBUS, bit by bit."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def verdict_of(memory: Any, number: int) -> dict[str, object] | None:
    """What stands in the ring for an id, and the words of the last verdict."""
    data = bytearray(memory)
    slot = 2 * (RING + 5 * (number % SLOTS))
    if get_word(data, slot) != number:
        return None
    checked = bytes(data[slot : slot + 8]) + struct.pack(">HH", EPOCH, RECIPE)
    return {
        "id": number,
        "verdict": data[slot + 2],
        "reason": data[slot + 3],
        "a": get_word(data, slot + 4),
        "b": get_word(data, slot + 6),
        "check": crc16(checked) == get_word(data, slot + 8),
        "last_id": get_word(data, 2 * 38),
        "last_verdict": get_word(data, 2 * 39),
        "last_score": get_word(data, 2 * 41),
        "score": get_real(data, 2 * 42),
        "same_sequence": get_word(data, 2 * 37) == get_word(data, 2 * 47),
        "station": get_word(data, 2 * 51),
        "version": get_word(data, 2 * 48),
        "encoder": get_dword(data, 2 * 4),
        "online": bool(get_bool(data, 2 * 33 + 1, 0)),
    }


def put(memory: Any, start: int, data: bytes | bytearray) -> None:
    """Set bytes of the data block."""
    for offset, byte in enumerate(data):
        memory[start + offset] = byte


def put_id(memory: Any, number: int, issued: int) -> None:
    """Issue an id with its encoder position; the doubled word last."""
    data = bytearray(memory)
    set_word(data, 2 * 2, number)
    set_dword(data, 2 * 4, ENCODER + issued)
    set_dword(data, 2 * 10, ENCODER + 100 * issued)
    put(memory, 2 * 2, data[4:12])
    put(memory, 2 * 10, data[20:24])
    put(memory, 2 * 31, data[4:6])


def main() -> None:
    """Serve, and run the PLC's program until every part has its verdict."""
    port, block, linger_ms = map(int, sys.argv[1:4])
    memory = (c_uint8 * 264)()
    put(memory, 2 * 1, struct.pack(">H", 1))  # CONTROL: TriggerEnable
    put(memory, 2 * 3, struct.pack(">H", RECIPE))
    put(memory, 2 * 7, struct.pack(">HH", 1, EPOCH))
    put(memory, 2 * 12, SERIAL)
    put(memory, 2 * 20, LOT)
    put_id(memory, FIRST_ID, 0)
    server = snap7.server.Server(log=False)
    server.register_area(srvAreaDB, block, memory)
    server.start_to("127.0.0.1", port)
    say({"listening": True})
    number, issued, waiting, beat = FIRST_ID, 0, False, 0
    beat_at = next_at = 0.0
    while issued < PARTS or waiting:
        time.sleep(SCAN_S)
        now = time.monotonic()
        if now - beat_at >= 0.1:
            beat_at, beat = now, beat % 65535 + 1
            put(memory, 0, struct.pack(">H", beat))
        data = bytearray(memory)
        if not next_at and get_bool(data, 2 * 33 + 1, 0) and get_word(data, 2 * 49) == EPOCH:
            next_at = now + 2 * INTERVAL_S
        if next_at and now >= next_at and not waiting and issued < PARTS:
            number, issued, waiting = number % 65535 + 1, issued + 1, True
            next_at = now + INTERVAL_S
            put_id(memory, number, issued)
        found = verdict_of(memory, number) if waiting else None
        if found is not None:
            waiting = False
            say(found)
    time.sleep(linger_ms / 1000)
    server.stop()


if __name__ == "__main__":
    main()
