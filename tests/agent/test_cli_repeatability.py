"""`inspectd calibrate repeatability`: one part before the station's camera, judged as the line judges."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from statistics import fmean

import cv2
import numpy as np
import pytest
from command import Inspectd
from station_files import STATION, write_station

from inspectd.io.buttons import render_part

BUNDLE = str(files("inspectd.configs") / "bundles" / "buttons")
FRAMES = 10


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames of one good part, that differ by the sensor's noise alone."""
    folder = tmp_path_factory.mktemp("part")
    pixels, _, _ = render_part(5, 1, 0.0)
    for number in range(FRAMES):
        noise = np.random.default_rng(number).normal(0, 1.5, pixels.shape)
        frame = np.clip(pixels + noise, 0, 255).astype(np.uint8)
        assert cv2.imwrite(str(folder / f"{number:02}.png"), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    return folder


@pytest.fixture
def station(part: Path, tmp_path: Path) -> Path:
    """A station whose camera replays those frames, with a class of the shipped bundle."""
    return write_station(
        tmp_path,
        ("path: images", f"path: {part}\n    loop: false"),
        ("bundle: bundles/buttons", f"bundle: {BUNDLE}"),
    )


def test_the_stations_own_camera_is_measured(inspectd: Inspectd, station: Path) -> None:
    """A steady part passes, with status 0 and one JSON object; its scores are all there."""
    done = inspectd("calibrate", "repeatability", station, "--count", FRAMES, "--recipe", 1, "--json")
    assert done.status == 0, done
    report = done.report
    assert report["passed"]
    assert report["source"] == "camera top"
    assert (report["frames"], report["fit"], report["verdicts"]) == (FRAMES, FRAMES, {"ACCEPT": FRAMES})
    assert report["mean"] == pytest.approx(fmean(report["scores"]))
    assert 0 < report["spread"] < 0.3


def test_a_folder_of_images_stands_in_for_the_camera(inspectd: Inspectd, station: Path, part: Path) -> None:
    """A limit that the same part cannot keep ends with status 1, and the report is there all the same."""
    own = ("calibrate", "repeatability", station, "--class", "buttons", "--images", part)
    done = inspectd(*own, "--count", FRAMES, "--max-spread", 1e-6)
    assert done.status == 1
    assert "FAILED: six standard deviations" in done.out
    assert done.out.endswith("not passed\n")
    few = inspectd(*own, "--count", 50)
    assert few.status == 0
    assert f"{FRAMES} of 50 frames" in few.err


def test_a_frozen_camera_does_not_pass(inspectd: Inspectd, station: Path, tmp_path: Path, part: Path) -> None:
    """One frame, over and over: identical scores are no perfect repeatability."""
    frozen = tmp_path / "frozen"
    frozen.mkdir()
    for number in range(FRAMES):
        (frozen / f"{number}.png").write_bytes((part / "00.png").read_bytes())
    done = inspectd("calibrate", "repeatability", station, "--images", frozen, "--count", FRAMES, "--json")
    assert done.status == 1
    assert done.report["repeated"] == FRAMES - 1
    assert done.report["unfit"] == {"frozen": FRAMES - 1}
    assert json.dumps(done.report["problems"]).count("repeats") == 1


@pytest.mark.parametrize(
    ("changes", "status", "told"),
    [
        (("--recipe", "9"), 2, "no such class; choose by --recipe or --class one of: 1 (buttons)"),
        (("--class", "screws"), 2, "no such class"),
        (("--images", "nowhere"), 1, "nowhere: no such folder"),
        (("--count", "9"), 2, ""),
    ],
)
def test_wrong_options_are_named(
    inspectd: Inspectd, station: Path, changes: tuple[str, ...], status: int, told: str
) -> None:
    """One line, and no report."""
    done = inspectd("calibrate", "repeatability", station, *changes)
    assert done.refuses(status, told)


def test_too_few_images_are_no_study(inspectd: Inspectd, station: Path, tmp_path: Path, part: Path) -> None:
    """Nothing is reported from fewer than ten frames, wherever they end."""
    few = tmp_path / "few"
    few.mkdir()
    for file in sorted(part.iterdir())[:9]:
        (few / file.name).write_bytes(file.read_bytes())
    done = inspectd("calibrate", "repeatability", station, "--images", few)
    assert done.refuses(1, "9 frames: a spread is measured on at least 10")


def test_of_several_classes_one_must_be_named(inspectd: Inspectd, tmp_path: Path) -> None:
    """Two recipes with a bundle of the same name are told apart by the recipe."""
    two = f"  - recipe: 1\n    bundle: {BUNDLE}\n  - recipe: 2\n    bundle: {BUNDLE}\n"
    station = write_station(tmp_path, ("  - recipe: 1\n    bundle: bundles/buttons\n", two), text=STATION)
    done = inspectd("calibrate", "repeatability", station, "--class", "buttons")
    assert done.refuses(2, "several classes fit", "1 (buttons), 2 (buttons)")
