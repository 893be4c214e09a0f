"""`inspectd bench`: the same bundle on every runtime, interleaved, and the agent's own overhead."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from inspectd.agent.cli.output import fail, note, print_json, say
from inspectd.agent.cli.progress import progress_bar
from inspectd.inference.bundle import Bundle, load_bundle
from inspectd.inference.engine import read_image
from inspectd.inference.errors import InferenceError
from inspectd.inference.prepare import Preparer
from inspectd.inference.runtime import Runtime, RuntimeSettings, open_runtime

CANDIDATES = (("torch", "float32"), ("openvino", "float32"), ("openvino", "bfloat16"))
# Runtimes take turns in short blocks: a machine that slows down does so for all, and a runtime's threads that
# still spin after its turn disturb only the first frame of the next, which is not counted.
BLOCK = 10
LINE_TIMEOUT_S = 300.0


def run_bench(folder: Path, frames: int, *, as_json: bool) -> None:
    """Print medians and 99th percentiles of each runtime, the agent's overhead and its memory."""
    bundle = load_bundle(folder)
    runs = _time_runtimes(bundle, frames)
    line = _time_line(folder)
    report: dict[str, Any] = {"bundle_id": bundle.bundle_id, "frames": frames, "runs": runs, **line}
    if as_json:
        print_json(report)
        return
    for run in runs:
        ratio = "" if run["ratio"] is None else f"  {run['ratio']:.2f} x torch eager float32"
        say(
            f"{run['runtime']:9s} {run['precision']:9s} median {run['median_ms']:7.2f} ms  "
            f"p99 {run['p99_ms']:7.2f} ms{ratio}"
        )
    overhead, trip = line["overhead_ms"], line["round_trip_ms"]
    say(f"agent's overhead (exposure to verdict written, less the engine): p50 {overhead['p50']:.2f} ms, ")
    say(
        f"p99 {overhead['p99']:.2f} ms over {line['parts']} parts; link's round trip p50 {trip['p50']:.2f}, "
        f"p99 {trip['p99']:.2f} ms"
    )
    say(f"a part's time window closes {line['window_ms']:.0f} ms after the last poll without its trigger")
    say(f"memory of agent and camera process: {line['rss_mb']:.0f} MB")


def _time_runtimes(bundle: Bundle, frames: int) -> list[dict[str, Any]]:
    runtimes = _open_all(bundle)
    image = _prepared_image(bundle)
    times: list[list[float]] = [[] for _ in runtimes]
    with progress_bar("timing runtimes") as advance:
        for done in range(0, frames, BLOCK):
            for runtime, taken in zip(runtimes, times, strict=True):
                runtime.infer(image)
                for _ in range(min(BLOCK, frames - done)):
                    began = time.perf_counter()
                    runtime.infer(image)
                    taken.append((time.perf_counter() - began) * 1000)
            advance(min(done + BLOCK, frames), frames)
    medians = [float(np.median(taken)) for taken in times]
    reference = next(
        (median for runtime, median in zip(runtimes, medians, strict=True) if runtime.name == "torch"), None
    )
    for runtime in runtimes:
        runtime.close()
    return [
        {
            "runtime": runtime.name,
            "precision": runtime.precision,
            "median_ms": round(median, 3),
            "p99_ms": round(float(np.percentile(taken, 99)), 3),
            "ratio": None if reference is None else round(reference / median, 3),
        }
        for runtime, taken, median in zip(runtimes, times, medians, strict=True)
    ]


def _open_all(bundle: Bundle) -> list[Runtime]:
    """Open every runtime that this machine has; say why one is left out."""
    opened: list[Runtime] = []
    for name, precision in CANDIDATES:
        settings = RuntimeSettings.model_validate({"name": name, "precision": precision})
        try:
            graph = bundle.graph_file(precision)
            opened.append(open_runtime(settings, graph, bundle.manifest.image_size))
        except InferenceError as error:
            note(f"left out: {error}")
    if not opened:
        fail("no runtime can run this bundle")
    return opened


def _prepared_image(bundle: Bundle) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Give the bundle's golden frame as the engine would see it, uint8 [1, S, S, 3]."""
    manifest = bundle.manifest
    frame = next(frame for frame in manifest.golden if frame.camera_size)
    pixels = read_image(bundle.folder / frame.file)
    prepared = None if pixels is None else Preparer(manifest.preparation, manifest.image_size).prepare(pixels)
    if prepared is None or prepared.image is None:
        fail(f"{bundle.folder / frame.file}: cannot be prepared; install the bundle again")
    return prepared.image


def _time_line(folder: Path) -> dict[str, Any]:
    """Run the agent on a simulated line in a process of its own, so that its memory is its own too."""
    command = [sys.executable, "-m", "inspectd.agent.cli.bench_line", str(folder.resolve())]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LINE_TIMEOUT_S, check=False)  # noqa: S603  our own module
    except subprocess.TimeoutExpired:
        fail(f"the line did not finish within {LINE_TIMEOUT_S:g} s")
    if done.returncode:
        fail(f"the line failed: {done.stderr.strip()[-2000:]}")
    return json.loads(done.stdout)
