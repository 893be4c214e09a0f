"""A data set of simulated buttons on disk, in the folder layout of MVTec AD.

train/good/000000.png
test/good/..., test/<kind>/...
ground_truth/<kind>/000000_mask.png     255 where the defect is, else 0
truth.csv                               file, part, kind, size
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from inspectd.io.buttons import part_truth, render_part
from inspectd.io.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray


def write_dataset(
    folder: Path,
    seed: int,
    good: int,
    test_good: int,
    test_defective: int,
    size: int = 512,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write `good` parts for training and `test_good` + `test_defective` others for the test.

    Pictures are RGB, size x size px. Parts are numbered through, good ones for training first, so that none
    is in both. `progress` is called with (parts written, parts in all). `truth.csv` is written last: without
    it the data set is not complete.
    Raises DeviceError if `folder` holds anything already or cannot be written.
    """
    plan = [("train", 0.0)] * good + [("test", 0.0)] * test_good + [("test", 1.0)] * test_defective
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise DeviceError(f"data set: {folder} is there already and not an empty folder; name a new one")
        rows: list[tuple[str, int, str, float]] = []
        for part, (split, defect_rate) in enumerate(plan):
            rows.append(_write_part(folder, split, seed, part, defect_rate, size))
            if progress is not None:
                progress(part + 1, len(plan))
        with (folder / "truth.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(("file", "part", "kind", "size"))
            table.writerows((name, part, kind, f"{extent:.4f}") for name, part, kind, extent in rows)
    except OSError as error:
        raise DeviceError(
            f"data set: cannot write {folder}: {error}; name a folder that can be written"
        ) from error


def _write_part(
    folder: Path, split: str, seed: int, part: int, defect_rate: float, size: int
) -> tuple[str, int, str, float]:
    """Write a part's picture and mask; returns its row of truth.csv."""
    truth = part_truth(seed, part, defect_rate)
    kind = truth.kind or "good"
    name = f"{part:06d}"
    pixels, mask, _ = render_part(seed, part, defect_rate, size)
    picture = folder / split / kind / f"{name}.png"
    _write_png(picture, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    if truth.kind is not None:
        _write_png(folder / "ground_truth" / kind / f"{name}_mask.png", mask.astype(np.uint8) * 255)
    return picture.relative_to(folder).as_posix(), part, kind, truth.size


def _write_png(file: Path, pixels: NDArray[Any]) -> None:
    """Encode and write; cv2.imwrite would only say False where the file system says why."""
    file.parent.mkdir(parents=True, exist_ok=True)
    done, data = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not done:
        raise OSError(f"OpenCV could not encode {file.name} as PNG")
    file.write_bytes(data.tobytes())
