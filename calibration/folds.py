"""K-fold scores, when there are few good parts: what each scores by a sibling model that did not see it.

The good images are dealt into K folds. For each fold a sibling is trained, by the bundle's own recipe, on the
others, and scores the images of that fold, which it never saw: every good image gives one score, instead of
only the few that were held out when the bundle was trained.

Why that is sound enough: each score is that of a part on a model of the same recipe that has not seen the
part, which is what a new part is to the bundle's model. Pooling such scores is cross-conformal prediction
(Vovk, "Cross-conformal predictors", 2015); Barber et al., "Predictive inference with the jackknife+", 2021,
show that where the siblings themselves judge, at rate a no more than about 2 a of good parts are rejected,
and a about in practice.

Where it is not: the bundle's own model judges on the line, not the siblings. It saw more or other images, so
its scores may be somewhat lower (the threshold then lets through a little more than meant), and a training
whose result moves from seed to seed may lie further off. Scores of one fold share a model, so the interval,
which takes all of them for independent, is somewhat too narrow. Hence the comparison with the bundle's own
scores of parts it did not see: siblings on another scale than the bundle, or than one another, decide
nothing, since a threshold that is too high lets defective parts through. And a decision from folds stays
provisional until production confirms it.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from inspectd.calibration.data import read_pixels
from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.fit import fit
from inspectd.calibration.key_scores import open_keys, prepared_image
from inspectd.calibration.settings import Recipe
from inspectd.calibration.trainer import Progress
from inspectd.calibration.weights import in_memory_order
from inspectd.inference.export import export_onnx
from inspectd.inference.graph import ScoringGraph

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspectd.calibration.contents import Image
    from inspectd.calibration.key_scores import StepProgress
    from inspectd.inference.bundle import Bundle
    from inspectd.inference.model import EncoderDecoder

FEWEST_TO_TRAIN = 8
"""Six that move weights and two that stop, as for a bundle."""

_STOPPING_SHARE = 0.05
_STOPPING_MOST = 64


@dataclass(frozen=True, slots=True)
class FoldScores:
    """Held-out scores by key, one for each of `images`: those given, less what the line would not judge."""

    images: tuple[Image, ...]
    by_key: dict[str, list[float]]
    medians: tuple[float, ...]
    """Median score of each fold, by its own sibling, under the first key: equal but for chance."""
    not_run: dict[str, str]


def fold_scores(
    bundle: Bundle,
    images: Sequence[Image],
    folds: int,
    seed: int,
    vgg19: str | None,
    progress: StepProgress | None = None,
) -> FoldScores:
    """Train `folds` siblings and pool the scores of the images that each did not see; `seed` deals them.

    `vgg19` as for training; None: only if the bundle had none. Raises CalibrationError for too few images,
    another product's image size, or siblings that would not begin with the bundle's pre-trained weights.
    """
    recipe = recipe_of(bundle)
    source = _weights_source(bundle, vgg19)
    prepared = [prepared_image(bundle, read_pixels(image.file), str(image.file)) for image in images]
    fit_ones = [(image, pixels) for image, pixels in zip(images, prepared, strict=True) if pixels is not None]
    count = len(fit_ones)
    if folds > count or count - -(-count // folds) < FEWEST_TO_TRAIN:
        raise CalibrationError(
            f"{count} good images are too few for {folds} folds: each sibling trains on at least"
            f" {FEWEST_TO_TRAIN}. Give more images."
        )
    usable = np.concatenate([pixels for _, pixels in fit_ones])
    order = np.random.default_rng(seed).permutation(count)
    pooled: dict[str, NDArray[np.float64]] = {}
    not_run: dict[str, str] = {}
    medians: list[float] = []
    training_seed, most = _training_seed(bundle), _trained_on(bundle)
    began = time.monotonic()
    for number, held_out in enumerate(np.array_split(order, folds)):
        rest = np.setdiff1d(order, held_out, assume_unique=True)
        rest = np.random.default_rng((seed, number)).permutation(rest)
        stopping = max(2, min(_STOPPING_MOST, round(_STOPPING_SHARE * count)))
        tell = _tell(progress, number, folds, began)
        # No more than the bundle trained on: more images are more steps, and lower scores.
        parts = usable[rest[stopping:][:most]], usable[rest[:stopping]]
        fitted = fit(recipe, *parts, training_seed, source, progress=tell)
        if list(fitted.weights.loaded) != bundle.manifest.vgg19.get("loaded"):
            raise CalibrationError(
                f"--vgg19 {source}: holds other layers than the bundle began with."
                " Give the weights that it had."
            )
        scores, not_run = _held_out_scores(bundle, fitted.model, usable[held_out])
        medians.append(float(np.median(next(iter(scores.values())))))
        for key, values in scores.items():
            pooled.setdefault(key, np.full(count, np.nan))[held_out] = values
    by_key = {key: values.tolist() for key, values in pooled.items()}
    return FoldScores(tuple(image for image, _ in fit_ones), by_key, tuple(medians), not_run)


def recipe_of(bundle: Bundle) -> Recipe:
    """Return the recipe that a bundle was trained by. Raises CalibrationError if its manifest has none."""
    training = bundle.manifest.training
    try:
        return Recipe.model_validate(
            {name: training[name] for name in Recipe.model_fields if name in training}
        )
    except ValueError as error:
        raise CalibrationError(
            f"{bundle.folder}: its recipe is not one of this program ({error}). Train it again."
        ) from error


def _training_seed(bundle: Bundle) -> int:
    """Return the seed that the bundle was trained by: siblings begin with the same weights."""
    seed = bundle.manifest.training.get("seed")
    return seed if isinstance(seed, int) else 0


def _trained_on(bundle: Bundle) -> int | None:
    """Return how many images the bundle trained on; None if its manifest does not say."""
    images = bundle.manifest.training.get("images")
    names = images.get("train") if isinstance(images, dict) else None
    return len(cast("list[Any]", names)) if isinstance(names, list) else None


def _weights_source(bundle: Bundle, vgg19: str | None) -> str:
    began_with = str(bundle.manifest.vgg19.get("source", "none"))
    if vgg19 is None and began_with not in ("none", "auto"):
        raise CalibrationError(
            f"the bundle began with pre-trained weights ({began_with}): its siblings must too."
            f" Name them with --vgg19."
        )
    return vgg19 or began_with


def _held_out_scores(
    bundle: Bundle, model: EncoderDecoder, images: NDArray[np.uint8]
) -> tuple[dict[str, list[float]], dict[str, str]]:
    """Score images by a sibling on every runtime of the bundle, as its own graph would be."""
    noise = bundle.manifest.noise
    graph = ScoringGraph(in_memory_order(model, torch.contiguous_format), noise.sigma, noise.seed)
    with tempfile.TemporaryDirectory(prefix="inspectd-fold-") as folder:
        file = Path(folder) / "sibling.onnx"
        export_onnx(graph, file)
        with open_keys(bundle, list(bundle.decision.limits), file) as (runtimes, not_run):
            scores = {
                key: [float(runtime.infer(image[np.newaxis]).score[0]) for image in images]
                for key, runtime in runtimes.items()
            }
    return scores, not_run


def _tell(
    progress: StepProgress | None, number: int, folds: int, began: float
) -> Callable[[Progress], None] | None:
    """Turn one training's progress into that of all: the siblings to come take as long as those before."""
    if progress is None:
        return None
    before_s = time.monotonic() - began

    def tell(now: Progress) -> None:
        elapsed = time.monotonic() - began
        own_s = elapsed - before_s
        whole = (before_s + own_s + now.seconds_left) / (number + 1)
        left = now.seconds_left + whole * (folds - number - 1)
        text = f"sibling {number + 1} of {folds}, loss {now.loss:.4f}"
        progress(number * now.steps + now.step, folds * now.steps, text, left)

    return tell
