"""OpenCV video as a camera: files are replayed, streams are drained and carry no exposure stamp."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from inspectd.io.camera import Grab, Skipped, SourceEndError
from inspectd.io.camera_settings import VideoCameraSettings
from inspectd.io.errors import CameraError
from inspectd.io.frame_ring import RingShape, RingWriter, Slot, create_memory
from inspectd.io.video import VideoSource, without_password

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


WIDTH, HEIGHT = 96, 64
STEP = 20  # grey levels from one frame to the next: JPEG does not blur that away
PATIENCE_S = 20.0


@pytest.fixture
def slot() -> Slot:
    """Give room for one image of the tests' size."""
    return make_slot(WIDTH, HEIGHT)


def make_slot(width: int, height: int) -> Slot:
    shape = RingShape(slots=2, width=width, height=height)
    memory = create_memory(shape)
    ring = RingWriter(memory, shape, "cam")
    os.close(memory)
    return ring.in_hand


def write_video(path: Path, frames: int) -> None:
    """Write a video whose frame n is grey of level n * STEP, at 50 frames per second."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 50, (WIDTH, HEIGHT))
    for number in range(frames):
        writer.write(np.full((HEIGHT, WIDTH, 3), number * STEP, np.uint8))
    writer.release()


@contextmanager
def video(source: object, **settings: Any) -> Generator[VideoSource]:
    opened = VideoSource(VideoCameraSettings.model_validate({"source": str(source), **settings}))
    try:
        opened.open()
        yield opened
    finally:
        opened.close()


def next_grab(source: VideoSource, slot: Slot) -> Grab:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        grab = source.grab(0.1, slot)
        if isinstance(grab, Grab):
            return grab
    raise AssertionError("no frame came")


def drain(source: VideoSource, slot: Slot) -> None:
    for _ in range(200):
        source.grab(0.1, slot)


def number_shown(slot: Slot) -> int:
    return round(float(slot.pixels(HEIGHT, WIDTH).mean()) / STEP)


def test_file_is_replayed_in_order_at_its_rate_then_ends(tmp_path: Path, slot: Slot) -> None:
    """Each frame once, stamped at its presentation, never faster than the file's rate; then the end."""
    write_video(tmp_path / "line.avi", 8)
    before = time.monotonic()
    with video(tmp_path / "line.avi") as source:
        shown: list[int] = []
        stamps: list[float] = []
        for _ in range(8):
            grab = next_grab(source, slot)
            assert grab.exposure_stamped
            assert (grab.height, grab.width, grab.problem) == (HEIGHT, WIDTH, "")
            shown.append(number_shown(slot))
            stamps.append(grab.exposed_at)
        assert shown == list(range(8))
        # From its opening on: the first frame may have come late.
        assert all(stamp - before >= number * 0.02 for number, stamp in enumerate(stamps))
        with pytest.raises(SourceEndError):
            source.grab(0.1, slot)


def test_colours_come_as_rgb(tmp_path: Path, slot: Slot) -> None:
    """OpenCV's blue, green, red is turned round."""
    path = tmp_path / "colour.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 50, (WIDTH, HEIGHT))
    writer.write(np.full((HEIGHT, WIDTH, 3), (200, 100, 30), np.uint8))
    writer.release()
    with video(path) as source:
        next_grab(source, slot)
    red, green, blue = slot.pixels(HEIGHT, WIDTH).mean(axis=(0, 1))
    assert (red, green, blue) == pytest.approx((30, 100, 200), abs=8)


def test_file_gives_one_frame_per_software_trigger(tmp_path: Path, slot: Slot) -> None:
    """Nothing comes untriggered, and the stamp is the trigger's moment."""
    write_video(tmp_path / "line.avi", 3)
    with video(tmp_path / "line.avi", trigger="software") as source:
        assert source.grab(0.02, slot) is None
        for number in range(3):
            before = time.monotonic()
            source.trigger()
            after = time.monotonic()
            grab = next_grab(source, slot)
            assert before <= grab.exposed_at <= after
            assert number_shown(slot) == number


def test_file_can_be_looped(tmp_path: Path, slot: Slot) -> None:
    """After the last frame comes the first again; `rate_hz` stands in for the file's rate."""
    write_video(tmp_path / "line.avi", 3)
    with video(tmp_path / "line.avi", loop=True, rate_hz=500.0) as source:
        shown: list[int] = []
        for _ in range(7):
            next_grab(source, slot)
            shown.append(number_shown(slot))
    assert shown == [0, 1, 2, 0, 1, 2, 0]


def test_waiting_trigger_is_served_though_the_file_begins_anew(tmp_path: Path, slot: Slot) -> None:
    """None would say that nothing was exposed."""
    write_video(tmp_path / "line.avi", 2)
    with video(tmp_path / "line.avi", loop=True, trigger="software") as source:
        for number in (0, 1, 0, 1, 0):
            source.trigger()
            assert isinstance(source.grab(0.0, slot), Grab)
            assert number_shown(slot) == number


