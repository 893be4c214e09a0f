"""`inspectd opcua user`: who may read the station's OPC UA server."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path

from inspectd.agent.cli.output import fail, say
from inspectd.agent.config import load_config
from inspectd.io.opcua_users import set_user
from inspectd.io.output_settings import OpcUaSettings


def set_station_user(config: Path, name: str) -> None:
    """Write a user with a hashed password into the folder that the configuration names for its server."""
    servers = [output for output in load_config(config).outputs if isinstance(output, OpcUaSettings)]
    if not servers:
        fail(f"{config}: has no output of kind opcua; add one under `outputs:`")
    password = _asked_for() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    file = set_user(servers[0].folder, name, password)
    say(f"{name} may read with that password from now on ({file})")


def _asked_for() -> str:
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        fail("the two passwords differ; nothing is changed")
    return password
