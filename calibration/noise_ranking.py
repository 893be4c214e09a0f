"""What noise rates are ranked by: images that no trial trains on, with a known truth, and their AUROCs.

With labelled defects in `validation/` it is those, less copies of images in `train/` and `test/`, which are
told by content. Otherwise synthetic defects are pasted into good images
that were taken from the training part for this: the images that the threshold will come from, and `test/`,
have no part in the choice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from inspectd.calibration.data import read_mask, read_pixels
from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.metrics import image_auroc
from inspectd.calibration.pixels import PixelHistogram
from inspectd.calibration.synthetic import add_defects
from inspectd.inference.graph import ScoringGraph
from inspectd.inference.prepare import resize

if TYPE_CHECKING:
    from inspectd.calibration.layout import Labelled
    from inspectd.inference.model import EncoderDecoder

SYNTHETIC = 48
"""Images with synthetic defects, about: several of each good image where there are few."""
_RANKED_SHARE = 0.2
_RANKED_FEWEST, _RANKED_MOST = 4, 48
_BATCH = 8
_VISIBLE = 10 / 255
"""A synthetic defect counts where it changes a channel by more than this: less is not seen, nor missed."""
_FEWEST_PIXELS = 4
_TRIES = 100

U8 = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class RankingImages:
    """Prepared images uint8 RGB [N, S, S, 3]; of a defective one the mask, bool [S, S], None if unknown."""

    measured_on: Literal["validation", "synthetic"]
    images: U8
    defective: NDArray[np.bool_]
    masks: tuple[NDArray[np.bool_] | None, ...]

    @property
    def has_pixels(self) -> bool:
        """Whether there is a pixel AUROC: not if no defective image has a mask."""
        return any(mask is not None for mask in self.masks)


@dataclass(frozen=True, slots=True)
class Figures:
    """AUROCs of one look at a model. `pixel_auroc` is None without masks."""

    image_auroc: float
    pixel_auroc: float | None

    @property
    def value(self) -> float:
        """What is maximised: the mean of both; the image AUROC alone where there are no masks."""
        if self.pixel_auroc is None:
            return self.image_auroc
        return (self.image_auroc + self.pixel_auroc) / 2


def take_for_ranking(train: NDArray[np.int64], seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split the training part's indices into those that trials train on and those they are ranked by."""
    count = min(_RANKED_MOST, max(_RANKED_FEWEST, round(_RANKED_SHARE * len(train))))
    if len(train) - count < _RANKED_FEWEST:
        raise CalibrationError(
            f"{len(train)} good images to train with: too few to rank noise rates by some of them."
            " Take more, or put labelled images into validation/."
        )
    order = np.random.default_rng((seed, len(train))).permutation(len(train))
    return np.sort(train[order[count:]]), np.sort(train[order[:count]])


def synthetic_ranking(good: U8, seed: int) -> RankingImages:
    """Paste synthetic defects into good images, uint8 [N, S, S, 3]; they stand beside the good ones.

    The same images and seed give the same defects, to the last bit. Raises CalibrationError if none is seen.
    """
    images = [np.asarray(image, np.uint8) for image in good]
    masks: list[NDArray[np.bool_] | None] = [None] * len(good)
    for variant in range(max(1, math.ceil(SYNTHETIC / len(good)))):
        for index, image in enumerate(good):
            defective, mask = _with_visible_defects(image, (seed, index, variant))
            images.append(defective)
            masks.append(mask)
    defective_ones = np.asarray([mask is not None for mask in masks])
    return RankingImages("synthetic", np.stack(images), defective_ones, tuple(masks))


def _with_visible_defects(image: U8, seed: tuple[int, int, int]) -> tuple[U8, NDArray[np.bool_]]:
    clean = np.asarray(image.astype(np.float32) / 255, np.float32)
    for attempt in range(_TRIES):
        changed = add_defects(clean, np.random.default_rng((*seed, attempt)))
        mask = np.asarray(np.abs(changed - clean).max(axis=2) > _VISIBLE)
        if mask.sum() >= _FEWEST_PIXELS:
            return np.round(changed * 255).astype(np.uint8), mask
    raise CalibrationError(
        "no synthetic defect shows in the good images: they are empty or all of one colour."
        " Look at them, and take new ones."
    )


def validation_ranking(labelled: Sequence[Labelled], good: U8) -> RankingImages:
    """Read the images of `validation/`; `good`, uint8 [N, S, S, 3], stand in where it has no good ones.

    Raises CalibrationError for an image or mask that cannot be read.
    """
    size = good.shape[1]
    images: list[U8] = []
    masks: list[NDArray[np.bool_] | None] = []
    for each in labelled:
        pixels = read_pixels(each.file)
        images.append(resize(pixels, size))
        mask = None if each.mask is None else read_mask(each.mask, (pixels.shape[0], pixels.shape[1]))
        masks.append(None if mask is None else _shrink(mask, size))
    defective = [each.defective for each in labelled]
    if all(defective):
        images.extend(np.asarray(image, np.uint8) for image in good)
        masks.extend([None] * len(good))
        defective.extend([False] * len(good))
    return RankingImages("validation", np.stack(images), np.asarray(defective), tuple(masks))


def _shrink(mask: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:
    """Resize a mask to [size, size]: a pixel that a defect touches belongs to it, so that none vanishes."""
    share = cv2.resize(mask.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(share > 0)


def look_at(model: EncoderDecoder, sigma: float, seed: int, ranking: RankingImages) -> Figures:
    """Score the ranking images by the scoring graph, float32, with its seeded noise field of `sigma`.

    The model, in evaluation mode, stays as it is.
    """
    device = next(model.parameters()).device
    graph = ScoringGraph(model, sigma, seed).to(device)
    scores: list[NDArray[np.float64]] = []
    pixels = PixelHistogram()
    with torch.inference_mode():
        for start in range(0, len(ranking.images), _BATCH):
            batch = torch.from_numpy(ranking.images[start : start + _BATCH]).to(device)
            maps, score, _ = graph(batch)
            scores.append(score.double().cpu().numpy())
            for offset, amap in enumerate(np.asarray(maps.cpu().numpy(), np.float32)):
                index = start + offset
                if ranking.masks[index] is not None or not ranking.defective[index]:
                    pixels.add(amap, ranking.masks[index])
    every = np.concatenate(scores)
    of_images = image_auroc(every[~ranking.defective], every[ranking.defective])
    if of_images is None or not np.isfinite(every).all():
        raise CalibrationError("the ranking images gave no finite scores: training diverged at this rate.")
    return Figures(of_images, pixels.auroc() if ranking.has_pixels else None)
