"""`inspectd calibrate data`: what it prints, and its exit status."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from command import Inspectd


def write_parts(folder: Path, count: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        pixels = np.random.default_rng(seed).normal(100 + seed, 20, (20, 30, 3))
        assert cv2.imwrite(str(folder / f"{seed:02}.png"), np.clip(pixels, 0, 255).astype(np.uint8))


def test_warnings_alone_are_no_failure(inspectd: Inspectd, tmp_path: Path) -> None:
    """Counts, size and support stand first; status 0."""
    write_parts(tmp_path, 20)
    done = inspectd("calibrate", "data", tmp_path)
    assert done.status == 0, done
    assert f"{tmp_path}: plain folder\n  train: 20 good\n" in done.out
    assert "size: 30x20 px\n  threshold: from 2 good parts, which prove no rate" in done.out
    assert "warning: " in done.out
    assert done.out.endswith("0 errors, 1 warning\n")


def test_errors_are_a_failure(inspectd: Inspectd, tmp_path: Path) -> None:
    """Status 1; as JSON one object with every finding, and nothing else on standard output."""
    write_parts(tmp_path, 20)
    for number in range(15):
        (tmp_path / f"{number:02}.png").write_bytes(b"no")
    done = inspectd("calibrate", "data", tmp_path, "--json")
    assert done.status == 1
    codes = [found["code"] for found in done.report["findings"]]
    assert sorted(codes) == ["too_few"] + 15 * ["unreadable"]
    assert set(done.report["findings"][0]) == {"severity", "code", "file", "what", "remedy"}
    assert (done.report["ok"], done.report["errors"]) == (False, 16)
    plain = inspectd("calibrate", "data", tmp_path)
    assert plain.status == 1
    assert plain.out.count("cannot be read as an image") == 10
    assert "error: and 5 more of this kind (unreadable); --json names them all" in plain.out


def test_mixed_sizes(inspectd: Inspectd, tmp_path: Path) -> None:
    """An error unless they are allowed."""
    write_parts(tmp_path, 20)
    pixels = cv2.imread(str(tmp_path / "03.png"))
    assert pixels is not None
    assert cv2.imwrite(str(tmp_path / "03.png"), cv2.resize(pixels, (40, 28)))
    assert inspectd("calibrate", "data", tmp_path).status == 1
    assert inspectd("calibrate", "data", tmp_path, "--mixed-sizes").status == 0


def test_no_such_folder(inspectd: Inspectd, tmp_path: Path) -> None:
    """A finding too: status 1 and no traceback."""
    done = inspectd("calibrate", "data", tmp_path / "nowhere")
    assert done.status == 1
    assert "nowhere: no such folder" in done.out
