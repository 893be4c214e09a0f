"""What the agent answers as a Modbus server: each function on the image, and each refusal with its code.

The wire format is pymodbus'. Words are holding registers (functions 3, 6, 16, 23) and, to read, input
registers (4); the bits of CONTROL are coils (1, 5, 15), those of STATUS discrete inputs (2). All four tables
begin at the base address.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pymodbus.constants import ExcCodes
from pymodbus.pdu import DecodePDU
from pymodbus.pdu.bit_message import (
    ReadCoilsResponse,
    WriteMultipleCoilsRequest,
    WriteMultipleCoilsResponse,
    WriteSingleCoilResponse,
)
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersResponse,
    ReadWriteMultipleRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteMultipleRegistersResponse,
    WriteSingleRegisterResponse,
)

from inspectd.io.plc import PLC_WORDS, VISION_START, WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymodbus.pdu import ModbusPDU

    from inspectd.io.server_image import ServerImage, WriteRound

# The library logs each request that it cannot decode: a client may send them all day.
logging.getLogger("pymodbus").setLevel(logging.CRITICAL)

_CONTROL, _STATUS = 1, VISION_START + 1
_BITS = 16
_MOST_WRITTEN = 123
_MOST_EXCHANGED = 121
WRITING = frozenset({5, 6, 15, 16, 23})
"""Function codes that write."""


class _RefusedError(Exception):
    def __init__(self, code: ExcCodes) -> None:
        super().__init__(code)
        self.code = code


class Answers:
    """Answers to requests on one image. Never raises for what a client sends."""

    def __init__(self, image: ServerImage, base_address: int) -> None:
        self._image = image
        self._base = base_address
        self._decoder = DecodePDU(is_server=True)
        self._functions = {
            1: self._read_bits,
            2: self._read_bits,
            3: self._read_words,
            4: self._read_words,
            5: self._write_coil,
            6: self._write_word,
            15: self._write_coils,
            16: self._write_words,
            23: self._exchange,
        }

    def answer(self, request: bytes, round_: WriteRound, *, composed_after: float, at: float) -> bytes:
        """Give the answer to a request, both without header: function code first.

        `round_` is the connection's own; `composed_after` and `at` (s, monotonic) bound when the client
        composed the request, see `ServerImage`.
        """
        function = request[0]
        if function not in self._functions:
            return refusal(function, ExcCodes.ILLEGAL_FUNCTION)
        pdu = self._decoder.decode(request)
        if pdu is None:
            return refusal(function, ExcCodes.ILLEGAL_VALUE)
        try:
            answer = self._functions[function](pdu, _Writing(self._image, round_, composed_after, at))
        except _RefusedError as error:
            return refusal(function, error.code)
        return bytes([function]) + answer.encode()

    # --- words -----------------------------------------------------------------------------------------

    def _read_words(self, pdu: ModbusPDU, _: _Writing) -> ModbusPDU:
        start = self._place(pdu.address, pdu.count, WORDS)
        return ReadHoldingRegistersResponse(registers=self._image.answer(start, pdu.count))

    def _write_word(self, pdu: ModbusPDU, writing: _Writing) -> ModbusPDU:
        writing.take(self._place(pdu.address, 1, PLC_WORDS), pdu.registers)
        return WriteSingleRegisterResponse(address=pdu.address, registers=pdu.registers)

    def _write_words(self, pdu: ModbusPDU, writing: _Writing) -> ModbusPDU:
        assert isinstance(pdu, WriteMultipleRegistersRequest)  # noqa: S101  what function 16 decodes to
        whole = pdu.count == len(pdu.registers) and pdu.byte_count == 2 * pdu.count
        if not whole or not 1 <= pdu.count <= _MOST_WRITTEN:
            raise _RefusedError(ExcCodes.ILLEGAL_VALUE)
        writing.take(self._place(pdu.address, pdu.count, PLC_WORDS), pdu.registers)
        return WriteMultipleRegistersResponse(address=pdu.address, count=pdu.count)

    def _exchange(self, pdu: ModbusPDU, writing: _Writing) -> ModbusPDU:
        """Write, then read, as the specification has it; where either is refused nothing is written."""
        assert isinstance(pdu, ReadWriteMultipleRegistersRequest)  # noqa: S101  what function 23 decodes to
        words = pdu.write_registers
        whole = pdu.write_count == len(words) and pdu.write_byte_count == 2 * pdu.write_count
        if not whole or not 1 <= pdu.write_count <= _MOST_EXCHANGED:
            raise _RefusedError(ExcCodes.ILLEGAL_VALUE)
        start = self._place(pdu.read_address, pdu.read_count, WORDS)
        writing.take(self._place(pdu.write_address, pdu.write_count, PLC_WORDS), words)
        return ReadHoldingRegistersResponse(registers=self._image.answer(start, pdu.read_count))

    # --- bits ------------------------------------------------------------------------------------------

    def _read_bits(self, pdu: ModbusPDU, _: _Writing) -> ModbusPDU:
        first = self._place(pdu.address, pdu.count, _BITS)
        (word,) = self._image.answer(_CONTROL if pdu.function_code == 1 else _STATUS, 1)
        bits = [bool(word >> number & 1) for number in range(first, first + pdu.count)]
        return ReadCoilsResponse(bits=bits)

    def _write_coil(self, pdu: ModbusPDU, writing: _Writing) -> ModbusPDU:
        writing.take_control(self._place(pdu.address, 1, _BITS), pdu.bits)
        return WriteSingleCoilResponse(address=pdu.address, bits=pdu.bits)

    def _write_coils(self, pdu: ModbusPDU, writing: _Writing) -> ModbusPDU:
        assert isinstance(pdu, WriteMultipleCoilsRequest)  # noqa: S101  what function 15 decodes to
        if pdu.count != len(pdu.bits) or pdu.byte_count != (pdu.count + 7) // 8:
            raise _RefusedError(ExcCodes.ILLEGAL_VALUE)
        writing.take_control(self._place(pdu.address, pdu.count, _BITS), pdu.bits)
        return WriteMultipleCoilsResponse(address=pdu.address, count=pdu.count)

    def _place(self, address: int, count: int, end: int) -> int:
        """Where in a table of `end` places an address lies; refused if not all of it does."""
        start = address - self._base
        if start < 0 or start + count > end:
            raise _RefusedError(ExcCodes.ILLEGAL_ADDRESS)
        return start


class _Writing:
    """How one request reaches the image."""

    def __init__(self, image: ServerImage, round_: WriteRound, composed_after: float, at: float) -> None:
        self._image = image
        self._round = round_
        self._composed_after = composed_after
        self._at = at

    def take(self, start: int, words: Sequence[int]) -> None:
        self._image.write(self._round, start, words, composed_after=self._composed_after, at=self._at)

    def take_control(self, first: int, bits: Sequence[bool]) -> None:
        self._image.write_control(first, bits, composed_after=self._composed_after)


def refusal(function: int, code: ExcCodes) -> bytes:
    """Give the answer that refuses a function."""
    return bytes([function | 0x80, code])
