"""`inspectd explain`: pictures of what the model thinks of an image."""

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import cv2

from inspectd.inference.bundle import load_bundle
from inspectd.io.buttons import render_part

BUNDLE = Path(str(files("inspectd.configs") / "bundles" / "buttons"))


def explain(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "inspectd.agent.cli.main", "explain", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_pictures_and_scores(tmp_path: Path) -> None:
    """Two images give a sheet of two rows and three columns, and a score each."""
    images: list[Path] = []
    for part, defect_rate in ((1, 0.0), (4, 1.0)):
        path = tmp_path / f"{part}.png"
        pixels, _, _ = render_part(4, part, defect_rate)
        cv2.imwrite(str(path), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
        images.append(path)
    out = tmp_path / "sheet.png"
    done = explain(BUNDLE, *images, "--out", out, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [entry["image"] for entry in report["images"]] == [str(path) for path in images]
    assert report["images"][0]["score"] < report["images"][1]["score"]
    sheet = cv2.imread(str(out))
    assert sheet is not None
    side = load_bundle(BUNDLE).manifest.image_size
    assert sheet.shape[0] > 2 * side
    assert sheet.shape[1] > 3 * side


def test_bad_image_is_one_clear_message(tmp_path: Path) -> None:
    """A file that is no image is named, with the remedy, and no traceback."""
    path = tmp_path / "text.png"
    path.write_text("not an image")
    done = explain(BUNDLE, path, "--out", tmp_path / "sheet.png")
    assert done.returncode == 1
    assert "text.png" in done.stderr
    assert "Traceback" not in done.stderr
