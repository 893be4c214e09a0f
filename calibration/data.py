"""Reads the images to calibrate with, and divides the good ones by what they are for."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from inspectd.calibration.contents import distinct, short_id
from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.layout import GOOD, Labelled, read_layout
from inspectd.inference.engine import read_image
from inspectd.inference.prepare import resize

if TYPE_CHECKING:
    from pathlib import Path

FEWEST_IMAGES = 10
"""Six to train with, two to stop by and two to take the threshold from: less calibrates nothing."""

_HELD_OUT_SHARE = 0.2
_STOPPING_SHARE = 0.25
_STOPPING_MOST = 64

U8 = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class GoodImages:
    """Good images, prepared: `images` is uint8 RGB [N, S, S, 3] in the order of `files`."""

    images: U8
    files: tuple[Path, ...]
    ids: tuple[str, ...]
    """First `contents.SHORT_ID` digits of each file's sha256."""
    camera_size: tuple[int, int] | None
    """Height and width of the files, px, if they all have the same."""
    sha256: str
    """Hash over the names and contents of all files."""
    left_out: int = 0
    """Files that are not among them: repeated, or in test/ as well."""


def load_good(source: Path, image_size: int, *, mixed_sizes: bool = False) -> GoodImages:
    """Read the good images of a folder or CSV list (see `layout`) and resize them.

    `image_size` is their new side S. A picture that is there twice counts once, and one that also stands in
    test/ not at all, told by content: what is measured must not have been trained on. Raises
    CalibrationError, naming file and remedy, if there are too few, one is unreadable, or, unless
    `mixed_sizes`, one is of another size.
    """
    layout = read_layout(source)
    measured = {short_id(test.file) for test in layout.test}
    found, _ = distinct(Labelled(file, GOOD) for file in layout.good)
    kept = [image for image in found if image.id not in measured]
    files = [image.file for image in kept]
    if len(files) < FEWEST_IMAGES:
        raise CalibrationError(
            f"{source}: {len(files)} good images, at least {FEWEST_IMAGES} are needed."
            " Take more, of good parts only."
        )
    images = np.empty((len(files), image_size, image_size, 3), np.uint8)
    first = read_pixels(files[0])
    camera_size: tuple[int, int] | None = (first.shape[0], first.shape[1])
    digest = hashlib.sha256()
    for index, image in enumerate(kept):
        file = image.file
        pixels = read_pixels(file)
        size = (pixels.shape[0], pixels.shape[1])
        if camera_size is not None and size != camera_size:
            if not mixed_sizes:
                raise CalibrationError(
                    f"{file}: {size[1]}x{size[0]} px, but {files[0].name} has"
                    f" {camera_size[1]}x{camera_size[0]}. Use images of one camera at one setting, move this"
                    " one away, or allow mixed sizes."
                )
            camera_size = None
        images[index] = resize(pixels, image_size)
        digest.update(f"{file.name} {image.sha256}\n".encode())
    ids = tuple(image.id for image in kept)
    left_out = len(layout.good) - len(files)
    return GoodImages(images, tuple(files), ids, camera_size, digest.hexdigest(), left_out)


@dataclass(frozen=True, slots=True)
class Split:
    """What each good image is for, as ascending indices; every image is in exactly one of the three."""

    train: NDArray[np.int64]
    stopping: NDArray[np.int64]
    """Moves no weight, but says which of the weights are kept and when training ends."""
    threshold: NDArray[np.int64]
    """Used by neither: what these score, other good parts will score."""


def split_good(count: int, seed: int) -> Split:
    """Split the indices 0..count-1 of good images by a seed: a fifth is held out, as in the paper.

    A quarter of that fifth stops the training, 2 to 64 images; the rest is for the threshold.
    """
    order = np.random.default_rng(seed).permutation(count)
    held_out = max(4, round(_HELD_OUT_SHARE * count))
    stopping = max(2, min(_STOPPING_MOST, round(_STOPPING_SHARE * held_out)))
    parts = np.split(order, (stopping, held_out))
    return Split(train=np.sort(parts[2]), stopping=np.sort(parts[0]), threshold=np.sort(parts[1]))


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
