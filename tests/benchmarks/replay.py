"""Replays a test set through `inspectd run` against a PLC on libmodbus, and measures what comes out.

    python tests/benchmarks/replay.py BUNDLE DATA [--precision bfloat16] [--interval-ms 400]

DATA is in the MVTec AD layout; its `test` folder is replayed by a folder camera, one image per trigger.
Prints one JSON object: image AUROC of the scores published in the PLC's ring, pixel AUROC of the maps (by
`inspectd calibrate evaluate`), frames per second that the engine could do, and latency.
"""

import argparse
import json
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, cast

import numpy as np
from ruamel.yaml import YAML
from sklearn.metrics import roc_auc_score  # pyright: ignore[reportUnknownVariableType]  untyped

from inspectd.agent.record import Row, read_rows

PLC_SOURCE = Path(__file__).parent.parent / "io" / "libmodbus_plc.c"
INSPECTD = (sys.executable, "-m", "inspectd.agent.cli.main")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--interval-ms", type=float, default=400)
    options = parser.parse_args()
    images = sum(path.is_file() for path in (options.data / "test").rglob("*.png"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        published = run_line(folder, options, images)
        rows = {int(row["trig_id"]): row for row in read_rows(folder / "record") if row.get("image")}
    report = {"images": images, **line_figures(published, rows), **map_figures(options)}
    sys.stdout.write(json.dumps(report) + "\n")


def run_line(folder: Path, options: argparse.Namespace, images: int) -> dict[int, tuple[int, ...]]:
    """Run agent and PLC; give verdict, reason, score and check of each trigger id, as libmodbus saw them."""
    plc_program = folder / "plc"
    subprocess.run(["gcc", "-O1", "-o", plc_program, PLC_SOURCE, "-lmodbus"], check=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = write_config(folder, options, port)
    command = [plc_program, str(port), str(images), str(options.interval_ms)]
    plc = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    agent = subprocess.Popen([*INSPECTD, "run", str(config), "--log-level", "warning"])
    try:
        output, _ = plc.communicate(timeout=60 + images * options.interval_ms / 1000)
    finally:
        agent.send_signal(signal.SIGTERM)
        agent.wait(10)
        plc.kill()
    lines = [[int(word) for word in line.split()[:5]] for line in output.splitlines()]
    return {line[0]: tuple(line[1:]) for line in lines}


def write_config(folder: Path, options: argparse.Namespace, port: int) -> Path:
    interval = options.interval_ms
    test = str((options.data / "test").resolve())
    config = {
        "name": "replay",
        "line": {
            "min_part_interval_ms": 0.98 * interval,
            "deadline_ms": 3 * interval,
            "step_limit_ms": 2 * interval,
            "trigger_to_exposure_ms": 0.15 * interval,
            "eye_to_gate_ms": 10 * interval,
            "stop_after": 10_000,
        },
        "plc": {
            "kind": "modbus_tcp",
            "host": "127.0.0.1",
            "port": port,
            "max_trigger_age_ms": 0.2 * interval,
        },
        "cameras": [{"kind": "folder", "path": test, "recursive": True, "trigger": "software"}],
        "classes": [{"recipe": 1, "bundle": str(options.bundle.resolve())}],
        "engine": {"name": "openvino", "precision": options.precision},
        "record": {"folder": "record"},
    }
    path = folder / "station.yaml"
    with path.open("w") as file:
        YAML().dump(config, file)
    return path


def line_figures(published: dict[int, tuple[int, ...]], rows: dict[int, Row]) -> dict[str, Any]:
    """Image AUROC of what the PLC was told, unfit frames left out and counted; latency and speed."""
    judged = [number for number in sorted(rows) if published[number][2] > 0]
    defective = [not str(rows[number]["image"]).startswith("good") for number in judged]
    scores = [published[number][2] for number in judged]
    latency = np.percentile([float(row["latency_ms"]) for row in rows.values()], [50, 99])
    engine_ms = float(np.median([float(rows[number]["engine_ms"]) for number in judged]))
    return {
        "published": len(published),
        "checks_right": sum(values[3] for values in published.values()),
        "judged": len(judged),
        "published_image_auroc": round(float(cast("float", roc_auc_score(defective, scores))), 4),
        "engine_ms": round(engine_ms, 1),
        "frames_per_second": round(1000 / engine_ms, 1),
        "latency_ms": {"p50": round(float(latency[0]), 1), "p99": round(float(latency[1]), 1)},
    }


def map_figures(options: argparse.Namespace) -> dict[str, Any]:
    """Image and pixel AUROC by `inspectd calibrate evaluate`."""
    command = [*INSPECTD, "calibrate", "evaluate", str(options.bundle), str(options.data), "--json"]
    command += ["--precision", options.precision]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    report = json.loads(done.stdout)
    return {"image_auroc": report["image_auroc"], "pixel_auroc": report["pixel_auroc"]}


if __name__ == "__main__":
    main()
