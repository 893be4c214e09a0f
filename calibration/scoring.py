"""Scores images by a bundle as the line would, for everything that measures or chooses limits."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
        prepared = Preparer(self._preparation, self._image_size).prepare(pixels)
        if prepared.image is None:
            raise CalibrationError(
                f"{name}: {'; '.join(prepared.unfit)}. Use images of this bundle's camera."
            )
        result = self._runtime.infer(prepared.image)
        return Scored(
            float(result.score[0]),
            prepared.unfit,
            prepared.image[0],
            # Copies: a runtime may reuse its output buffers.
            np.array(result.anomaly_map[0], np.float32),
            np.array(result.reconstruction[0], np.uint8),
        )


@contextmanager
def open_scorer(bundle: Bundle, settings: RuntimeSettings) -> Generator[ImageScorer]:
    """Open a bundle's graph on a runtime. Raises BundleError or EngineError if it does not run there."""
    size = bundle.manifest.image_size
    runtime = open_runtime(settings, bundle.graph_file(settings.precision), size)
    try:
        yield ImageScorer(bundle.manifest.preparation, size, runtime)
    finally:
        runtime.close()
