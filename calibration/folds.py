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
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.fit import fit
from inspectd.calibration.fold_plan import FoldPlan, trained_on, training_seed
from inspectd.calibration.kept_folds import Fold, KeptFolds
from inspectd.calibration.key_scores import open_keys
from inspectd.calibration.trainer import Progress
from inspectd.calibration.weights import in_memory_order
from inspectd.inference.export import export_onnx
from inspectd.inference.graph import ScoringGraph

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspectd.calibration.contents import Image
    from inspectd.calibration.key_scores import StepProgress
    from inspectd.inference.model import EncoderDecoder

_STOPPING_SHARE = 0.05
_STOPPING_MOST = 64


@dataclass(frozen=True, slots=True)
class FoldScores:
    """Held-out scores by key, one for each of `images`: those given, less what the line would not judge."""

    images: tuple[Image, ...]
    by_key: dict[str, list[float]]
    medians: tuple[float, ...]
    """Median score of each fold, by its own sibling, under the first key: equal but for chance."""
    resumed: int
    """Folds whose scores were there from a run that was cut off."""


def fold_scores(plan: FoldPlan, progress: StepProgress | None = None) -> FoldScores:
    """Train a sibling for each fold and pool the scores of the images that each did not see.

    The scores of finished folds are kept beside the bundle: the same call goes on there after whatever cut it
    off. Raises CalibrationError if they cannot be written, or for a sibling whose training fails.
    """
    count = len(plan.images)
    kept = KeptFolds(plan.bundle, plan.identity)
    kept.check_room()  # before the first training, not after it
    order = np.random.default_rng(plan.seed).permutation(count)
    pooled = {key: np.full(count, np.nan) for key in plan.identity.keys}
    medians: list[float] = []
    resumed, began = 0, time.monotonic()
    for number, held_out in enumerate(np.array_split(order, plan.folds)):
        fold = kept.find(number, len(held_out))
        if fold is None:
            tell = _tell(progress, number, plan.folds, resumed, began)
            fold = _train_and_score(plan, number, order, held_out, tell)
            kept.add(number, fold)
        else:
            resumed += 1
        medians.append(float(np.median(fold.scores[plan.identity.keys[0]])))
        for key, scores in fold.scores.items():
            pooled[key][held_out] = scores
    by_key = {key: scores.tolist() for key, scores in pooled.items()}
    return FoldScores(plan.images, by_key, tuple(medians), resumed)


def _train_and_score(
    plan: FoldPlan,
    number: int,
    order: NDArray[np.int64],
    held_out: NDArray[np.int64],
    tell: Callable[[Progress], None] | None,
) -> Fold:
    """Train the sibling of one fold on the other images, and score those held out."""
    rest = np.setdiff1d(order, held_out, assume_unique=True)
    rest = np.random.default_rng((plan.seed, number)).permutation(rest)
    stopping = max(2, min(_STOPPING_MOST, round(_STOPPING_SHARE * len(order))))
    # No more than the bundle trained on: more images are more steps, and lower scores.
    training = rest[stopping:][: trained_on(plan.bundle)]
    parts = plan.prepared[training], plan.prepared[rest[:stopping]]
    fitted = fit(plan.recipe, *parts, training_seed(plan.bundle), plan.weights, progress=tell)
    try:
        return Fold(scores=_held_out_scores(plan, fitted.model, plan.prepared[held_out]))
    except (OSError, ValueError) as error:
        raise CalibrationError(
            f"sibling {number + 1} of {plan.folds} cannot be scored: {error}. Mend that; the same command"
            " goes on after the folds before."
        ) from error


def _held_out_scores(
    plan: FoldPlan, model: EncoderDecoder, images: NDArray[np.uint8]
) -> dict[str, tuple[float, ...]]:
    """Score images by a sibling on every runtime that runs here, as its own graph would be."""
    noise = plan.bundle.manifest.noise
    graph = ScoringGraph(in_memory_order(model, torch.contiguous_format), noise.sigma, noise.seed)
    with tempfile.TemporaryDirectory(prefix="inspectd-fold-") as folder:
        file = Path(folder) / "sibling.onnx"
        export_onnx(graph, file)
        with open_keys(plan.bundle, plan.identity.keys, file) as (runtimes, not_run):
            if not_run:
                raise CalibrationError(
                    f"a sibling does not run as the bundle does: {'; '.join(not_run.values())}. Run the same"
                    " command again."
                )
            return {
                key: tuple(float(runtime.infer(image[np.newaxis]).score[0]) for image in images)
                for key, runtime in runtimes.items()
            }


def _tell(
    progress: StepProgress | None, number: int, folds: int, resumed: int, began: float
) -> Callable[[Progress], None] | None:
    """Turn one training's progress into that of all: the siblings to come take as long as those before."""
    if progress is None:
        return None
    before_s = time.monotonic() - began

    def tell(now: Progress) -> None:
        elapsed = time.monotonic() - began
        own_s = elapsed - before_s
        whole = (before_s + own_s + now.seconds_left) / (number - resumed + 1)
        left = now.seconds_left + whole * (folds - number - 1)
        text = f"sibling {number + 1} of {folds}, loss {now.loss:.4f}"
        progress(number * now.steps + now.step, folds * now.steps, text, left)

    return tell
