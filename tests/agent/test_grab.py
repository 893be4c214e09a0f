"""Frames from a station's camera for a command: each once, in time, or an error that says what to check."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from stand_ins import StandInCamera

from inspectd.agent.cli.grab import MOST_WAITING, Grabber, open_camera
from inspectd.io.camera import Frame
from inspectd.io.camera_settings import FolderCameraSettings, SimulatedCameraSettings, Trigger
from inspectd.io.errors import CameraError


class Hand:
    """A camera that a test exposes by hand, or at each software trigger."""

    def __init__(self, trigger: Trigger, wait_s: float = 0.2) -> None:
        self.camera = StandInCamera()
        self.grabber = Grabber(self.camera, trigger, wait_s)
        self.number = 0
        self.released = 0

    def expose(self, at: float, problem: str = "") -> None:
        self.number += 1
        pixels = np.full((2, 3, 3), self.number, np.uint8)
        frame = Frame("top", self.number, at, True, at, pixels, problem, give_back=self._count)
        self.grabber.take(frame)
        pixels[:] = 255  # the slot is written anew

    def _count(self) -> None:
        self.released += 1


def test_frames_of_the_lines_trigger_come_in_order() -> None:
    """Also those exposed before they were asked for; each is a copy, and its slot given back."""
    hand = Hand("hardware")
    for _ in range(3):
        hand.expose(at=1.0)
    shots = [hand.grabber.grab() for _ in range(3)]
    assert [shot.pixels[0, 0, 0] for shot in shots if shot] == [1, 2, 3]
    assert hand.released == 3
    assert all(shot and shot.missed == 0 for shot in shots)


def test_too_many_waiting_frames_are_counted_as_missed() -> None:
    """The oldest goes first, and nothing is dropped in silence."""
    hand = Hand("hardware")
    for _ in range(MOST_WAITING + 2):
        hand.expose(at=1.0)
    shot = hand.grabber.grab()
    assert shot
    assert (shot.number, shot.missed) == (3, 2)


@pytest.mark.parametrize("trigger", ["free", "software"])
def test_a_frame_from_before_is_not_taken(trigger: Trigger) -> None:
    """What stood before the camera a moment ago is not what stands there now."""
    hand = Hand(trigger)
    hand.expose(at=time.monotonic() - 1)
    hand.expose(at=time.monotonic() + 60)
    shot = hand.grabber.grab()
    assert shot
    assert (shot.number, shot.missed) == (2, 1)
    assert hand.camera.triggers == (trigger == "software")


@pytest.mark.parametrize(
    ("trigger", "text"),
    [
        ("hardware", "waits for the line's own trigger: let parts pass the photo-eye"),
        ("software", "takes software triggers"),
        ("free", "Check cable, power and frame rate"),
    ],
)
def test_no_frame_is_an_error_that_says_what_to_check(trigger: Trigger, text: str) -> None:
    """Within the time limit."""
    with pytest.raises(CameraError, match=r"top: no frame came within 0\.2 s") as raised:
        Hand(trigger).grabber.grab()
    assert text in str(raised.value)


def test_a_camera_that_went_down_says_why() -> None:
    """Rather than that the line gives no trigger."""
    hand = Hand("hardware")
    hand.camera.alive = False
    with pytest.raises(CameraError, match="does not answer"):
        hand.grabber.grab()


def test_a_replay_ends(tmp_path: Path) -> None:
    """Every image of the folder once, a damaged one with its problem, then None."""
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((40, 50, 3), 50 + number, np.uint8))
    (tmp_path / "1.png").write_bytes(b"no")
    with open_camera(FolderCameraSettings(path=tmp_path, trigger="software")) as camera:
        shots = [camera.grab() for _ in range(4)]
    assert shots[3] is None
    assert [shot.pixels.shape for shot in shots if shot] == [(40, 50, 3), (0, 0, 3), (40, 50, 3)]
    assert "cannot be decoded" in (shots[1].problem if shots[1] else "")


def test_a_camera_that_cannot_be_opened(tmp_path: Path) -> None:
    """Says why, and that the agent may hold it."""
    settings = FolderCameraSettings(path=tmp_path / "nowhere")
    with (
        pytest.raises(CameraError, match=r"no folder .*agent runs, it holds the camera"),
        open_camera(settings),
    ):
        pass


def test_a_simulated_camera_runs_free() -> None:
    """Another part in each frame."""
    settings = SimulatedCameraSettings(trigger="free", rate_hz=50, pattern="number", width=32, height=24)
    with open_camera(settings) as camera:
        shots = [camera.grab() for _ in range(3)]
    assert len({shot.label for shot in shots if shot}) == 3
