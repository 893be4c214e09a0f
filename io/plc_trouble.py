"""What is wrong with a link, said plainly: one sentence and one remedy for each way a PLC can refuse.

The codes are those of the Modbus specification (exception codes) and of S7 as Siemens' controllers send them:
a return code for each item, and an error word in the header. What they mean at a commissioning, such as
PUT/GET access that is not permitted, stands in the remedies.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from enum import Enum

_NO_WAY = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL}


class Trouble(Enum):
    """The kinds of trouble that a diagnosis treats differently."""

    OTHER = "other"
    REFUSED = "nothing listens at the port"
    UNREACHABLE = "no way to the address"
    NO_CONNECTION = "no answer to the connection"
    SILENT = "connected, but a request is not answered"
    CLOSED = "the PLC closed the connection"
    NO_CPU = "no CPU at this rack and slot"
    NO_DEVICE = "no such Modbus device behind the gateway"
    NO_FUNCTION = "the Modbus function is not served"
    NO_ADDRESS = "words outside what the PLC has"
    NO_BLOCK = "no such data block"
    DENIED = "access is not permitted"
    NOT_WRITABLE = "the words cannot be written"
    BUSY = "the PLC is busy or has no connection left"


@dataclass(frozen=True, slots=True)
class Told:
    """One trouble in plain words: what it is, and what to do about it."""

    trouble: Trouble
    meaning: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.meaning}; {self.remedy}"


# --- both protocols --------------------------------------------------------------------------------------


def told_of_connection(error: OSError, port: int, timeout_ms: float, listens: str) -> Told:
    """Say why no TCP connection came about; `listens`: what should have listened, and how to see to it."""
    if isinstance(error, ConnectionRefusedError):
        return Told(Trouble.REFUSED, f"the device answers, but nothing listens at port {port}", listens)
    if isinstance(error, TimeoutError):
        return Told(
            Trouble.NO_CONNECTION,
            f"no connection within {timeout_ms:g} ms",
            "check the PLC's address (plc.host), the cable, and that the PLC is switched on",
        )
    if error.errno in _NO_WAY:
        return Told(
            Trouble.UNREACHABLE,
            f"there is no way to this address ({error.strerror})",
            "check the PLC's address (plc.host), the cable, and this PC's own address and netmask",
        )
    return Told(Trouble.OTHER, f"no connection ({error})", "check the PLC's address (plc.host) and the cable")


# --- Modbus ----------------------------------------------------------------------------------------------

MODBUS_LISTENS = "switch the PLC's Modbus server on, or correct plc.port (Modbus: 502)"

_MODBUS_SILENT = Told(
    Trouble.SILENT,
    "connected, but no answer came in time",
    "correct plc.device_id (the unit identifier; many PLCs keep silent for another one's), "
    "or raise plc.timeout_ms over the round trip",
)
_MODBUS_CLOSED = Told(
    Trouble.CLOSED,
    "the PLC closed the connection",
    "see that its Modbus server has a connection left and that its list of permitted clients names this PC",
)
_NO_ADDRESS = Told(
    Trouble.NO_ADDRESS,
    "the PLC refused it: not all of these registers are there (illegal data address)",
    "correct plc.base_address, counted from 0 (what a manual calls 40001 is 0), and let the PLC serve 132 "
    "holding registers from there on, the last 100 of them writable",
)
_GATEWAY = "correct plc.device_id, and check the device behind the gateway"

_MODBUS: dict[int, Told] = {
    1: Told(
        Trouble.NO_FUNCTION,
        "the PLC refused it: it does not serve this function",
        "let its Modbus server read and write holding registers (functions 3 and 16)",
    ),
    2: _NO_ADDRESS,
    3: Told(
        Trouble.NO_ADDRESS,
        "the PLC refused it: not so many registers in one request (illegal data value)",
        "use a Modbus server that takes 100 registers in one write (the specification has 123) and reads 100",
    ),
    4: Told(
        Trouble.OTHER,
        "the PLC refused it: its server failed on the way (server device failure)",
        "see the PLC's own diagnosis; registers that may not be written are often told this way",
    ),
    5: Told(
        Trouble.BUSY, "the PLC refused it: it is busy", "let fewer clients ask it, or raise plc.cycle_ms"
    ),
    6: Told(
        Trouble.BUSY, "the PLC refused it: it is busy", "let fewer clients ask it, or raise plc.cycle_ms"
    ),
    10: Told(Trouble.NO_DEVICE, "the gateway has no way to this device", _GATEWAY),
    11: Told(Trouble.NO_DEVICE, "the device behind the gateway does not answer", _GATEWAY),
}


def told_of_modbus(code: int) -> Told:
    """Say what a Modbus exception code means here."""
    unknown = Told(
        Trouble.OTHER, f"the PLC refused it (Modbus exception {code})", "see the PLC's manual for this code"
    )
    return _MODBUS.get(code, unknown)


def told_of_modbus_answer(error: Exception) -> Told:
    """Say why a request to a Modbus PLC got no answer that can be used."""
    text = str(error)
    if isinstance(error, ConnectionError) or "unexpectedly closed" in text:
        return _MODBUS_CLOSED
    if isinstance(error, TimeoutError) or "No response received" in text:
        return _MODBUS_SILENT
    return Told(
        Trouble.OTHER,
        f"no usable answer ({type(error).__name__}: {text})",
        "see that a Modbus TCP server listens at this address and port",
    )


# --- S7 --------------------------------------------------------------------------------------------------

S7_LISTENS = "correct plc.host, or plc.port (S7: 102); see that the device is an S7 PLC"

S7_SILENT = Told(
    Trouble.SILENT,
    "connected, but no answer came in time",
    "check plc.rack and plc.slot, or raise plc.timeout_ms over the round trip",
)
S7_CLOSED = Told(
    Trouble.CLOSED,
    "the PLC closed the connection",
    "see that it has a connection left, and check plc.rack and plc.slot",
)
S7_NO_CPU = Told(
    Trouble.NO_CPU,
    "the PLC refused the connection: no CPU at this rack and slot, or no connection left",
    "correct plc.rack and plc.slot (0 and 1 for S7-1200 and 1500, 0 and 2 for 300 and 400)",
)
_DENIED = Told(
    Trouble.DENIED,
    "the PLC refused it: access is not permitted",
    'permit "PUT/GET communication from remote partner" (CPU properties, Protection & Security), give full '
    "access without a password, and do not write-protect the data block",
)
_NO_BLOCK = Told(
    Trouble.NO_BLOCK,
    "the PLC refused it: there is no such data block, or it is optimised",
    'correct plc.data_block, clear the block\'s attribute "Optimized block access", and download it',
)
_SHORT = Told(
    Trouble.NO_ADDRESS,
    "the PLC refused it: the data block is too short or optimised (address out of range)",
    'make it 264 bytes long from plc.base_byte on, and clear its attribute "Optimized block access"',
)
_NOT_DONE = Told(
    Trouble.NOT_WRITABLE,
    "the PLC refused it: the function cannot be performed",
    'see that the data block is there, 264 bytes long from plc.base_byte on, not write-protected, "Optimized '
    'block access" cleared and PUT/GET access permitted',
)
_BUSY = Told(
    Trouble.BUSY, "the PLC refused it: it has no resources left", "close other connections to this PLC"
)

_S7_ITEM: dict[int, Told] = {0x03: _DENIED, 0x05: _SHORT, 0x0A: _NO_BLOCK, 0x13: _DENIED}
_S7_HEADER: dict[int, Told] = {
    0x8104: _DENIED,
    0x8702: _DENIED,
    0x8703: _DENIED,
    0xD0A1: _DENIED,
    0xD241: _DENIED,
    0x0116: _DENIED,
    0x8701: _SHORT,
    0xD209: _NO_BLOCK,
    0x8404: _NOT_DONE,
    0x011B: _BUSY,
    0x8302: _BUSY,
}


def told_of_s7_item(code: int) -> Told:
    """Say what an item's return code means here."""
    unknown = Told(
        Trouble.OTHER,
        f"the PLC refused it (return code 0x{code:02X})",
        "check the data block's number and length, that it is not optimised, and that PUT/GET is permitted",
    )
    return _S7_ITEM.get(code, unknown)


def told_of_s7_header(code: int) -> Told:
    """Say what the error word in an answer's header means here."""
    unknown = Told(
        Trouble.OTHER,
        f"the PLC refused it (error 0x{code:04X})",
        "check the data block's number and length, that it is not optimised, and that PUT/GET is permitted",
    )
    return _S7_HEADER.get(code, unknown)
