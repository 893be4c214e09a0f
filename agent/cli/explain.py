"""`inspectd explain`: what the camera saw, what the model reconstructed, and where the two differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from inspectd.agent.cli.output import fail, print_json, say
from inspectd.inference.engine import Engine, Judged, open_engine, read_image
from inspectd.inference.runtime import RuntimeSettings

GAP = 8  # px of white between the pictures


def explain_images(bundle: Path, images: list[Path], out: Path, *, as_json: bool) -> None:
    """Judge each image and write one row of pictures for it: input, reconstruction, anomaly map."""
    engine = open_engine(bundle, RuntimeSettings())
    rows: list[NDArray[np.uint8]] = []
    report: list[dict[str, Any]] = []
    for path in images:
        judged = _judge(engine, path)
        report.append({"image": str(path), "score": judged.score, "threshold": engine.limits.threshold})
        rows.append(_row(judged, engine.limits.threshold))
    engine.close()
    sheet = cv2.cvtColor(np.concatenate(rows), cv2.COLOR_RGB2BGR)
    if not cv2.imwrite(str(out), sheet):
        fail(f"{out}: cannot be written; name a .png in a folder that exists")
    if as_json:
        print_json({"out": str(out), "images": report})
        return
    for entry in report:
        relation = "under" if entry["score"] < entry["threshold"] else "at or over"
        say(
            f"{entry['image']}: score {entry['score']:.4f}, {relation} the threshold {entry['threshold']:.4f}"
        )
    say(f"wrote {out}")


def _judge(engine: Engine, path: Path) -> Judged:
    pixels = read_image(path)
    if pixels is None:
        fail(f"{path}: cannot be read as an image; name a PNG, JPEG, BMP or TIFF file")
    judged = engine.judge(pixels)
    if judged.unfit:
        fail(f"{path}: not fit to judge: {'; '.join(judged.unfit)}")
    return judged


def _row(judged: Judged, threshold: float) -> NDArray[np.uint8]:
    """Put the three pictures side by side; the map's colours run to twice the threshold."""
    assert judged.image is not None  # noqa: S101  a judged image has all three
    assert judged.reconstruction is not None  # noqa: S101
    assert judged.anomaly_map is not None  # noqa: S101
    heat = np.clip(judged.anomaly_map / (2 * threshold), 0, 1)
    colours = cv2.applyColorMap((heat * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    pictures = [judged.image, judged.reconstruction, cv2.cvtColor(colours, cv2.COLOR_BGR2RGB)]
    framed = [
        cv2.copyMakeBorder(one, GAP, 0, GAP, 0, cv2.BORDER_CONSTANT, value=(255, 255, 255))
        for one in pictures
    ]
    return np.concatenate(framed, axis=1).astype(np.uint8)
