"""The process that holds the accept line: it does nothing but give pulses, one for each order.

    python -m inspectd.io.gpio_child LINK

A process of its own, because an agent that is stopped or killed in the middle of a pulse would leave the line
active: this one ends the pulse, whatever has become of the agent. It has one thread, so that the alarm
described in `inspectd.io.gpio_pulse` leaves nothing running. The line is inactive from the request
to the end.
"""

from __future__ import annotations

import json
import select
import signal
import socket
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from inspectd.io.errors import DeviceError
from inspectd.io.gpio_pulse import PulseOrder, Pulser, PulseReport, die_of_alarms
from inspectd.io.output_process import LARGEST_MESSAGE
from inspectd.io.output_settings import GpioSettings

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

MOST_ORDERS = 64


class GpiodLine:
    """A line by libgpiod, held from entry to exit."""

    def __init__(self, settings: GpioSettings) -> None:
        """Request the line, inactive. Raises DeviceError."""
        try:
            import gpiod  # noqa: PLC0415  only who configured it needs it
            from gpiod.line import Direction, Value  # noqa: PLC0415  likewise
        except ImportError as error:
            raise DeviceError(f"{error}; the output needs gpiod: pip install 'inspectd[gpio]'") from error
        self._values = {True: Value.ACTIVE, False: Value.INACTIVE}
        self._line = settings.line
        wanted = gpiod.LineSettings(
            direction=Direction.OUTPUT, active_low=settings.active_low, output_value=Value.INACTIVE
        )
        where = f"line {settings.line} of {settings.chip}"
        try:
            self._request: Any = gpiod.request_lines(
                settings.chip, consumer="inspectd accept pulse", config={settings.line: wanted}
            )
        except (OSError, ValueError) as error:
            raise DeviceError(
                f"{where} cannot be had: {error}; check chip and line with `gpioinfo`, that nothing else "
                "uses the line, and that the agent's user may open the chip"
            ) from error

    def set(self, *, active: bool) -> None:
        """Put the line to a level. Raises OSError."""
        self._request.set_value(self._line, self._values[active])

    def __enter__(self) -> Self:
        """Hold the line."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the line inactive and give it back."""
        try:
            self.set(active=False)
        finally:
            self._request.release()


def serve(link: socket.socket, pulser: Pulser) -> None:
    """Give pulses as ordered, until the connection ends; orders that still wait then are void."""
    orders: list[PulseOrder] = []
    readable = select.poll()
    readable.register(link, select.POLLIN)
    while True:
        wait_ms = max(0.0, orders[0].opens - time.monotonic()) * 1000 if orders else None
        if readable.poll(wait_ms):
            data = _receive(link)
            if not data:
                return
            orders = sorted([*orders, PulseOrder(**json.loads(data))], key=lambda order: order.opens)
            if len(orders) > MOST_ORDERS:
                _tell(link, PulseReport(orders.pop(0).part, None, why="too many orders at once"))
        elif orders and time.monotonic() >= orders[0].opens:
            _tell(link, pulser.give(orders.pop(0)))


def _receive(link: socket.socket) -> bytes:
    try:
        return link.recv(LARGEST_MESSAGE)
    except ConnectionError:
        return b""


def _tell(link: socket.socket, report: PulseReport) -> None:
    _send(link, asdict(report))


def _send(link: socket.socket, message: dict[str, Any]) -> None:
    try:
        link.send(json.dumps(message).encode(), socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
    except OSError:  # the agent is gone or hangs: the pulse matters, not the report
        return


def main() -> int:
    """Hold the line until the agent is gone."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the end of the connection ends it, after the pulse
    die_of_alarms()
    with socket.socket(fileno=int(sys.argv[1])) as link:
        settings = GpioSettings.model_validate_json(link.recv(LARGEST_MESSAGE))
        try:
            with GpiodLine(settings) as line:
                _send(link, {"ready": f"line {settings.line} of {settings.chip}"})
                serve(link, Pulser(line, settings.pulse_ms / 1000))
        except DeviceError as error:
            _send(link, {"failed": str(error)})
            return 1
        except OSError as error:
            _send(link, {"failed": f"line {settings.line} of {settings.chip} cannot be set: {error}"})
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
