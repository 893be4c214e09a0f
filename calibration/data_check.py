"""Checks a data folder before anyone trains on it, and says everything wrong at once."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from inspectd.calibration.data import FEWEST_IMAGES, split_good
from inspectd.calibration.data_images import Look, look_at_all
from inspectd.calibration.findings import Finding, error, warning
from inspectd.calibration.layout import Layout, survey_layout
from inspectd.calibration.layout_check import check_folders, means_good
from inspectd.calibration.mask_check import check_shared, check_truth, check_unmasked
from inspectd.calibration.outliers import near_duplicates, strangers
from inspectd.calibration.rates import supportable_rate

FEW_IMAGES = 50
# So many images of another size are each named; more of them are told in one line.
_MOST_NAMED = 20
_MANY_TIMES = 20

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class DataReport:
    """What a check found. Counts are of readable images, by split and kind."""

    source: Path
    form: str
    counts: dict[str, dict[str, int]]
    size: Size | None
    """The usual height and width, px, of the good images to train with; None without any."""
    sizes: int
    threshold_parts: int
    """Good images that a training would keep for the threshold."""
    supported_rate: float | None
    """Rate of false rejects that they can prove, with none of them rejected; None without any."""
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> int:
        """How many findings must be mended before training."""
        return sum(finding.severity == "error" for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON."""
        return {
            "data": str(self.source),
            "form": self.form,
            "ok": not self.errors,
            "images": self.counts,
            "usual_size": None if self.size is None else {"width": self.size[1], "height": self.size[0]},
            "sizes": self.sizes,
            "threshold_parts": self.threshold_parts,
            "supported_false_reject_rate": self.supported_rate,
            "errors": self.errors,
            "warnings": len(self.findings) - self.errors,
            "findings": [finding.to_json() for finding in self.findings],
        }


def check_data(
    source: Path, *, mixed_sizes: bool = False, advance: Callable[[int, int], None] | None = None
) -> DataReport:
    """Check a folder or CSV list as `layout` reads it. Raises nothing for what is wrong with the data.

    `mixed_sizes`: images may differ in size, as a training may allow. `advance(done, total)` counts images.
    """
    layout, problems = survey_layout(source)
    found = [error("layout", problem.where, problem.what, problem.remedy) for problem in problems]
    found += check_folders(layout)
    looks, of_images = look_at_all(layout, advance or (lambda _done, _total: None))
    found += of_images
    good = [look for look in looks if look.split == "train"]
    if source.exists():
        found += _check_count(layout, len(good))
    if not mixed_sizes:
        found += _check_sizes(source, looks)
    found += _check_copies(looks)
    found += _check_likeness(looks)
    labelled = (*layout.validation, *layout.test)
    found += check_unmasked(entry for entry in labelled if not means_good(entry.kind))
    found += check_shared(((look.entry, look.sha256) for look in looks), layout)
    found += check_truth(layout)
    parts = len(split_good(len(good), 0).threshold) if len(good) >= FEWEST_IMAGES else 0
    sizes = Counter(look.size for look in good)
    return DataReport(
        source=source,
        form=layout.form,
        counts=_count(looks),
        size=sizes.most_common(1)[0][0] if sizes else None,
        sizes=len(sizes),
        threshold_parts=parts,
        supported_rate=supportable_rate(parts) if parts else None,
        findings=tuple(sorted(found, key=lambda finding: finding.severity)),
    )


def _count(looks: Iterable[Look]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {"train": {}, "validation": {}, "test": {}}
    for look in looks:
        of_split = counts[look.split]
        of_split[look.entry.kind] = of_split.get(look.entry.kind, 0) + 1
    return counts


def _check_count(layout: Layout, count: int) -> list[Finding]:
    if count < FEWEST_IMAGES:
        what = f"{count} good images to train with; at least {FEWEST_IMAGES} are needed"
        return [error("too_few", layout.source, what, "Take more, of good parts only.")]
    if count < FEW_IMAGES:
        parts = len(split_good(count, 0).threshold)
        what = (
            f"{count} good images are few: {parts} of them set the threshold, and prove no false-reject rate"
            f" below {supportable_rate(parts):.0%}"
        )
        remedy = f"Take {FEW_IMAGES} or more, or let production complete the threshold."
        return [warning("few", layout.source, what, remedy)]
    return []


def _check_sizes(source: Path, looks: list[Look]) -> list[Finding]:
    of_train = Counter(look.size for look in looks if look.split == "train")
    if not of_train:
        return []
    usual, of_usual = of_train.most_common(1)[0]
    others = [look for look in looks if look.size != usual]
    remedy = "Use images of one camera at one setting, or train with --mixed-sizes."
    if len(others) <= _MOST_NAMED:
        what = f"the usual size is {_px(usual)}"
        return [error("size", look.entry.file, f"{_px(look.size)}; {what}", remedy) for look in others]
    sizes = sorted({look.size for look in looks}, key=lambda size: size[0] * size[1])
    text = (
        f"{len(others)} of {len(looks)} images differ from the usual size, {_px(usual)} ({of_usual} good"
        f" ones): {len(sizes)} sizes from {_px(sizes[0])} to {_px(sizes[-1])}"
    )
    return [error("size", source, text, remedy)]


def _px(size: Size) -> str:
    return f"{size[1]}x{size[0]} px"


def _check_copies(looks: list[Look]) -> list[Finding]:
    """Find images with the same content as one before."""
    seen: dict[str, Look] = {}
    found: list[Finding] = []
    for look in looks:
        first = seen.setdefault(look.sha256, look)
        if first is look:
            continue
        file, what = look.entry.file, f"is the same picture as {first.entry.file}"
        if first.entry.defective != look.entry.defective:
            remedy = "See which of the two it is, and remove the other."
            found.append(error("two_labels", file, f"{what}, once good and once defective", remedy))
        elif first.split != look.split:
            what += f", which is for {first.split}: figures measured on it promise too much"
            found.append(error(f"{first.split}_in_{look.split}", file, what, "Remove one of the two."))
        else:
            remedy = "Remove one of the two."
            found.append(warning("duplicate", file, f"{what}, and counts twice", remedy))
    return found


def _check_likeness(looks: list[Look]) -> list[Finding]:
    """Find images of another product among the good, and images that are nearly the same."""
    seen: set[str] = set()
    each = [look for look in looks if not (look.sha256 in seen or seen.add(look.sha256))]
    good = [look for look in each if look.split == "train"]
    if not good:
        return []
    found: list[Finding] = []
    for stranger in strangers(np.stack([look.small for look in good])):
        times = f"{stranger.times:.1f}" if stranger.times < _MANY_TIMES else f"over {_MANY_TIMES}"
        what = f"looks unlike the other good images: {times} times as far from them as usual"
        remedy = "See whether it shows another product or a bad picture, and move it away if so."
        found.append(warning("stranger", good[stranger.index].entry.file, what, remedy))
    of_class = np.array([look.split == "train" for look in each])
    pairs = near_duplicates(np.stack([look.small for look in each]), of_class)
    like: dict[int, list[int]] = defaultdict(list)
    for earlier, later in pairs:
        like[later].append(earlier)
    for later, earlier in sorted(like.items()):
        more = f" and {len(earlier) - 1} more" if len(earlier) > 1 else ""
        what = f"is nearly the same picture as {each[earlier[0]].entry.file}{more}"
        remedy = "Keep one of each part: two say no more than one, and flatter what is measured."
        found.append(warning("near_duplicate", each[later].entry.file, what, remedy))
    return found
