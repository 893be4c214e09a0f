"""The whole agent with its real engine against a PLC on libmodbus, which nobody of this project wrote."""

import shutil
import signal
import socket
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import cv2
import pytest
from ruamel.yaml import YAML

from inspectd.agent.record import read_rows
from inspectd.inference.engine import open_engine, read_image
from inspectd.inference.runtime import RuntimeSettings
from inspectd.io.buttons import render_part
from inspectd.io.plc import Reason, Verdict

SOURCE = Path(__file__).parent.parent / "io" / "libmodbus_plc.c"
BUNDLE = Path(str(files("inspectd.configs") / "bundles" / "buttons"))
PARTS = 12
UNREADABLE, EMPTY, WRONG_SIZE = 3, 6, 9
INTERVAL_MS = 400


@pytest.fixture(scope="module")
def libmodbus_plc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the C program; skipped by name where compiler or library are missing."""
    if shutil.which("gcc") is None or not Path("/usr/include/modbus/modbus.h").exists():
        pytest.skip("gcc or libmodbus-dev is not installed: sudo apt-get install gcc libmodbus-dev")
    program = tmp_path_factory.mktemp("libmodbus") / "plc"
    command = ["gcc", "-Wall", "-Wextra", "-Werror", "-o", str(program), str(SOURCE), "-lmodbus"]
    subprocess.run(command, check=True, timeout=60)
    return program


def write_images(folder: Path) -> None:
    """Twelve buttons, every third of them spoiled in another way as a file."""
    folder.mkdir()
    for part in range(PARTS):
        path = folder / f"part_{part:02d}.png"
        size = 300 if part == WRONG_SIZE else 512
        pixels, _, _ = render_part(3, part, 0.3, size)
        cv2.imwrite(str(path), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    (folder / f"part_{UNREADABLE:02d}.png").write_bytes(b"not an image")
    (folder / f"part_{EMPTY:02d}.png").write_bytes(b"")


def write_config(folder: Path, port: int) -> Path:
    config = {
        "name": "replay",
        "line": {
            "min_part_interval_ms": 390.0,
            "deadline_ms": 600.0,
            "step_limit_ms": 500.0,
            "trigger_to_exposure_ms": 60.0,
            "eye_to_gate_ms": 3000.0,
        },
        "plc": {"kind": "modbus_tcp", "host": "127.0.0.1", "port": port, "max_trigger_age_ms": 100.0},
        "cameras": [{"kind": "folder", "path": "images", "trigger": "software"}],
        "classes": [{"recipe": 1, "bundle": str(BUNDLE)}],
        "record": {"folder": "record"},
    }
    path = folder / "station.yaml"
    with path.open("w") as file:
        YAML().dump(config, file)
    return path


def test_replay_against_libmodbus(libmodbus_plc: Path, tmp_path: Path) -> None:
    """Each image gets its own verdict, rightly checked; a bad file is UNKNOWN/33 and the line goes on."""
    write_images(tmp_path / "images")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = write_config(tmp_path, port)
    plc = subprocess.Popen(
        [libmodbus_plc, str(port), str(PARTS), str(INTERVAL_MS)], stdout=subprocess.PIPE, text=True
    )
    command = [sys.executable, "-m", "inspectd.agent.cli.main", "run", str(config)]
    agent = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        output, _ = plc.communicate(timeout=60)
        agent.send_signal(signal.SIGTERM)
        _, log = agent.communicate(timeout=10)
    finally:
        plc.kill()
        agent.kill()
        plc.wait(5)
        agent.wait(5)
    assert agent.returncode == 0, log
    lines = [line.split() for line in output.splitlines()]
    seen = {int(line[0]) - 101: [int(word) for word in line[1:5]] for line in lines}
    reals = {int(line[0]) - 101: float(line[5]) for line in lines}
    assert sorted(seen) == list(range(PARTS)), log
    assert all(check == 1 for *_, check in seen.values()), "a CRC that libmodbus's side computes otherwise"

    engine = open_engine(BUNDLE, RuntimeSettings())
    for part, (verdict, reason, score, _) in seen.items():
        if part in {UNREADABLE, EMPTY, WRONG_SIZE}:
            assert (verdict, reason) == (Verdict.UNKNOWN, Reason.FRAME_UNFIT), part
            continue
        pixels = read_image(tmp_path / "images" / f"part_{part:02d}.png")
        assert pixels is not None
        raw = engine.judge(pixels).score
        expected = raw / engine.limits.threshold
        assert score == pytest.approx(1000 * expected, abs=1.5), part
        assert reals[part] == pytest.approx(raw, rel=1e-3), part
        assert verdict == (Verdict.ACCEPT if expected < 1 else Verdict.REJECT), part
    engine.close()
    rows = list(read_rows(tmp_path / "record"))
    assert [row["image"] for row in rows if row.get("image")] == sorted(
        f"part_{part:02d}.png" for part in range(PARTS)
    )
    named = {row["trig_id"]: (row["serial"], row["lot"]) for row in rows if row.get("image")}
    assert named == {number: (f"SN-{number}", "LOT 2026-11 #007") for number in range(101, 101 + PARTS)}
