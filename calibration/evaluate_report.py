"""What `evaluate` finds: `EvaluateReport`, with an `ImageResult` for each image in `per_image`.

`per_image` holds what histograms, ROC and PR curves and galleries are drawn from.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inspectd.calibration.metrics import (
    Agreement,
    BestF1,
    average_precision,
    best_f1,
    image_auroc,
    percentiles,
    resample,
    resampled_f1,
    resampling,
    thirds,
)
from inspectd.calibration.pixels import Counted, PixelHistogram, resampled_auroc
from inspectd.calibration.rates import Interval, Rate
from inspectd.calibration.verdicts import Verdict

if TYPE_CHECKING:
    from pathlib import Path

    from inspectd.calibration.key_scores import StepProgress
    from inspectd.inference.manifest import Limits

BOOTSTRAP_SEED = 0


@dataclass(frozen=True, slots=True)
class ImageResult:
    """One test image: its truth, its score and what the line would say of it."""

    file: str
    kind: str
    """"good" or the defect's."""
    defective: bool
    score: float
    verdict: Verdict | None
    """At the decision in force; None where no limits were given."""
    reason: str
    """Name of the verdict's reason as the record has it, e.g. OVER_THRESHOLD; NONE for ACCEPT."""
    unfit: tuple[str, ...]
    """Why the line would not judge the image; it is scored here all the same."""
    mask: Path | None
    """File of the truth, None if there is none."""
    size: float | None
    """The defect's longest extent, px of the image; None if not known."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Verdicts on good and on defective images at the decision in force, UNKNOWN apart from REJECT."""

    good: dict[str, int]
    """Good images by verdict."""
    defective: dict[str, int]
    """Defective images by verdict."""
    unknown_reasons: dict[str, int]
    """UNKNOWN images by reason: FRAME_UNFIT, RECHECK, UNDER_LOW_LIMIT."""
    escapes: Rate
    """Defective images accepted."""
    false_rejects: Rate
    """Good images rejected."""
    good_unknown: Rate
    """Good images UNKNOWN: a line rejects those too."""
    agreement: Agreement
    """Eq. 8 to 11, UNKNOWN counted as not accepted."""


@dataclass(frozen=True, slots=True)
class Group:
    """Some of the defective images against all good ones."""

    name: str
    images: int
    image_auroc: float | None
    largest_size: float | None = None
    image_auroc_interval: Interval | None = None
    escapes: Rate | None = None
    """How many of them were accepted at the decision in force."""
    unknown: int | None = None
    """How many of them were UNKNOWN at the decision in force."""


@dataclass(frozen=True, slots=True)
class EvaluateReport:
    """AUROCs and AUPRO are None where one side has no image. Sizes as in the samples; px if from masks."""

    image_auroc: float | None
    pixel_auroc: float | None
    aupro: float | None
    """Per-region overlap up to 30 % of the good pixels."""
    average_precision: float | None
    intervals: dict[str, Interval]
    """95 % intervals of figures, by their names. Accuracy, precision and recall: exact (Clopper-Pearson); the
    others: bootstrap, good and defective images drawn apart, which gives a perfect figure no width."""
    outcomes: Outcomes | None
    """At the decision in force; None where no limits were given."""
    best_f1: BestF1 | None
    limits: Limits | None
    images: int
    good: int
    defective: int
    without_mask: int
    """Defective images that count for the image's figures alone."""
    unfit: int
    """Images that the line would not judge but call UNKNOWN; scored here all the same."""
    per_kind: tuple[Group, ...]
    per_third: tuple[Group, ...]
    """Defective images of known size, in thirds from small to large."""
    larger_two_thirds_image_auroc: float | None
    seconds: float
    per_image: tuple[ImageResult, ...]
    """In the order of the data."""
    reserved: int = 0
    """Test images left out because limits of the bundle were chosen by them."""
    in_training: int = 0
    """Test images left out because they are among those that trained it or chose its noise rate."""
    warnings: tuple[str, ...] = ()

    def to_json(self, *, per_image: bool = False) -> dict[str, Any]:
        """Return the report as a JSON object, with an entry for each image if asked."""
        fields = asdict(self)
        images = [{**each, "mask": each["mask"] and str(each["mask"])} for each in fields.pop("per_image")]
        fields["limits"] = None if self.limits is None else self.limits.model_dump()
        for name in ("per_kind", "per_third", "warnings"):
            fields[name] = list(fields[name])
        return {**fields, "per_image": images} if per_image else fields


