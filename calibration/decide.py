"""From images or production to the next decision of a bundle: scores, limits, and words for an auditor."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import numpy as np

from inspectd.calibration.choice import KeyChoice, choose, recheck_kept
from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.fold_plan import plan_folds
from inspectd.calibration.folds import FoldScores, fold_scores
from inspectd.calibration.key_scores import StepProgress, score_images
from inspectd.calibration.lacking import checked, lacking
from inspectd.calibration.layout import read_layout
from inspectd.calibration.rates import supportable_rate
from inspectd.calibration.scales import carry_over, with_recheck
from inspectd.calibration.tail import check_tail
from inspectd.calibration.threshold import percent
from inspectd.calibration.threshold_settings import NEEDS_DEFECTS, ThresholdSettings
from inspectd.calibration.unseen import Unseen, good_outside_test, seen_by_training, unseen_images
from inspectd.inference.bundle import Bundle, adjust_limits

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from inspectd.calibration.contents import Image
    from inspectd.calibration.layout import Layout
    from inspectd.inference.manifest import Limits


MOST_DIFFERENT = 1.25
"""By what factor siblings' scores may differ from the model's own, and each fold's from all folds' median."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The next decision, not yet in force. `keys` were measured; `limits` also has what was carried over."""

    limits: dict[str, Limits]
    keys: dict[str, KeyChoice]
    how: str
    provisional: str
    reserved: tuple[str, ...]
    chosen_by: tuple[str, ...]
    """Ids of all images that it was made from: nothing measures on them from now on."""
    numbers: dict[str, Any]
    """What was counted beside the keys: images left out, runtimes not run."""
    left_out: str = ""
    """The images left out in words; empty if there are none."""


def choose_from_images(
    bundle: Bundle, data: Path, settings: ThresholdSettings, progress: StepProgress | None = None
) -> Choice:
    """Choose limits by images that neither trained the model nor stopped its training.

    With `settings.folds` by k-fold scores of all good images instead. Raises CalibrationError if there are
    none, or for anything wrong with them; BundleError and WeightsError as reading and training do.
    """
    if settings.folds:
        return _by_folds(bundle, data, settings, progress)
    layout = read_layout(data)
    unseen = unseen_images(bundle, layout, reserve_test=settings.reserve_test, seed=settings.seed)
    _check(unseen, layout, settings)
    scores = score_images(bundle, [*unseen.good, *unseen.defective], progress)
    keys = {
        key: choose(
            settings,
            each.good,
            each.defective,
            each.pixels,
            progress,
            before=bundle.decision.limits[key],
        )
        for key, each in scores.by_key.items()
    }
    count = len(next(iter(scores.by_key.values())).good)
    source = f"{count} good images that neither training nor stopping used"
    if unseen.defective:
        source += f" and {len(unseen.defective)} defective ones"
    if unseen.reserved:
        source += f"; {len(unseen.reserved)} of them from test/, reserved by seed {settings.seed}"
    numbers = {
        "used_by_training": unseen.used_by_training,
        "also_in_test": unseen.also_in_test,
        "repeated": unseen.repeated,
        "unfit": scores.unfit,
        "not_run": scores.not_run,
        "training_found": unseen.training_found,
    }
    return _compose(bundle, settings, keys, source, "", numbers, unseen.ids, reserved=unseen.reserved)


def choose_from_production(
    bundle: Bundle,
    key: str,
    good: Sequence[float],
    defective: Sequence[float],
    settings: ThresholdSettings,
    source: str,
    provisional: str = "",
) -> Choice:
    """Choose limits by the scores of production under one key; `source` says which and what was assumed.

    `provisional` says why they decide nothing for good even if they are enough.

    The low limit stays, the lowest of so many scores may be an empty place; unless it is not under the new
    threshold. Raises CalibrationError.
    """
    if key not in bundle.decision.limits:
        raise CalibrationError(
            f"{bundle.folder}: has no limits for {key}. Choose one of {', '.join(bundle.decision.limits)}."
        )
    if settings.method in NEEDS_DEFECTS and not defective:
        raise CalibrationError(f"--method {settings.method} needs defective parts: name them with --bad.")
    before = bundle.decision.limits[key]
    chosen = choose(settings, good, defective, before=before, keep_low_limit=True)
    return _compose(bundle, settings, {key: chosen}, source, provisional, {}, (), reserved=())


def put_in_force(bundle: Bundle, choice: Choice, *, why: str, by: str) -> Bundle:
    """Write a choice as the bundle's next decision; the one before is kept. Raises BundleError."""
    return adjust_limits(
        bundle.folder,
        choice.limits,
        how=choice.how,
        why=why,
        by=by,
        provisional=choice.provisional,
        reserved=choice.reserved,
        chosen_by=choice.chosen_by,
    )


def _check(unseen: Unseen, layout: Layout, settings: ThresholdSettings) -> None:
    """Refuse a sample that cannot answer what was asked, and say what would."""
    if not unseen.good:
        raise CalibrationError(
            f"{layout.source}: no good image that training did not use ({unseen.used_by_training} were used"
            f" by it, {unseen.also_in_test} stand in test/). Put other good images in validation/good, or use"
            " --folds."
        )
    if settings.method in NEEDS_DEFECTS and not unseen.defective:
        remedy = "Put defective parts in validation/<kind>"
        if any(test.defective for test in layout.test):
            remedy += ", or let --reserve-test take a seeded half of test/ (evaluate measures on the other)"
        raise CalibrationError(
            f"{layout.source}: --method {settings.method} needs defective parts. {remedy}."
        )


