"""Everything between a camera's frame and the scoring graph's input, at calibration and on the line alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from inspectd.inference.documents import Document
from inspectd.inference.errors import InferenceError
from inspectd.inference.fitness import FitnessCheck, FitnessLimits, learn_limits

Pixels = NDArray[np.uint8]


class Preparation(Document):
    """How frames are prepared, and which of them are fit to judge. Part of the manifest.

    The steps that are None are reserved: this version knows no other value for them.
    """

    camera_size: tuple[int, int] | None = Field(
        description="height and width of the camera's frames, px; None: calibrated with several sizes"
    )
    roi: None = None
    orientation: None = None
    undistort: None = None
    registration: None = None
    tiles: None = None
    resize: Literal["halving"] = Field(
        default="halving",
        description="to the graph's square input, aspect not kept: halved by averaging, see `resize`",
    )
    fitness: FitnessLimits


@dataclass(frozen=True, slots=True)
class Prepared:
    """A frame made ready for the scoring graph.

    `image` is uint8 RGB [1, S, S, 3], a copy of its own; None if the frame has the wrong size or type.
    `unfit` says why the frame must not be judged, each text with measure, value and limit; empty: fit.
    """

    image: Pixels | None
    unfit: tuple[str, ...]


class Preparer:
    """Prepares the frames of one camera view. Remembers the frame before to notice a frozen camera."""

    def __init__(self, preparation: Preparation, input_size: int) -> None:
        self._preparation = preparation
        self._input_size = input_size
        self._fitness = FitnessCheck(preparation.fitness)
        self._previous: Pixels | None = None

    def prepare(self, pixels: Pixels) -> Prepared:
        """Resize a frame (uint8 RGB [H, W, 3]) and check its fitness. Never raises for a bad frame."""
        expected = (*(self._preparation.camera_size or pixels.shape[:2]), 3)
        if pixels.shape != expected or pixels.dtype != np.uint8 or not pixels.size:
            found, wanted = ("x".join(str(side) for side in shape) for shape in (pixels.shape, expected))
            return Prepared(None, (f"wrong size: {found} {pixels.dtype}, expected {wanted} uint8",))
        image = resize(pixels, self._input_size)
        texts = self._fitness.unfit(image)
        # Sensor noise changes every real frame, so two equal pictures mean that the camera repeats itself.
        # The small picture stands for the frame: comparing it exactly costs microseconds, a hash of all
        # pixels milliseconds.
        if self._previous is not None and np.array_equal(image, self._previous):
            texts = (*texts, "frozen: 0 pixels differ from the previous frame, expected at least 1")
        self._previous = image
        return Prepared(image[np.newaxis], texts)


def resize(pixels: Pixels, side: int) -> Pixels:
    """Return a frame (uint8 [H, W, 3]) as an image of its own, uint8 [side, side, 3].

    Averaging keeps fine texture from turning into moire. Averages of 2 x 2 are cheap, those of other areas
    are not (2048 x 1536 to 224: 3 ms against 12). Where little is left to do, up to a factor of 1.5, bicubic
    interpolation keeps more of what is fine than another average would.
    """
    if pixels.shape[:2] == (side, side):
        return np.array(pixels, np.uint8)
    while max(pixels.shape[:2]) >= 2 * side:
        height, width = (length // 2 if length >= 2 * side else length for length in pixels.shape[:2])
        half = np.empty((height, width, 3), np.uint8)
        cv2.resize(pixels, (width, height), dst=half, interpolation=cv2.INTER_AREA)
        pixels = half
    small = np.empty((side, side, 3), np.uint8)
    method = cv2.INTER_CUBIC if max(pixels.shape[:2]) <= 1.5 * side else cv2.INTER_AREA
    cv2.resize(pixels, (side, side), dst=small, interpolation=method)
    return small


def learn_preparation(images: Sequence[Pixels], camera_size: tuple[int, int] | None) -> Preparation:
    """Learn the fitness limits from images of good parts, already resized: each uint8 RGB [S, S, 3].

    `camera_size` is (height, width) of the camera's frames, px; None if they differ. Raises
    InferenceError without images.
    """
    if not images:
        raise InferenceError("no good image to learn the fitness limits from: give at least one")
    return Preparation(camera_size=camera_size, fitness=learn_limits(images))
