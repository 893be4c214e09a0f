"""The process of the OPC UA server: the agent tells it verdicts and states, it shows them.

    python -m inspectd.io.opcua_child LINK

A process of its own and behind the inspection in the scheduler, so that clients, however many, slow or often
refused, take no core from it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import sys
from typing import Any

from inspectd.io.errors import DeviceError
from inspectd.io.opcua_certificate import own_certificate
from inspectd.io.opcua_server import StationServer, reason_text
from inspectd.io.opcua_users import check_users
from inspectd.io.output_process import LARGEST_MESSAGE
from inspectd.io.output_settings import OpcUaSettings

_NICENESS = 10


async def serve(link: socket.socket, settings: OpcUaSettings, station: str) -> None:
    """Show what the agent tells until the connection ends. Raises DeviceError if it cannot begin."""
    if not settings.anonymous and (problem := check_users(settings.folder)):
        raise DeviceError(problem)
    server = StationServer(settings, station)
    files = own_certificate(settings.folder, server.uri, settings.host)
    where = f"{settings.host}:{settings.port}"
    try:
        await server.start(*files)
    except OSError as error:
        raise DeviceError(f"cannot listen on {where}: {error}; set host and port to free ones") from error
    except ValueError as error:
        raise DeviceError(
            f"{files[0]} and {files[1]} cannot be read: {error}; remove both, and new ones are made"
        ) from error
    try:
        _send(link, {"ready": f"opc.tcp://{where}/"})
        await _follow(link, server)
    finally:
        await server.stop()


async def _follow(link: socket.socket, server: StationServer) -> None:
    loop = asyncio.get_running_loop()
    while True:
        try:
            data = await loop.sock_recv(link, LARGEST_MESSAGE)
        except ConnectionError:
            return
        if not data:
            return
        message = json.loads(data)
        if "record" in message:
            await server.show_verdict(message["record"], reason_text(message["record"]["reason"]))
        else:
            await server.show_state(message["state"])


def _send(link: socket.socket, message: dict[str, Any]) -> None:
    try:
        link.send(json.dumps(message).encode(), socket.MSG_NOSIGNAL)
    except OSError:  # the agent is gone: so will this process be in a moment
        return


def main() -> int:
    """Serve until the agent is gone."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the end of the connection ends it
    os.nice(_NICENESS)  # each password costs 50 ms of a core, and anybody may try
    logging.basicConfig(level=logging.CRITICAL)  # every refused client is an error to the library
    with socket.socket(fileno=int(sys.argv[1])) as link:
        begin = json.loads(link.recv(LARGEST_MESSAGE))
        settings = OpcUaSettings.model_validate(begin["settings"])
        link.setblocking(False)
        try:
            asyncio.run(serve(link, settings, begin["station"]))
        except DeviceError as error:
            _send(link, {"failed": str(error)})
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