def build_report(
    results: Sequence[ImageResult],
    pixels: PixelHistogram,
    limits: Limits | None,
    without_mask: int,
    started: float,
    progress: StepProgress | None = None,
) -> EvaluateReport:
    """Compute all figures of scored images; `started` is when scoring began, monotonic."""
    scores = np.asarray([each.score for each in results], np.float64)
    defective = np.asarray([each.defective for each in results], np.bool_)
    kinds = np.asarray([each.kind for each in results])
    third_parts = thirds([each.size if each.defective else None for each in results])
    larger = np.concatenate((third_parts[1:] or third_parts) or [np.zeros(0, np.int64)])

    def group(name: str, chosen: NDArray[np.int64], largest: float | None = None) -> Group:
        return _group(name, results, scores, defective, chosen, largest)

    names = ("smallest", "middle", "largest")
    return EvaluateReport(
        image_auroc=image_auroc(scores[~defective], scores[defective]),
        pixel_auroc=pixels.auroc(),
        aupro=pixels.aupro(),
        average_precision=average_precision(scores, defective),
        intervals=_intervals(results, scores, defective, pixels, progress, judged=limits is not None),
        outcomes=None if limits is None else count_outcomes(results),
        best_f1=best_f1(scores, defective),
        limits=limits,
        images=len(results),
        good=int((~defective).sum()),
        defective=int(defective.sum()),
        without_mask=without_mask,
        unfit=sum(bool(each.unfit) for each in results),
        per_kind=tuple(
            group(str(kind), np.flatnonzero(kinds == kind)) for kind in np.unique(kinds[defective])
        ),
        per_third=tuple(
            group(name, part, results[int(part[-1])].size)
            for name, part in zip(names, third_parts, strict=False)
        ),
        larger_two_thirds_image_auroc=image_auroc(scores[~defective], scores[larger]),
        seconds=time.monotonic() - started,
        per_image=tuple(results),
    )


def count_outcomes(results: Sequence[ImageResult]) -> Outcomes:
    """Count the verdicts on images that were all judged."""
    by_truth = {
        side: Counter(each.verdict or "UNKNOWN" for each in results if each.defective == side)
        for side in (False, True)
    }
    good, bad = (
        {verdict: by_truth[side][verdict] for verdict in ("ACCEPT", "REJECT", "UNKNOWN")} for side in by_truth
    )
    goods, bads = sum(good.values()), sum(bad.values())
    reasons = Counter(each.reason for each in results if each.verdict == "UNKNOWN")
    return Outcomes(
        good=good,
        defective=bad,
        unknown_reasons=dict(sorted(reasons.items())),
        escapes=Rate.of_counts(bad["ACCEPT"], bads),
        false_rejects=Rate.of_counts(good["REJECT"], goods),
        good_unknown=Rate.of_counts(good["UNKNOWN"], goods),
        agreement=Agreement.of_counts(
            tp=bads - bad["ACCEPT"], tn=good["ACCEPT"], fp=goods - good["ACCEPT"], fn=bad["ACCEPT"]
        ),
    )


def _group(
    name: str,
    results: Sequence[ImageResult],
    scores: NDArray[np.float64],
    defective: NDArray[np.bool_],
    chosen: NDArray[np.int64],
    largest: float | None,
) -> Group:
    used = np.concatenate((np.flatnonzero(~defective), chosen))
    interval = None
    if len(used) > len(chosen):
        weights = resample(defective[used], BOOTSTRAP_SEED)
        interval = percentiles(resampled_auroc(Counted.of_scores(scores[used], defective[used]), weights))
    verdicts = Counter(results[int(index)].verdict for index in chosen)
    judged = None not in verdicts
    return Group(
        name=name,
        images=len(chosen),
        image_auroc=image_auroc(scores[~defective], scores[chosen]),
        largest_size=largest,
        image_auroc_interval=interval,
        escapes=Rate.of_counts(verdicts["ACCEPT"], len(chosen)) if judged else None,
        unknown=verdicts["UNKNOWN"] if judged else None,
    )


def _intervals(
    results: Sequence[ImageResult],
    scores: NDArray[np.float64],
    defective: NDArray[np.bool_],
    pixels: PixelHistogram,
    progress: StepProgress | None,
    *,
    judged: bool,
) -> dict[str, Interval]:
    weights = resample(defective, BOOTSTRAP_SEED)
    found: dict[str, Interval | None] = {
        "image_auroc": percentiles(resampled_auroc(Counted.of_scores(scores, defective), weights))
    }
    if pixels.auroc() is not None:
        drawn = resample(pixels.defective, BOOTSTRAP_SEED)
        tell = resampling(progress, runs=2)  # what else is drawn again takes no time
        found["pixel_auroc"] = percentiles(pixels.resampled_auroc(drawn, tell))
        found["aupro"] = percentiles(pixels.resampled_aupro(drawn, tell))
    if judged:
        positive = np.asarray([each.verdict != "ACCEPT" for each in results], np.bool_)
        found["f1"] = percentiles(resampled_f1(defective, positive, weights))
        shares = {
            "accuracy": Rate.of_counts(int((positive == defective).sum()), len(results)),
            "precision": Rate.of_counts(int((positive & defective).sum()), int(positive.sum())),
            "recall": Rate.of_counts(int((positive & defective).sum()), int(defective.sum())),
        }
        found |= {name: rate.interval for name, rate in shares.items()}
    return {name: interval for name, interval in found.items() if interval is not None}
