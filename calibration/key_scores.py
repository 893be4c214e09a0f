"""Scores of many images on every runtime and precision that a bundle has limits for and this machine runs."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from inspectd.calibration.data import read_mask, read_pixels
from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.pixel_threshold import PixelCounts
from inspectd.calibration.scoring import at_size, prepare
from inspectd.inference.errors import EngineError
from inspectd.inference.manifest import limits_key
from inspectd.inference.runtime import Runtime, RuntimeSettings, open_runtime

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from inspectd.calibration.contents import Image
    from inspectd.inference.bundle import Bundle

StepProgress = Callable[[int, int, str, "float | None"], None]
"""Told how much is done, of how much, of what, and the seconds left where that is known better."""


@dataclass(slots=True)
class KeyScores:
    """Scores by one limits key, in the order of the images; `pixels` if any image came with a mask."""

    good: list[float] = field(default_factory=list[float])
    defective: list[float] = field(default_factory=list[float])
    pixels: PixelCounts | None = None


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores by key, without the `unfit` images that the line would not judge; `not_run` says why by key."""

    by_key: dict[str, KeyScores]
    unfit: int
    not_run: dict[str, str]


@contextmanager
def open_keys(
    bundle: Bundle, keys: Sequence[str], graph_file: Path | None = None
) -> Generator[tuple[dict[str, Runtime], dict[str, str]]]:
    """Open each key (graph/runtime/precision) that this machine runs; say why not of the others.

    `graph_file` stands in for the bundle's own graph. Raises CalibrationError if none runs.
    """
    opened: dict[str, Runtime] = {}
    not_run: dict[str, str] = {}
    with ExitStack() as stack:
        for key in keys:
            try:
                settings = _settings_of(key)
                file = graph_file or bundle.graph_file(settings.precision)
                runtime = open_runtime(settings, file, bundle.manifest.image_size)
            except (ValueError, EngineError) as error:
                not_run[key] = str(error).splitlines()[0]
                continue
            stack.callback(runtime.close)
            opened[key] = runtime
        if not opened:
            raise CalibrationError(
                f"{bundle.folder}: none of its runtimes runs here ({'; '.join(not_run.values())})."
            )
        yield opened, not_run


def _settings_of(key: str) -> RuntimeSettings:
    """Raise ValueError if this program has no such runtime and precision."""
    _, name, precision = key.split("/")
    settings = RuntimeSettings.model_validate({"name": name, "precision": precision})
    if limits_key(name, precision) != key:
        raise ValueError(f"no runtime computes {key}")
    return settings


def score_images(bundle: Bundle, images: Sequence[Image], progress: StepProgress | None = None) -> Scores:
    """Score good and defective images as the line would, each read once and scored by every key.

    Raises CalibrationError for an image or mask that cannot be read, or of another size than the bundle's.
    """
    masked = any(image.label.mask is not None for image in images)
    with open_keys(bundle, list(bundle.decision.limits)) as (runtimes, not_run):
        by_key = {key: KeyScores(pixels=PixelCounts() if masked else None) for key in runtimes}
        unfit = 0
        for done, image in enumerate(images, 1):
            pixels = read_pixels(image.file)
            prepared = prepared_image(bundle, pixels, str(image.file))
            if prepared is None:
                unfit += 1
            else:
                _score_one(image, pixels, prepared, runtimes, by_key)
            if progress is not None:
                progress(done, len(images), "scoring", None)
    return Scores(by_key, unfit, not_run)


def prepared_image(bundle: Bundle, pixels: NDArray[np.uint8], name: str) -> NDArray[np.uint8] | None:
    """Return an image as the graph takes it, uint8 [1, S, S, 3]; None if it is not fit to be judged.

    Raises CalibrationError if it is not of the size that the bundle was calibrated for.
    """
    image, unfit = prepare(bundle.manifest.preparation, bundle.manifest.image_size, pixels, name)
    return None if unfit else image


def _score_one(
    image: Image,
    pixels: NDArray[np.uint8],
    prepared: NDArray[np.uint8],
    runtimes: dict[str, Runtime],
    by_key: dict[str, KeyScores],
) -> None:
    size = (pixels.shape[0], pixels.shape[1])
    mask = None if image.label.mask is None else read_mask(image.label.mask, size)
    for key, runtime in runtimes.items():
        result = runtime.infer(prepared)
        scores = by_key[key]
        (scores.defective if image.label.defective else scores.good).append(float(result.score[0]))
        if scores.pixels is not None and (mask is not None or not image.label.defective):
            scores.pixels.add(at_size(result.anomaly_map[0], size), mask)
