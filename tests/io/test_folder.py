"""The folder camera: order, decoding value by value, and what is no image."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from inspectd.io.camera import Grab, SourceEndError
from inspectd.io.camera_settings import FolderCameraSettings
from inspectd.io.errors import CameraError
from inspectd.io.exposures import MOST_WAITING
from inspectd.io.folder import FolderSource, decode_into
from inspectd.io.frame_ring import RingShape, RingWriter, Slot, create_memory

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


@pytest.fixture
def slot() -> Slot:
    """Give room for one image of 64 x 48 px."""
    shape = RingShape(slots=2, width=64, height=48)
    memory = create_memory(shape)
    ring = RingWriter(memory, shape, "cam")
    os.close(memory)
    return ring.in_hand


def image_of(value: int) -> NDArray[np.uint8]:
    return np.full((6, 8, 3), value, np.uint8)


def open_folder(path: Path, **settings: Any) -> FolderSource:
    source = FolderSource(FolderCameraSettings.model_validate({"path": path, "rate_hz": 1000, **settings}))
    assert source.open() == []
    return source


def all_grabs(source: FolderSource, slot: Slot) -> list[tuple[str, int]]:
    """Give label and first value of each image until the end; -1 for a problem."""
    seen: list[tuple[str, int]] = []
    while True:
        try:
            grab = source.grab(0.1, slot)
        except SourceEndError:
            return seen
        if grab is not None:
            value = -1 if grab.problem else int(slot.pixels(grab.height, grab.width)[0, 0, 0])
            seen.append((grab.label, value))


def test_images_come_in_the_order_of_their_names_then_end(tmp_path: Path, slot: Slot) -> None:
    """All suffixes, upper case too; other files are passed over; after the last comes the end."""
    names = ["a.png", "b.JPG", "c.bmp", "d.tif", "e.jpeg", "f.tiff"]
    for value, name in enumerate(names):
        cv2.imwrite(str(tmp_path / name), image_of(40 * value))
    (tmp_path / "notes.txt").write_text("no image")
    seen = all_grabs(open_folder(tmp_path), slot)
    assert [name for name, _value in seen] == names
    assert [value for _name, value in seen] == [0, 40, 80, 120, 160, 200]


def test_recursive_labels_tell_the_folder(tmp_path: Path, slot: Slot) -> None:
    """With `recursive`, the label is the path inside the folder; without, inner folders are left alone."""
    for name in ("good/000.png", "scratch/000.png", "top.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / name), image_of(1))
    labels = [label for label, _ in all_grabs(open_folder(tmp_path, recursive=True), slot)]
    assert labels == ["good/000.png", "scratch/000.png", "top.png"]
    assert [label for label, _ in all_grabs(open_folder(tmp_path), slot)] == ["top.png"]


def test_loop_begins_again(tmp_path: Path, slot: Slot) -> None:
    """With `loop` there is no end."""
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / name), image_of(1))
    source = open_folder(tmp_path, loop=True)
    grabs = [source.grab(1, slot) for _ in range(5)]
    assert [grab and grab.label for grab in grabs] == ["a.png", "b.png", "a.png", "b.png", "a.png"]


def test_one_image_per_software_trigger_stamped_at_the_trigger(tmp_path: Path, slot: Slot) -> None:
    """Nothing comes untriggered; a trigger brings one image, with the trigger's moment as its stamp."""
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / name), image_of(1))
    source = open_folder(tmp_path, trigger="software")
    assert source.grab(0.02, slot) is None
    before = time.monotonic()
    source.trigger()
    after = time.monotonic()
    grab = source.grab(0.02, slot)
    assert grab is not None
    assert grab.exposure_stamped
    assert before <= grab.exposed_at <= after
    assert source.grab(0.02, slot) is None


def test_triggers_beyond_the_bound_are_counted_as_lost(tmp_path: Path, slot: Slot) -> None:
    """Waiting triggers are bounded; the newest beyond that are dropped and told with the next frame."""
    cv2.imwrite(str(tmp_path / "a.png"), image_of(1))
    source = open_folder(tmp_path, trigger="software", loop=True)
    for _ in range(MOST_WAITING + 3):
        source.trigger()
    grab = source.grab(0.02, slot)
    assert grab is not None
    assert grab.lost_before == 3


