"""The README cannot drift: commands, make targets, reasons and fault codes are held against the code."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer.main

from inspectd.agent.cli.main import app
from inspectd.io.plc import FaultCode, Reason

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()


def commands() -> dict[str, str]:
    """Every command of `inspectd` with the first sentence of its help."""
    found: dict[str, str] = {}

    def collect(prefix: str, group: Any) -> None:
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                collect(f"{prefix}{name} ", command)
            else:
                found[f"{prefix}{name}"] = str(command.help).splitlines()[0]

    collect("", typer.main.get_command(app))
    return found


def targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))


@pytest.mark.parametrize("name", commands())
def test_every_command_stands_in_the_readme(name: str) -> None:
    """With the sentence that its own help begins with."""
    assert f"| `inspectd {name}` | {commands()[name]} |" in README


def test_every_command_of_the_readme_is_there() -> None:
    """What the README tells to type can be typed."""
    told = set(
        re.findall(
            r"(?<![./\w-])(?:\.venv(?:-dev)?/bin/)?inspectd ((?:(?:calibrate|model|plc|opcua) )?[a-z]+)",
            code_of_readme(),
        )
    )
    assert told
    assert told <= set(commands())


def code_of_readme() -> str:
    """All that the README sets as code: indented blocks and text between back quotes."""
    blocks = re.findall(r"^    (.*)$", README, re.MULTILINE)
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", README)])


def test_every_make_target_of_the_readme_is_there() -> None:
    """What the README tells to make can be made."""
    told = set(re.findall(r"\bmake ([a-z-]+)", code_of_readme()))
    assert {"demo", "test"} <= told
    assert told <= targets()


@pytest.mark.parametrize("target", sorted(targets() - {"clean", "system-packages"}))
def test_every_make_target_stands_in_the_readme(target: str) -> None:
    """But for the two that nobody calls by hand."""
    assert f"make {target}" in README


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_stands_in_the_readme(reason: Reason) -> None:
    """Number, name and meaning, as the PLC's program and the record have them."""
    assert f"| {int(reason)} | {reason.name} | {reason.meaning} |" in README


@pytest.mark.parametrize("fault", FaultCode)
def test_every_fault_stands_in_the_readme(fault: FaultCode) -> None:
    """Number, name, meaning, whether it waits for ClearFault, and what to do."""
    ends = "ClearFault" if fault.latches else "by itself"
    assert f"| {int(fault)} | {fault.name} | {fault.meaning} | {ends} | {fault.remedy} |" in README


def test_every_link_of_the_readme_leads_somewhere() -> None:
    """Files and pictures that the README names are there."""
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if "://" not in target:
            assert (ROOT / target).exists(), target
