"""The word to systemd: READY, WATCHDOG and STOPPING over the socket it names (sd_notify(3))."""

from __future__ import annotations

import os
import socket


class Notifier:
    """Speaks to the service manager; silent where there is none."""

    def __init__(self) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "")
        # A leading @ names the abstract namespace, which starts with a zero byte.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.interval_s = self._watchdog_interval()

    @staticmethod
    def _watchdog_interval() -> float:
        """Half the watchdog's limit, as sd_watchdog_enabled(3) advises; 1 s where there is no watchdog."""
        wanted_of = os.environ.get("WATCHDOG_PID", str(os.getpid()))
        limit_us = os.environ.get("WATCHDOG_USEC", "")
        if not limit_us.isdecimal() or wanted_of != str(os.getpid()):
            return 1.0
        return max(0.01, int(limit_us) / 1e6 / 2)

    def send(self, state: str) -> None:
        """Send one state such as READY=1. A manager that does not listen changes nothing for the line."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.setblocking(False)
                sender.sendto(state.encode(), self._address)
        except OSError:
            # The manager restarts the agent if it misses the watchdog: there is nothing better to do here.
            return