def test_bad_images_are_told_and_the_next_one_comes(tmp_path: Path, slot: Slot) -> None:
    """Empty, damaged, cut off, too large, vanished: each is a frame with a problem; the rest goes on."""
    (tmp_path / "a_empty.png").write_bytes(b"")
    (tmp_path / "b_text.png").write_text("no image")
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    for name in ("c_cut.png", "d_cut.jpg", "e_cut.bmp", "f_cut.tif"):
        data = cv2.imencode(name[-4:], noise)[1].tobytes()
        (tmp_path / name).write_bytes(data[: len(data) * 4 // 5])
    cv2.imwrite(str(tmp_path / "g_large.png"), np.zeros((49, 64, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "h_float.tif"), np.zeros((4, 4), np.float32))
    cv2.imwrite(str(tmp_path / "i_gone.png"), image_of(1))
    cv2.imwrite(str(tmp_path / "j_good.png"), image_of(5))
    source = open_folder(tmp_path)
    (tmp_path / "i_gone.png").unlink()
    grabs = [source.grab(1, slot) for _ in range(10)]
    problems = [grab.problem for grab in grabs if isinstance(grab, Grab)]
    told = ["is empty", "not an image", *["cut off"] * 4, "width and height to at least 64 and 49"]
    told += ["8 or 16 bits", "cannot be read", ""]
    assert len(problems) == len(told)
    assert all(part in problem for part, problem in zip(told, problems, strict=True)), problems
    assert problems[-1] == ""
    assert [grab.height for grab in grabs if grab and grab.problem] == [0] * 9


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_keep_their_high_byte(tmp_path: Path, slot: Slot, suffix: str) -> None:
    """The value is v // 256 for every value of 16 bits, grey and colour alike."""
    values = np.arange(0, 65_536, 65, dtype=np.uint16)[:1000].reshape(25, 40)
    path = tmp_path / f"grey.{suffix}"
    cv2.imwrite(str(path), values)
    assert decode_into(slot, path) == (25, 40)
    expected = np.repeat((values // 256).astype(np.uint8)[:, :, None], 3, axis=2)
    np.testing.assert_array_equal(slot.pixels(25, 40), expected)


def test_colours_come_as_rgb_and_grey_in_all_channels(tmp_path: Path, slot: Slot) -> None:
    """Red is the first channel; grey is repeated; alpha is dropped."""
    blue_green_red = np.zeros((4, 5, 4), np.uint8)
    blue_green_red[:] = (10, 20, 30, 128)
    cv2.imwrite(str(tmp_path / "colour.png"), blue_green_red[:, :, :3])
    cv2.imwrite(str(tmp_path / "alpha.png"), blue_green_red)
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((4, 5), 77, np.uint8))
    for name, expected in (("colour", (30, 20, 10)), ("alpha", (30, 20, 10)), ("grey", (77, 77, 77))):
        assert decode_into(slot, tmp_path / f"{name}.png") == (4, 5)
        assert (slot.pixels(4, 5) == expected).all(), name


def test_name_that_is_no_utf_8_still_gives_a_label(tmp_path: Path, slot: Slot) -> None:
    """Labels can always be written as text."""
    name = os.fsdecode(b"part-\xff.png")
    (tmp_path / name).write_bytes(cv2.imencode(".png", image_of(3))[1].tobytes())
    ((label, value),) = all_grabs(open_folder(tmp_path), slot)
    assert (label.encode(), value) == (b"part-\\udcff.png", 3)


@pytest.mark.parametrize(("made", "told"), [(False, "no folder"), (True, "no image .* set `recursive`")])
def test_no_folder_or_no_image_is_an_error_with_remedy(tmp_path: Path, made: bool, told: str) -> None:  # noqa: FBT001
    """Opening tells what is missing, where, and what to do."""
    folder = tmp_path / "parts"
    if made:
        folder.mkdir()
    with pytest.raises(CameraError, match=told) as caught:
        open_folder(folder)
    assert str(folder) in str(caught.value)