def _by_folds(
    bundle: Bundle, data: Path, settings: ThresholdSettings, progress: StepProgress | None
) -> Choice:
    good = good_outside_test(read_layout(data))
    if not good:
        raise CalibrationError(f"{data}: no good images outside test/. Put some in train/good.")
    plan = plan_folds(bundle, good, settings.folds, settings.seed, settings.vgg19, progress)
    # What would refuse the scores in the end is asked before the trainings.
    if settings.method == "tail":
        check_tail(len(plan.images), settings.false_reject_rate)
    unseen = _places_unseen(bundle, plan.images)
    folded = fold_scores(plan, progress)
    comparison = _against_own(bundle, folded, unseen)
    check_siblings(folded.medians, comparison)
    before = bundle.decision.limits
    keys = {key: choose(settings, scores, [], before=before[key]) for key, scores in folded.by_key.items()}
    source = (
        f"{len(folded.images)} good images, each scored by the one of {settings.folds} sibling models (same"
        f" recipe and seed, dealt by seed {settings.seed}) that did not see it; they are not scores of this"
        f" bundle's model; of parts that this model did not see either, they are {comparison:.3f} times"
        " its own (median)"
    )
    provisional = f"its scores are those of {settings.folds} sibling models; production must confirm them"
    numbers = {
        "folds": settings.folds,
        "unfit": len(good) - len(folded.images),
        "not_run": plan.not_run,
        "resumed": folded.resumed,
        "sibling_to_own_median": comparison,
    }
    ids = tuple(image.id for image in folded.images)
    return _compose(bundle, settings, keys, source, provisional, numbers, ids, reserved=())


def check_siblings(medians: Sequence[float], comparison: float) -> None:
    """Refuse siblings whose scores are on another scale than the bundle's, or than one another's.

    Their threshold would be as far off, and one that is too high lets defective parts through.
    """
    middle = float(np.median(medians))
    ratios = [comparison, *(median / middle for median in medians)]
    if all(1 / MOST_DIFFERENT <= ratio <= MOST_DIFFERENT for ratio in ratios):
        return
    raise CalibrationError(
        f"the sibling models do not score as this one does: {comparison:.2f} times its scores of unseen"
        f" parts, fold medians from {min(medians):.4g} to {max(medians):.4g}. This training's result moves"
        " too much from run to run for k-fold scores. Train longer or with more images, or choose without"
        " --folds."
    )


def _places_unseen(bundle: Bundle, images: Sequence[Image]) -> list[int]:
    """Return where the images stand that the bundle's model did not see.

    Raises CalibrationError if there are none.
    """
    seen = seen_by_training(bundle)
    places = [place for place, image in enumerate(images) if image.id not in seen]
    if not places:
        raise CalibrationError(
            "no good part that training did not use, to hold the sibling models against this one by."
            " Put one or more in validation/good."
        )
    return places


def _against_own(bundle: Bundle, folded: FoldScores, unseen: Sequence[int]) -> float:
    """Return the median of sibling's score / own score, over the parts at the places `unseen`."""
    own = score_images(bundle, [folded.images[place] for place in unseen]).by_key
    key = next(iter(own))
    siblings = [folded.by_key[key][place] for place in unseen]
    return float(np.median(np.divide(siblings, own[key].good)))


def _compose(
    bundle: Bundle,
    settings: ThresholdSettings,
    keys: dict[str, KeyChoice],
    source: str,
    provisional: str,
    numbers: dict[str, Any],
    chosen_by: tuple[str, ...],
    *,
    reserved: tuple[str, ...],
) -> Choice:
    """Put limits and words together: what was measured, what was carried over, what is not supported."""
    measured = {key: each.limits for key, each in keys.items()}
    carried, left = carry_over(bundle.manifest, measured, bundle.decision.limits)
    if recheck_kept(settings):
        carried = {
            key: with_recheck(limits, bundle.decision.limits[key].recheck) for key, limits in carried.items()
        }
    count = int(next(iter(keys.values())).numbers["good"])
    doubts = [provisional, *lacking(settings, keys)]
    doubts += [f"{key} was not measured and keeps its limits of before" for key in left]
    rate, confidence = percent(settings.false_reject_rate), percent(settings.confidence)
    supportable = percent(supportable_rate(count, settings.confidence))
    formula = f"1 - {1 - settings.confidence:.3g}^(1/{count})"
    wanted = "" if settings.method in NEEDS_DEFECTS else f", false-reject rate {rate}"
    sentences = [
        f"method {settings.method}{wanted}, confidence {confidence}, from {source}",
        f"{count} good parts support {supportable} at the best ({formula})",
        checked(settings),
        *(f"{key}: {each.how}" for key, each in keys.items()),
        f"seed {settings.seed}, {datetime.now(timezone.utc).date().isoformat()}",
    ]
    left_out = _left_out(numbers)
    if left_out:
        sentences.append(f"images left out: {left_out}")
    if carried:
        sentences.append(f"carried over by the golden scores, not measured: {', '.join(carried)}")
    return Choice(
        limits=measured | carried,
        keys=keys,
        how=". ".join(sentences),
        provisional="; ".join(text for text in doubts if text),
        reserved=reserved,
        chosen_by=tuple(sorted(chosen_by)),
        numbers=numbers | {"carried_over": list(carried), "not_carried_over": left},
        left_out=left_out,
    )


def _left_out(numbers: dict[str, Any]) -> str:
    words = {
        "used_by_training": "used by training",
        "also_in_test": "also in test/",
        "repeated": "repeated",
        "unfit": "unfit to be judged",
    }
    return ", ".join(f"{numbers[name]} {text}" for name, text in words.items() if numbers.get(name))
