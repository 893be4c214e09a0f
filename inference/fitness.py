"""Is a frame fit to be judged: five measures of its small picture, with limits learned from good parts.

A frame that is not fit is never judged: its part is UNKNOWN. The limits must therefore never refuse a good
part, and still catch a lamp that is out, glare, a lens out of focus and an empty belt.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from inspectd.inference.documents import Document

# The side of the thumbnail in which a part's presence is looked for: coarse, so that a turned or shifted
# part still covers its place, and no defect matters.
THUMBNAIL = 16

_SATURATED = 250

# How far a limit stands from the most extreme good part: at least as far as that part stands from the median
# good part, and at least this share of its value. Lamps age and focus drifts before a person acts on it.
_MARGIN = 0.25
_SATURATION_MARGIN = 0.02

# Good parts that show less than this of their mean picture have nothing in common to be looked for.
_LEAST_PRESENCE = 0.3

Image = NDArray[np.uint8]


class FitnessLimits(Document):
    """Limits on the measures of a frame's small picture, learned from good parts."""

    brightness_min: float = Field(ge=0, le=255, description="mean grey value")
    saturated_max: float = Field(ge=0, le=1, description="share of pixels with a channel at 250 or more")
    sharpness_min: float = Field(ge=0, description="deviation of the Laplacian / brightness")
    contrast_min: float = Field(ge=0, description="standard deviation of the thumbnail's grey values")
    presence_min: float | None = Field(
        gt=0,
        description="projection on the mean good thumbnail, 1: an average good part;"
        " None: good parts have no place or shape in common",
    )
    template: tuple[float, ...] = Field(
        min_length=THUMBNAIL**2,
        max_length=THUMBNAIL**2,
        description="mean good thumbnail less its own mean, grey values, row by row",
    )


@dataclass(frozen=True, slots=True)
class Measures:
    """What the fitness limits are held against. `thumbnail` is grey float32 [16, 16] less its mean."""

    brightness: float
    saturated: float
    sharpness: float
    contrast: float
    thumbnail: NDArray[np.float32]

    def presence(self, template: NDArray[np.float32]) -> float:
        """Return how much of the mean good part's picture is in this one: 1 average, 0 nothing of it.

        `template` is float32 [16, 16] with mean 0. Even lighting and plain gradients barely project on it.
        """
        energy = float(np.vdot(template, template))
        return float(np.vdot(self.thumbnail, template)) / energy if energy > 0 else 0.0


def measure(image: Image) -> Measures:
    """Measure a prepared image, uint8 RGB [S, S, 3], in about 0.2 ms at S = 224."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    thumbnail = cv2.resize(grey, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA).astype(np.float32)
    brightest = cv2.max(cv2.max(image[..., 0], image[..., 1]), image[..., 2])
    _, deviation = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))
    brightness = float(grey.mean())
    return Measures(
        brightness=brightness,
        saturated=float(np.count_nonzero(brightest >= _SATURATED) / brightest.size),
        # Relative to the light, so that a dark frame is not called blurred.
        sharpness=float(deviation[0, 0]) / max(1.0, brightness),
        contrast=float(thumbnail.std()),
        thumbnail=thumbnail - thumbnail.mean(),
    )


def learn_limits(images: Sequence[Image]) -> FitnessLimits:
    """Learn the limits from prepared images of good parts, each uint8 RGB [S, S, 3]; at least one."""
    measures = [measure(image) for image in images]
    thumbnails = np.stack([each.thumbnail for each in measures])
    template = thumbnails.mean(axis=0)
    return FitnessLimits(
        brightness_min=_below([each.brightness for each in measures], _MARGIN),
        saturated_max=_above([each.saturated for each in measures]),
        sharpness_min=_below([each.sharpness for each in measures], _MARGIN),
        contrast_min=_below([each.contrast for each in measures], _MARGIN),
        presence_min=_presence_limit(measures, thumbnails),
        template=tuple(round(float(value), 2) for value in template.ravel()),
    )


class FitnessCheck:
    """Holds images against the learned limits."""

    def __init__(self, limits: FitnessLimits) -> None:
        self._limits = limits
        self._template = np.asarray(limits.template, np.float32).reshape(THUMBNAIL, THUMBNAIL)

    def unfit(self, image: Image) -> tuple[str, ...]:
        """Return why an image (prepared uint8 RGB [S, S, 3]) is not fit; nothing if it is.

        Each text names measure, value and limit.
        """
        limits, measures = self._limits, measure(image)
        low = [
            ("too dark: brightness", measures.brightness, limits.brightness_min),
            ("blurred: sharpness", measures.sharpness, limits.sharpness_min),
            ("empty: contrast", measures.contrast, limits.contrast_min),
        ]
        if limits.presence_min is not None:
            low.append(("empty: presence", measures.presence(self._template), limits.presence_min))
        texts = [f"{name} {value:.4g} < {limit:.4g}" for name, value, limit in low if not value >= limit]
        if not measures.saturated <= limits.saturated_max:
            texts.append(f"saturated: share {measures.saturated:.4g} > {limits.saturated_max:.4g}")
        return tuple(texts)


def _presence_limit(measures: Sequence[Measures], thumbnails: NDArray[np.float32]) -> float | None:
    """Limit from each part's presence in the mean of all others: in its own mean every part is present."""
    count = len(measures)
    if count == 1:
        return None
    total = thumbnails.sum(axis=0)
    values = [each.presence((total - each.thumbnail) / (count - 1)) for each in measures]
    limit = _below(values, _MARGIN)
    return limit if min(values) >= _LEAST_PRESENCE and limit > 0 else None


def _below(values: Sequence[float], margin: float) -> float:
    lowest, median = min(values), float(np.median(values))
    return max(0.0, lowest - max(median - lowest, margin * lowest))


def _above(values: Sequence[float]) -> float:
    highest, median = max(values), float(np.median(values))
    return min(1.0, highest + max(highest - median, _SATURATION_MARGIN))
