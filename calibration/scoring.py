"""Scores images by a bundle as the line would, for everything that measures or chooses limits."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from inspectd.calibration.errors import CalibrationError
from inspectd.inference.prepare import Preparation, Preparer
from inspectd.inference.runtime import Runtime, RuntimeSettings, open_runtime

if TYPE_CHECKING:
    from inspectd.inference.bundle import Bundle


@dataclass(frozen=True, slots=True)
class Scored:
    """What a bundle says of an image.

    `image` and `reconstruction` are uint8 RGB [S, S, 3], `anomaly_map` float32 [S, S]. `unfit` says why the
    line would not judge the image but call its part UNKNOWN; it is scored here all the same.
    """

    score: float
    unfit: tuple[str, ...]
    image: NDArray[np.uint8]
    anomaly_map: NDArray[np.float32]
    reconstruction: NDArray[np.uint8]


class ImageScorer:
    """Prepares and scores single images; two equal ones in a row are not called frozen."""

    def __init__(self, preparation: Preparation, image_size: int, runtime: Runtime) -> None:
        self._preparation = preparation
        self._image_size = image_size
        self._runtime = runtime

    def score(self, pixels: NDArray[np.uint8], name: str) -> Scored:
        """Score an image, uint8 RGB [H, W, 3]; `name` is for the error.

        Raises CalibrationError if it is not of the size that the bundle was calibrated for.
        """
        image, unfit = prepare(self._preparation, self._image_size, pixels, name)
        result = self._runtime.infer(image)
        return Scored(
            float(result.score[0]),
            unfit,
            image[0],
            # Copies: a runtime may reuse its output buffers.
            np.array(result.anomaly_map[0], np.float32),
            np.array(result.reconstruction[0], np.uint8),
        )


def prepare(
    preparation: Preparation, image_size: int, pixels: NDArray[np.uint8], name: str
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Return an image, uint8 RGB [H, W, 3], as the graph takes it, [1, S, S, 3], and why it is unfit.

    Raises CalibrationError, naming it by `name`, if it is not of the size that the bundle was calibrated for.
    """
    # A new preparer for each: two equal images in a row are not a frozen camera here.
    prepared = Preparer(preparation, image_size).prepare(pixels)
    if prepared.image is None:
        raise CalibrationError(f"{name}: {'; '.join(prepared.unfit)}. Use images of this bundle's camera.")
    return prepared.image, prepared.unfit


def at_size(anomaly_map: NDArray[np.float32], size: tuple[int, ...]) -> NDArray[np.float32]:
    """Return a map at its image's own height and width, px, where the truth was drawn.

    A truth made small would lose thin defects.
    """
    height, width = size
    full = np.empty((height, width), np.float32)
    cv2.resize(anomaly_map, (width, height), dst=full, interpolation=cv2.INTER_LINEAR)
    return full


@contextmanager
def open_scorer(bundle: Bundle, settings: RuntimeSettings) -> Generator[ImageScorer]:
    """Open a bundle's graph on a runtime. Raises BundleError or EngineError if it does not run there."""
    size = bundle.manifest.image_size
    runtime = open_runtime(settings, bundle.graph_file(settings.precision), size)
    try:
        yield ImageScorer(bundle.manifest.preparation, size, runtime)
    finally:
        runtime.close()
