"""The unit and the user that it runs as: taken by systemd's own checkers without a word."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from inspectd.agent.station import CAMERA_START_S
from inspectd.agent.supervision import PLC_LIMIT_S

SYSTEMD = Path(__file__).parent.parent.parent / "systemd"
UNIT = SYSTEMD / "inspectd@.service"
SYSUSERS = SYSTEMD / "inspectd.sysusers"
# An instance is checked without anything of it being installed: these stand in for what is not there.
INSTALLED = "/opt/inspectd/bin/inspectd"


def service() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # pyright: ignore[reportAttributeAccessIssue]  keys keep their capitals
    parser.read(UNIT)
    return parser["Service"]


def verified(folder: Path, unit: str) -> "subprocess.CompletedProcess[str]":
    """Have systemd check an instance of a unit with this text; skips where systemd is not installed."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed (package systemd)")
    instance = folder / "inspectd@press-3.service"
    instance.write_text(unit)
    return subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(instance)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_unit_is_clean_in_systemds_eyes(tmp_path: Path) -> None:
    """`systemd-analyze verify` on an instance says nothing at all."""
    text = UNIT.read_text()
    assert text.count(INSTALLED) == 1
    done = verified(tmp_path, text.replace(INSTALLED, "/bin/true"))
    told = [line for line in (done.stdout + done.stderr).splitlines() if "inspectd" in line]
    assert (done.returncode, told) == (0, [])


def test_a_mistake_in_the_unit_would_show(tmp_path: Path) -> None:
    """The checker reads this file: a key that does not exist is told."""
    text = UNIT.read_text().replace(INSTALLED, "/bin/true").replace("WatchdogSec", "WatchDogSek")
    done = verified(tmp_path, text)
    assert "WatchDogSek" in done.stdout + done.stderr


def test_user_of_the_unit_is_the_one_that_sysusers_makes(tmp_path: Path) -> None:
    """`systemd-sysusers` would make the user that the unit names, and needs nothing else for it."""
    if shutil.which("systemd-sysusers") is None:
        pytest.skip("systemd-sysusers is not installed (package systemd)")
    done = subprocess.run(
        ["systemd-sysusers", "--dry-run", f"--root={tmp_path}", str(SYSUSERS)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    user = service()["User"]
    assert re.search(rf"^u!?\s+{user}\s", SYSUSERS.read_text(), re.MULTILINE)
    assert user in done.stdout + done.stderr


def test_unit_runs_the_command_that_there_is() -> None:
    """`inspectd run CONFIG`, one file for each instance."""
    assert service()["ExecStart"] == f"{INSTALLED} run /etc/inspectd/%i.yaml"


def test_unit_speaks_the_agents_protocol() -> None:
    """READY, WATCHDOG and STOPPING come from the main process, started again whatever ends it."""
    unit = service()
    assert (unit["Type"], unit["NotifyAccess"], unit["Restart"]) == ("notify", "main", "always")
    # A PLC that hangs for as long as the agent allows must not end the watchdog.
    assert float(unit["WatchdogSec"]) > PLC_LIMIT_S + 1
    assert float(unit["TimeoutStartSec"]) > 10 * CAMERA_START_S
    assert float(unit["TimeoutStopSec"]) > 2


def test_unit_is_unprivileged() -> None:
    """No root, no capability, no writing outside its own folders."""
    unit = service()
    assert unit["User"] not in {"root", ""}
    assert (unit["CapabilityBoundingSet"], unit["NoNewPrivileges"]) == ("", "yes")
    assert (unit["ProtectSystem"], unit["ProtectHome"], unit["StateDirectory"]) == (
        "strict",
        "yes",
        "inspectd/%i",
    )
