"""`inspectd calibrate capture`: good images, whole and no other, and it goes on where it stopped."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from command import Done, Inspectd
from numpy.typing import NDArray
from station_files import write_station

from inspectd.agent.cli.grab import Grabber, Shot

Pixels = NDArray[np.uint8]


def part(seed: int) -> Pixels:
    """A good part, uint8 [240, 240, 3]: a ring on a belt, with the sensor's noise."""
    generator = np.random.default_rng(seed)
    pixels = np.full((240, 240, 3), 80, np.float32)
    cv2.circle(pixels, (120 + seed % 5, 120), 70, (120, 160, 190), 20)
    return np.clip(pixels + generator.normal(0, 3, pixels.shape), 0, 255).astype(np.uint8)


class Camera:
    """The folder that the station's camera replays."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def sees(self, *frames: Pixels | bytes) -> None:
        """Replay these frames next, and nothing else."""
        for old in self.folder.iterdir():
            old.unlink()
        for number, frame in enumerate(frames):
            file = self.folder / f"{number:03}.png"
            if isinstance(frame, bytes):
                file.write_bytes(frame)
            else:
                assert cv2.imwrite(str(file), frame)


@pytest.fixture
def camera(tmp_path: Path) -> Camera:
    return Camera(tmp_path / "images")


@pytest.fixture
def station(tmp_path: Path) -> Path:
    return write_station(tmp_path)


@pytest.fixture
def arguments(station: Path, tmp_path: Path) -> list[object]:
    command = ["calibrate", "capture", station, "--class", "ring", "--into", tmp_path / "data"]
    return [*command, "--interval", 0]


def read(file: Path) -> Pixels:
    pixels = cv2.imread(str(file))
    assert pixels is not None
    return np.asarray(pixels, np.uint8)


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_good_parts_are_captured(inspectd: Inspectd, camera: Camera, arguments: list[object]) -> None:
    """As the camera saw them, into train/good, each with its measures on standard error."""
    camera.sees(*(part(seed) for seed in range(4)))
    done = inspectd(*arguments, "--count", 3)
    folder = camera.folder.parent / "data" / "ring" / "train" / "good"
    assert done.status == 0, done
    assert names(folder) == ["0001.png", "0002.png", "0003.png"]
    assert np.array_equal(read(folder / "0002.png"), part(1))
    assert "3 of 3 images, 3 taken now, 0 were there" in done.out
    shown = [line for line in done.err.splitlines() if line.startswith("2/3 0002.png")]
    assert len(shown) == 1
    assert all(word in shown[0] for word in ("sharpness 0.", "exposure ", "saturated 0.0%"))


def test_a_capture_goes_on(inspectd: Inspectd, camera: Camera, arguments: list[object]) -> None:
    """Numbers continue, what a cut-off run left half-written goes, and the earlier parts are known."""
    camera.sees(*(part(seed) for seed in range(6)))
    first = inspectd(*arguments, "--count", 6)
    folder = camera.folder.parent / "data" / "ring" / "train" / "good"
    (folder / "0042.png.part").write_bytes(b"torn")
    (folder / "0003.png").unlink()
    camera.sees(part(0), (part(7) * 0.2).astype(np.uint8), part(8), part(9))
    done = inspectd(*arguments, "--count", 7, "--json")
    assert (first.status, done.status) == (0, 0)
    assert names(folder) == [f"{number:04}.png" for number in (1, 2, 4, 5, 6, 7, 8)]
    assert np.array_equal(read(folder / "0007.png"), part(8))
    report = done.report
    assert (report["there_before"], report["taken"], report["refused"]) == (5, 2, 2)
    assert {"taken already", "too dark"} <= set(report["refused_for"])


def test_enough_is_enough(inspectd: Inspectd, camera: Camera, arguments: list[object]) -> None:
    """With as many as asked for, the camera is not opened."""
    camera.sees(part(0), part(1))
    assert inspectd(*arguments, "--count", 2).status == 0
    camera.sees()
    assert inspectd(*arguments, "--count", 2).status == 0


DARK = (part(20) * 0.2).astype(np.uint8)
BLURRED = np.asarray(cv2.GaussianBlur(part(20), (0, 0), 9), np.uint8)
BELT = np.clip(part(20) * 0.0 + np.random.default_rng(1).normal(80, 3, (240, 240, 3)), 0, 255).astype(
    np.uint8
)
GLARE = part(20)
GLARE[:120] = 255


UNFIT: list[tuple[Pixels | bytes, str]] = [
    (part(5), "frozen: exactly the same picture as the frame before"),
    (DARK, "too dark: brightness"),
    (BLURRED, "blurred: sharpness"),
    (BELT, "empty: contrast"),
    (GLARE, "saturated: share"),
    (part(2), "taken already: exactly the same picture as 0003.png"),
    (np.ascontiguousarray(part(20)[:200]), "wrong size: 240x200 px, those before have 240x240 px"),
    (b"no image", "no image: "),
]


def refusals(done: Done) -> list[str]:
    return [line for line in done.err.splitlines() if line.startswith("refused: ")]


def test_unfit_frames_are_refused(inspectd: Inspectd, camera: Camera, arguments: list[object]) -> None:
    """Each with its reason; the next good one is taken."""
    camera.sees(*(part(seed) for seed in range(6)), *(frame for frame, _ in UNFIT), part(30))
    done = inspectd(*arguments, "--count", 7, "--json")
    assert done.status == 0, done
    assert done.report["refused"] == len(UNFIT)
    for line, (_, text) in zip(refusals(done), UNFIT, strict=True):
        assert text in line


NONSENSE: list[tuple[Pixels, str]] = [
    (np.zeros((240, 240, 3), np.uint8), "all black"),
    (np.full((240, 240, 3), 255, np.uint8), "overexposed"),
    (np.full((240, 240, 3), 90, np.uint8), "empty: one colour"),
]


@pytest.mark.parametrize("kind", [[], ["--kind", "scratch"]])
def test_nonsense_is_refused_from_the_first_frame_on(
    inspectd: Inspectd, camera: Camera, arguments: list[object], kind: list[str]
) -> None:
    """Whatever the others look like, for good and defective parts alike."""
    camera.sees(*(frame for frame, _ in NONSENSE), part(1))
    done = inspectd(*arguments, "--count", 1, *kind)
    assert done.status == 0, done
    for line, (_, text) in zip(refusals(done), NONSENSE, strict=True):
        assert line.startswith(f"refused: {text}")


def test_defective_parts_go_to_validation(
    inspectd: Inspectd, camera: Camera, arguments: list[object]
) -> None:
    """Under their kind, and a defect that darkens the picture is no reason to refuse it."""
    camera.sees(*(part(seed) for seed in range(6)), DARK)
    done = inspectd(*arguments, "--count", 7, "--kind", "burnt")
    assert done.status == 0, done
    assert len(names(camera.folder.parent / "data" / "ring" / "validation" / "burnt")) == 7


def test_a_replay_that_ends_early_is_told(
    inspectd: Inspectd, camera: Camera, arguments: list[object]
) -> None:
    """Exit status 1, and what was taken stands."""
    camera.sees(part(0), part(1))
    done = inspectd(*arguments, "--count", 5, "--json")
    assert (done.status, done.report["complete"], done.report["images"]) == (1, False, 2)
    assert "at its end" in done.err


def after(count: int, then: Callable[[], None], original: Callable[..., object]) -> Callable[..., object]:
    """Do as `original` for `count` calls, then something else before."""
    calls = 0

    def stand_in(*arguments: object) -> object:
        nonlocal calls
        calls += 1
        if calls > count:
            then()
        return original(*arguments)

    return stand_in


def interrupt() -> None:
    raise KeyboardInterrupt


def disk_is_full() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_ctrl_c_ends_with_a_summary(
    inspectd: Inspectd, camera: Camera, arguments: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was taken stands; the next run goes on."""
    camera.sees(*(part(seed) for seed in range(5)))
    with monkeypatch.context() as patch:
        patch.setattr(Grabber, "grab", after(2, interrupt, Grabber.grab))
        done = inspectd(*arguments, "--count", 4)
    assert done.status == 130
    assert "2 of 4 images, 2 taken now" in done.out
    assert "interrupted; run it again to go on" in done.err
    assert inspectd(*arguments, "--count", 4, "--json").report["taken"] == 2


