"""A USB camera through OpenCV's own V4L2 code, against a device that a preloaded C file plays."""

from __future__ import annotations

import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from inspectd.io.camera_process import CameraProcess
from inspectd.io.camera_settings import VideoCameraSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from inspectd.io.camera import Frame

PATIENCE_S = 40.0
SOURCE = Path(__file__).parent / "devices" / "v4l2_camera.c"
COMPILER = shutil.which("cc")

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs a C compiler: apt-get install gcc libc6-dev")


def wait_for(true: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, f"waited {PATIENCE_S:g} s in vain for {what}"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Compile the device."""
    assert COMPILER is not None
    made = tmp_path_factory.mktemp("v4l2") / "camera.so"
    subprocess.run([COMPILER, "-shared", "-fPIC", "-O1", "-o", made, SOURCE, "-ldl"], check=True, timeout=60)
    return made


class Device:
    """The playing device, and what the camera saw of it."""

    def __init__(self, control: Path) -> None:
        self._control = control
        self.seen: list[tuple[Frame, tuple[int, ...]]] = []

    def tell(self, word: str) -> None:
        """Make the device misbehave, or behave again."""
        told = self._control.with_suffix(".new")
        told.write_text(word)
        told.rename(self._control)

    def __call__(self, frame: Frame) -> None:
        """Keep what is to be known of a frame."""
        colour = tuple(int(value) for value in frame.pixels[0, 0]) + frame.pixels.shape
        self.seen.append((frame, colour))
        frame.release()

    @contextmanager
    def running(self, **settings: Any) -> Generator[CameraProcess]:
        """Run a camera on the device."""
        values = {"source": "99", "restart_backoff_ms": 10, "read_timeout_ms": 1000, **settings}
        camera = CameraProcess(VideoCameraSettings.model_validate(values))
        camera.start(self)
        try:
            yield camera
        finally:
            camera.stop()


@pytest.fixture
def device(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Device:
    """Have the camera's process load the device."""
    control = tmp_path / "control"
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("V4L2_CAMERA_CONTROL", str(control))
    return Device(control)


def test_frames_carry_the_driver_s_stamp_and_notes_tell_what_was_not_taken(device: Device) -> None:
    """Stamps are exposures in order; pixels are RGB; what the driver did not take stands in the status."""
    with device.running(properties={"exposure": 300.0, "gain": 99.0}, fourcc="MJPG") as camera:
        wait_for(lambda: len(device.seen) >= 20, "20 frames")
        notes = camera.status().notes
    frames = [frame for frame, _colour in device.seen]
    assert all(frame.exposure_stamped for frame in frames)
    stamps = [frame.exposed_at for frame in frames]
    assert stamps == sorted(set(stamps))
    assert all(frame.exposed_at < frame.received_at for frame in frames)
    for _frame, (_count, *rest) in device.seen:
        assert rest == [100, 30, 240, 320, 3]
    expected = ("fourcc: asked MJPG, is BGR3", "width: asked 2048, is 320", "height: asked 1536, is 240")
    assert notes == (*expected, "gain: asked 99, is 16")


def test_software_trigger_takes_the_first_frame_exposed_after_it(device: Device) -> None:
    """One frame per trigger, exposed after it, never one that waited in the driver."""
    with device.running(trigger="software") as camera:
        wait_for(lambda: camera.status().alive, "the camera")
        for number in range(3):
            time.sleep(0.2)  # the driver's buffers would fill meanwhile
            assert len(device.seen) == number
            asked_at = time.monotonic()
            camera.trigger()
            wait_for(lambda expected=number + 1: len(device.seen) == expected, "the frame")
            frame = device.seen[-1][0]
            assert frame.exposure_stamped
            assert frame.exposed_at > asked_at


def test_stamps_of_another_clock_are_not_believed(device: Device) -> None:
    """A driver that stamps by the wall clock gives frames that can never be accepted."""
    device.tell("wallclock")
    with device.running():
        wait_for(lambda: len(device.seen) >= 3, "3 frames")
    assert not any(frame.exposure_stamped for frame, _colour in device.seen)
    assert all(frame.exposed_at <= frame.received_at for frame, _colour in device.seen)


@pytest.mark.parametrize("failure", ["mute", "gone"])
def test_lost_device_is_told_and_taken_up_again(device: Device, failure: str) -> None:
    """No more frames, or unplugged: status says so; when the device is back, so are the frames."""
    with device.running() as camera:
        wait_for(lambda: device.seen, "a frame")
        device.tell(failure)
        wait_for(lambda: camera.status().restarts, "the restart")
        assert "gave no frame" in camera.status().error
        device.tell("")
        frames = len(device.seen)
        wait_for(lambda: len(device.seen) > frames and camera.status().alive, "frames again")


def test_untriggered_device_says_soon_that_it_had_nothing(device: Device) -> None:
    """Parts wait for that word; after the first frame it does not take the driver's time-out of a second."""
    with device.running(trigger="hardware") as camera:
        wait_for(lambda: device.seen, "a frame")
        device.tell("mute")
        time.sleep(0.1)
        frames = len(device.seen)
        for _ in range(3):
            asked_at = time.monotonic()
            camera.look(asked_at)
            wait_for(lambda since=asked_at: camera.status().looked_at >= since, "the camera's word")
            assert time.monotonic() - asked_at < 0.7
        assert len(device.seen) == frames


def test_drained_device_tells_how_far_it_was_drained(device: Device) -> None:
    """With a software trigger frames that nobody asked for say that nothing exposed before is to come."""
    with device.running(trigger="software") as camera:
        wait_for(lambda: camera.status().alive, "the camera")
        for _ in range(3):
            asked_at = time.monotonic()
            camera.look(asked_at)
            wait_for(lambda since=asked_at: camera.status().looked_at >= since, "the camera's word")
        assert device.seen == []


def test_untriggered_device_is_not_a_lost_one(device: Device) -> None:
    """With a hardware trigger no frame for a while is usual, and unplugging is still noticed."""
    with device.running(trigger="hardware") as camera:
        wait_for(lambda: device.seen, "a frame")
        device.tell("mute")
        time.sleep(2.5)
        assert (camera.status().alive, camera.status().restarts) == (True, 0)
        device.tell("gone")
        wait_for(lambda: camera.status().restarts, "the restart")
