"""`inspectd run`: refuses what cannot run, keeps trying where the PLC does, and ends in good order."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from command import COMMAND, ROOT, Inspectd, run_command
from station_files import write_station

BUNDLE = ROOT / "configs" / "bundles" / "buttons"
# The agent with a scorer that needs no bundle: it starts quickly.
WITHOUT_ENGINE = (sys.executable, "-m", "tests.system.agent_process")
STARTUP_S = 120.0
STOP_S = 2.0
# On a machine under load anything may take long: one of so many attempts must be in time.
ATTEMPTS = 3


class Refuser:
    """A PLC that takes every connection and closes it at once."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.connections = 0
        threading.Thread(target=self._refuse, daemon=True).start()

    def _refuse(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.close()
            self.connections += 1

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def refuser() -> Iterator[Refuser]:
    refuser = Refuser()
    yield refuser
    refuser.close()


class Agent:
    """A running `inspectd run`, with its log."""

    def __init__(self, command: tuple[str, ...], log: Path) -> None:
        self._log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(command, stderr=file, stdout=file, cwd=ROOT)

    def events(self) -> list[str]:
        """Names of the events logged so far."""
        return [line["event"] for line in self.lines()]

    def lines(self) -> list[dict[str, Any]]:
        """Everything logged so far; each line is one JSON object."""
        whole = self._log.read_text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    def wait_for(self, event: str, times: int = 1) -> None:
        """Wait until this event was logged so often."""
        deadline = time.monotonic() + STARTUP_S
        while self.events().count(event) < times:
            assert self.process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.02)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Ask the agent to end; gives the seconds until it has ended, in good order."""
        began = time.monotonic()
        self.process.send_signal(number)
        assert self.process.wait(STARTUP_S) == 0, self._log.read_text()
        took = time.monotonic() - began
        last = self.lines()[-1]
        assert (last["event"], last["dropped"]) == ("station_stopped", 0)
        return took


@contextmanager
def running(command: tuple[str, ...], folder: Path) -> Generator[Agent]:
    agent = Agent(command, folder / "agent.log")
    try:
        yield agent
    finally:
        agent.process.kill()
        agent.process.wait(5)


def test_missing_configuration(inspectd: Inspectd, tmp_path: Path) -> None:
    """What, where, remedy."""
    done = inspectd("run", tmp_path / "no.yaml")
    assert done.refuses(1, f"{tmp_path}/no.yaml: No such file or directory; name a readable YAML file")


def test_configuration_that_breaks_rules(inspectd: Inspectd, tmp_path: Path) -> None:
    """Nothing is started; each broken rule is told with its line, as `inspectd check` tells it."""
    changes = (("step_limit_ms: 250", "step_limit_ms: 350"), ("eye_to_gate_ms: 1000", "eye_to_gate_ms: 10"))
    config = write_station(tmp_path, *changes)
    done = inspectd("run", config)
    assert done.refuses(1, f"{config}:6: line.step_limit_ms: ", f"{config}:8: line.eye_to_gate_ms: ")
    assert not (tmp_path / "record").exists()


def test_missing_bundle(tmp_path: Path) -> None:
    """The start ends with one message, and with no process of the camera left behind."""
    (tmp_path / "images").mkdir()
    done = run_command("run", write_station(tmp_path))
    assert done.status == 1
    assert "Traceback" not in done.err
    assert done.err.splitlines()[-1].startswith(
        f"inspectd: {tmp_path}/bundles/buttons: no such bundle folder"
    )


def test_unknown_log_level(inspectd: Inspectd, tmp_path: Path) -> None:
    """The levels that there are, are named."""
    done = inspectd("run", write_station(tmp_path), "--log-level", "loud")
    assert done.refuses(2, "--log-level loud: no such level; choose one of debug, info, warning, error")


def test_refusing_plc_is_tried_again_until_the_end(tmp_path: Path, refuser: Refuser) -> None:
    """The real command with the shipped bundle: it goes on trying, and stops in time when asked."""
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "1.png"), np.zeros((64, 64, 3), np.uint8))
    config = write_station(
        tmp_path,
        ("host: 127.0.0.1", f"host: 127.0.0.1\n  port: {refuser.port}"),
        ("bundles/buttons", str(BUNDLE)),
    )
    with running((*COMMAND, "run", str(config)), tmp_path) as agent:
        agent.wait_for("plc_link_down")
        agent.wait_for("station_started")
        tried = refuser.connections
        deadline = time.monotonic() + STARTUP_S
        while refuser.connections < tried + 3:
            assert time.monotonic() < deadline, "the agent does not try any more"
            time.sleep(0.02)
        agent.stop()
    assert agent.events().count("plc_link_down") == 1, "one line for one outage"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_missing_images_and_the_end(number: signal.Signals, tmp_path: Path, refuser: Refuser) -> None:
    """The folder of the camera is not there: that is logged; and the agent ends within two seconds."""
    config = write_station(tmp_path, ("host: 127.0.0.1", f"host: 127.0.0.1\n  port: {refuser.port}"))

    def time_to_stop() -> float:
        with running((*WITHOUT_ENGINE, str(config)), tmp_path) as agent:
            agent.wait_for("camera_down")
            took = agent.stop(number)
        error = next(line["error"] for line in agent.lines() if line["event"] == "camera_down")
        assert f"{tmp_path}/images" in error
        return took

    assert any(time_to_stop() < STOP_S for _ in range(ATTEMPTS))