@pytest.mark.parametrize(
    ("source", "content", "told"),
    [
        ("gone.avi", None, "no such file"),
        ("text.avi", b"no video", "cannot be opened"),
        ("/dev/video77", None, "no device /dev/video77"),
    ],
)
def test_what_cannot_be_opened_is_an_error(
    tmp_path: Path, source: str, content: bytes | None, told: str
) -> None:
    """The error tells what is wrong and where."""
    if content is not None:
        (tmp_path / source).write_bytes(content)
    with pytest.raises(CameraError, match=told), video(tmp_path / source):
        pass


def test_frame_larger_than_the_slot_names_the_settings(tmp_path: Path) -> None:
    """The remedy is in the error: width and height."""
    write_video(tmp_path / "line.avi", 1)
    with (
        video(tmp_path / "line.avi") as source,
        pytest.raises(CameraError, match=f"width and height to at least {WIDTH} and {HEIGHT}"),
    ):
        source.grab(0.1, make_slot(32, 32))


class StreamServer(ThreadingHTTPServer):
    """A network camera: Motion JPEG over HTTP; frame n, counted in real time, is grey of level n * STEP."""

    daemon_threads = True
    rate_hz = 10.0
    levels = 12

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), StreamHandler)
        self.began = time.monotonic()
        self.silent = threading.Event()
        self.url = f"http://user:secret@127.0.0.1:{self.server_port}/stream.mjpg"

    def number_now(self) -> int:
        return int((time.monotonic() - self.began) * self.rate_hz)


class StreamHandler(BaseHTTPRequestHandler):
    server: StreamServer  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        try:
            while True:
                if not self.server.silent.is_set():
                    self._send_frame(self.server.number_now() % self.server.levels)
                time.sleep(1 / self.server.rate_hz)
        except OSError:
            return

    def _send_frame(self, number: int) -> None:
        image = np.full((HEIGHT, WIDTH, 3), number * STEP, np.uint8)
        data = cv2.imencode(".jpg", image)[1].tobytes()
        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
        self.wfile.write(head.encode() + data + b"\r\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it so
        """Keep standard error clean."""


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> Generator[StreamServer]:
    """Run the network camera."""
    monkeypatch.setenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", "")  # so that what the source sets is undone
    monkeypatch.delenv("OPENCV_FFMPEG_CAPTURE_OPTIONS")
    with StreamServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_stream_gives_frames_without_exposure_stamp(stream: StreamServer, slot: Slot) -> None:
    """Frames of a stream carry their arrival, and say so."""
    with video(stream.url) as source:
        for _ in range(5):
            before = time.monotonic()
            grab = next_grab(source, slot)
            assert not grab.exposure_stamped
            assert before <= grab.exposed_at <= time.monotonic()
            assert (grab.height, grab.width, grab.problem) == (HEIGHT, WIDTH, "")


def test_triggered_stream_gives_a_frame_sent_after_the_trigger(stream: StreamServer, slot: Slot) -> None:
    """Between triggers the stream is drained: after a pause comes a new frame, not one from the pause."""
    with video(stream.url, trigger="software") as source:
        for _ in range(2):
            paused_until = time.monotonic() + 0.5
            while time.monotonic() < paused_until:
                assert isinstance(source.grab(0.1, slot), Skipped)
            asked = stream.number_now()
            source.trigger()
            next_grab(source, slot)
            later_by = (number_shown(slot) - asked) % stream.levels
            assert later_by not in range(6, stream.levels - 1), "the frame is from the pause"


def test_silent_stream_is_an_error_after_the_read_time_out(stream: StreamServer, slot: Slot) -> None:
    """A stream that hangs does not hang the camera: the error comes after `read_timeout_ms`."""
    with video(stream.url, read_timeout_ms=1000) as source:
        next_grab(source, slot)
        stream.silent.set()
        with pytest.raises(CameraError, match="gave no frame") as caught:
            drain(source, slot)
    assert "secret" not in str(caught.value)


def test_refused_stream_is_an_error_without_the_password() -> None:
    """The address is told, the password is not."""
    with socket.socket() as taken:  # bound and not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        url = f"rtsp://user:secret@127.0.0.1:{taken.getsockname()[1]}/stream"
        with (
            pytest.raises(CameraError, match=r"rtsp://127\.0\.0\.1:\d+/stream cannot be opened") as caught,
            video(url),
        ):
            pass
    assert "secret" not in str(caught.value)


def test_password_is_taken_out_of_a_url() -> None:
    """User, password and query go; file names stay as they are."""
    assert without_password("rtsp://me:pw@host:554/s?token=pw") == "rtsp://host:554/s"
    assert without_password("line@home.avi") == "line@home.avi"
