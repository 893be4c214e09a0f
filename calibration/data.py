"""Images to calibrate with: a folder of good ones, or the folder layout of MVTec AD.

In MVTec's layout `train/good/` holds good images, `test/good/` and `test/<kind>/` the images to measure on,
and `ground_truth/<kind>/<name>_mask.png` says where a defect is (anything but 0).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from inspectd.calibration.errors import CalibrationError
from inspectd.inference.documents import file_id
from inspectd.inference.engine import read_image
from inspectd.inference.prepare import resize

if TYPE_CHECKING:
    from pathlib import Path

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}
GOOD = "good"
FEWEST_IMAGES = 10
"""Eight to train with and two that training does not see: less calibrates nothing."""

U8 = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class GoodImages:
    """Good images, prepared: `images` is uint8 RGB [N, S, S, 3] in the order of `files`."""

    images: U8
    files: tuple[Path, ...]
    camera_size: tuple[int, int]
    """Height and width of the files, px: the same for all."""
    sha256: str
    """Hash over the names and contents of all files."""


@dataclass(frozen=True, slots=True)
class TestImage:
    """An image to measure on. `kind` is "good" or the defect's; `mask` is None if it has none."""

    file: Path
    kind: str
    mask: Path | None

    @property
    def defective(self) -> bool:
        """Whether the part is to be rejected."""
        return self.kind != GOOD


def load_good(folder: Path, image_size: int) -> GoodImages:
    """Read the good images of a folder (of its `train/good/` or `good/`, if it has one) and resize them.

    `image_size` is their new side S. Raises CalibrationError, naming file and remedy, if there are too few,
    or one is unreadable or of another size.
    """
    files = _images_in(_good_folder(folder))
    if len(files) < FEWEST_IMAGES:
        raise CalibrationError(
            f"{folder}: {len(files)} good images, at least {FEWEST_IMAGES} are needed."
            " Take more, of good parts only."
        )
    images = np.empty((len(files), image_size, image_size, 3), np.uint8)
    first = read_pixels(files[0])
    camera_size = (first.shape[0], first.shape[1])
    digest = hashlib.sha256()
    for index, file in enumerate(files):
        pixels = read_pixels(file)
        size = (pixels.shape[0], pixels.shape[1])
        if size != camera_size:
            raise CalibrationError(
                f"{file}: {size[1]}x{size[0]} px, but {files[0].name} has {camera_size[1]}x{camera_size[0]}."
                " Use images of one camera at one setting, or move this one away."
            )
        images[index] = resize(pixels, image_size)
        digest.update(f"{file.name} {file_id(file)}\n".encode())
    return GoodImages(images, tuple(files), camera_size, digest.hexdigest())


def split_good(
    count: int, seed: int, held_out_share: float = 0.2
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split the indices 0..count-1 by a seed into those to train with and those held out; both ascending."""
    order = np.random.default_rng(seed).permutation(count)
    held_out = max(2, round(held_out_share * count))
    return np.sort(order[held_out:]), np.sort(order[:held_out])


def list_test(folder: Path) -> list[TestImage]:
    """List the test images of a folder in MVTec's layout, by kind and name; empty if it has no `test/`.

    Raises CalibrationError if `test/` holds images outside of a kind's folder.
    """
    test = folder / "test"
    if not test.is_dir():
        return []
    if loose := _images_in(test):
        raise CalibrationError(
            f"{loose[0]}: lies beside the kinds' folders. Move it to test/good or test/<kind>."
        )
    return [
        TestImage(file, kind.name, _mask_of(folder, kind.name, file.stem))
        for kind in sorted(test.iterdir())
        if kind.is_dir()
        for file in _images_in(kind)
    ]


def read_pixels(file: Path) -> U8:
    """Return an image file as uint8 RGB [H, W, 3]. Raises CalibrationError if it is not one."""
    pixels = read_image(file)
    if pixels is None:
        raise CalibrationError(f"{file}: cannot be read as an image. Export it again, or move it away.")
    return pixels


def read_mask(file: Path, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return a mask, bool [H, W] of the image's shape. Raises CalibrationError if it is not one."""
    mask = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
    if mask is None:
        raise CalibrationError(f"{file}: cannot be read as a mask. Export it again, or move it away.")
    if mask.shape != shape:
        raise CalibrationError(
            f"{file}: {mask.shape[1]}x{mask.shape[0]} px, its image has {shape[1]}x{shape[0]}."
        )
    return np.asarray(mask > 0)


def _good_folder(folder: Path) -> Path:
    if not folder.is_dir():
        raise CalibrationError(f"{folder}: no such folder. Name a folder of images of good parts.")
    for candidate in (folder / "train" / GOOD, folder / GOOD):
        if candidate.is_dir():
            return candidate
    return folder


def _images_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and path.suffix.lower() in SUFFIXES)


def _mask_of(folder: Path, kind: str, stem: str) -> Path | None:
    if kind == GOOD:
        return None
    candidates = (folder / "ground_truth" / kind / f"{stem}{end}.png" for end in ("_mask", ""))
    return next((mask for mask in candidates if mask.is_file()), None)
