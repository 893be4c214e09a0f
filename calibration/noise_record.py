"""A study as it is told: its trials, its best rate, what was maximised and what that does not say."""

from __future__ import annotations

from datetime import datetime, timezone
from importlib.metadata import version
from typing import TYPE_CHECKING

from inspectd.calibration.noise_choice import choose_best, trials_of
from inspectd.calibration.noise_result import NoiseResult

if TYPE_CHECKING:
    from optuna.study import Study

    from inspectd.calibration.noise_plan import Plan

_SYNTHETIC = (
    "No labelled defects in validation/: the rates were ranked by synthetic defects, pasted into"
    " held-out good images. Real ones may look otherwise: put some into validation/ and search again as"
    " soon as there are any."
)
_SEEN_BEFORE = (
    " This profile also trains against synthetic defects of the same kind, which flatters every figure here."
)
_FEW = 10
_LEFT_OUT = (
    "Images of validation/ left out, since by content they are repeated, or also in train/ or test/: {count}."
)
_NO_MASKS = "The defects in validation/ have no masks: the image AUROC alone was maximised."


def record_of(plan: Plan, study: Study) -> NoiseResult:
    """Return the study as far as it has come."""
    settings, ranking = plan.settings, plan.ranking
    trials = trials_of(study)
    defective = int(ranking.defective.sum())
    return NoiseResult(
        class_name=settings.class_name,
        measured_on=ranking.measured_on,
        maximised=_maximised(plan),
        caveat=_caveat(plan),
        good=len(ranking.images) - defective,
        defective=defective,
        ranked_by=tuple(sorted(each.id for each in plan.validation)),
        left_out=plan.left_out,
        low=settings.low,
        high=settings.high,
        steps=plan.schedule.steps,
        seed=settings.training.seed,
        seeds=settings.seeds,
        preset=plan.preset,
        recipe=plan.recipe.model_dump(mode="json"),
        data_sha256=plan.data_sha256,
        trials=trials,
        best=choose_best(trials, settings.low, settings.high),
        code_version=version("inspectd"),
        written_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )


def _maximised(plan: Plan) -> str:
    what = "mean of image and pixel AUROC" if plan.ranking.has_pixels else "image AUROC"
    on = {
        "validation": "labelled images in validation/",
        "synthetic": "synthetic defects in held-out good images",
    }[plan.ranking.measured_on]
    return f"{what} on {on}, averaged over each training's last looks"


def _caveat(plan: Plan) -> str:
    texts = [f"Each training had {plan.schedule.steps} steps; a longer one may be best at another rate."]
    if plan.ranking.measured_on == "synthetic":
        texts.insert(0, _SYNTHETIC + (_SEEN_BEFORE if plan.recipe.synthetic else ""))
    elif not plan.ranking.has_pixels:
        texts.insert(0, _NO_MASKS)
    if plan.left_out:
        texts.append(_LEFT_OUT.format(count=plan.left_out))
    good = len(plan.ranking.images) - int(plan.ranking.defective.sum())
    if min(good, len(plan.ranking.images) - good) < _FEW:
        texts.append(f"Fewer than {_FEW} good or defective images to rank by: more would tell rates apart.")
    return " ".join(texts)