@pytest.mark.parametrize("failure", [disk_is_full, interrupt])
def test_no_torn_image_is_left(
    inspectd: Inspectd,
    camera: Camera,
    arguments: list[object],
    monkeypatch: pytest.MonkeyPatch,
    failure: Callable[[], None],
) -> None:
    """A full disk, or Ctrl-C, in the middle of a file: those before are whole, and no other is there."""
    camera.sees(*(part(seed) for seed in range(5)))
    monkeypatch.setattr("inspectd.agent.cli.capture_folder.os.fsync", after(2, failure, os.fsync))
    done = inspectd(*arguments, "--count", 4)
    folder = camera.folder.parent / "data" / "ring" / "train" / "good"
    assert done.status == (1 if failure is disk_is_full else 130)
    assert "Traceback" not in done.err
    assert names(folder) == [f"{number:04}.png" for number in range(1, 1 + len(names(folder)))]
    assert all(read(folder / name).shape == (240, 240, 3) for name in names(folder))
    if failure is disk_is_full:
        assert "No space left on device" in done.err
        assert "free space" in done.err


def test_a_camera_that_only_gives_nonsense_ends_the_capture(
    inspectd: Inspectd, camera: Camera, arguments: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rather than going on for ever while nobody looks."""
    camera.sees(part(0))
    black = Shot(np.zeros((240, 240, 3), np.uint8), 1, 0.0, True, "", "", 0)

    def grab(_grabber: Grabber) -> Shot:
        return black

    monkeypatch.setattr(Grabber, "grab", grab)
    done = inspectd(*arguments, "--count", 4)
    assert done.status == 1
    assert "50 frames in a row were refused" in done.err


def test_a_simulated_camera_is_captured_from(inspectd: Inspectd, tmp_path: Path) -> None:
    """Buttons that run past; the defaults suit any camera."""
    old = "  - kind: folder\n    name: top\n    trigger: software\n    path: images"
    new = "  - kind: simulated\n    trigger: free\n    rate_hz: 50\n    size: 256\n    defect_rate: 0.0"
    changes = ((old, new), ("  host:", "  mode: free_running\n  host:"))
    station = write_station(tmp_path, *changes)
    into = tmp_path / "data"
    done = inspectd(
        *("calibrate", "capture", station, "--class", "button", "--into", into),
        *("--count", 3, "--interval", 0, "--json"),
    )
    assert (done.status, done.report["taken"]) == (0, 3), done


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (["--class", "../up"], "--class: '../up' cannot be a folder's name"),
        (["--class", ""], "--class: is empty"),
        (["--kind", "a/b"], "--kind: 'a/b'"),
        (["--kind", "good"], "leave it out for good parts"),
        (["--ask"], "--ask: needs a terminal"),
    ],
)
def test_wrong_options(inspectd: Inspectd, arguments: list[object], wrong: list[str], text: str) -> None:
    """Status 2 and one line, before the camera is opened."""
    assert inspectd(*arguments, "--count", 1, *wrong).refuses(2, text)


def test_a_folder_that_cannot_be_made(inspectd: Inspectd, arguments: list[object], tmp_path: Path) -> None:
    """Named, with the remedy."""
    (tmp_path / "data").write_text("a file")
    assert inspectd(*arguments, "--count", 1).refuses(1, "cannot be written to", "choose another --into")
