"""What is wrong with the masks of defective images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from inspectd.calibration.data import read_mask
from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.findings import Finding, error, warning
from inspectd.calibration.layout import GOOD, SUFFIXES, TRUTH, Labelled, Layout, images_in

# A defect that covers nearly all of a part is rare; a mask drawn the wrong way round is not.
_INVERTED = 0.9


def check_mask(entry: Labelled, size: tuple[int, int]) -> list[Finding]:
    """Check the mask of one image of this height and width, px; nothing is found where it has none."""
    if entry.mask is None:
        return []
    if not entry.defective:
        what = f"is the mask of a good image, {entry.file.name}"
        return [warning("mask_of_good", entry.mask, what, "Give the image its defect as label, or no mask.")]
    try:
        mask = read_mask(entry.mask, size)
    except CalibrationError as problem:
        what, _, rest = str(problem).removeprefix(f"{entry.mask}: ").partition(". ")
        remedy = rest or "Draw it at the image's own size."
        return [error("mask_unusable", entry.mask, what.removesuffix("."), remedy)]
    share = float(np.mean(mask))
    if share == 0:
        remedy = "Draw the defect (anything but 0), or remove the mask."
        return [error("mask_empty", entry.mask, "marks no pixel as defective", remedy)]
    if share > _INVERTED:
        what = f"marks {share:.0%} of the image as defective"
        return [warning("mask_inverted", entry.mask, what, "See whether black and white are exchanged.")]
    return []


def check_unmasked(entries: Iterable[Labelled]) -> list[Finding]:
    """Find defective images without a mask: one finding for each, one for a kind that has no mask at all."""
    kinds: dict[Path, list[Labelled]] = defaultdict(list)
    for entry in entries:
        if entry.defective:
            kinds[entry.file.parent / entry.kind].append(entry)
    remedy = "Draw masks, or do without pixel figures for them."
    found: list[Finding] = []
    for of_kind in kinds.values():
        bare = [entry for entry in of_kind if entry.mask is None]
        if len(bare) == len(of_kind) > 1:
            what = f"none of {len(bare)} images of {bare[0].kind!r} has a mask"
            found.append(warning("no_mask", bare[0].file.parent, what, remedy))
        else:
            found += [warning("no_mask", entry.file, "defective, and has no mask", remedy) for entry in bare]
    return found


def check_truth(layout: Layout) -> list[Finding]:
    """Find masks under a `ground_truth` that no image has."""
    if layout.form == "csv":
        return []
    parts = (
        (layout.source, (*layout.validation, *layout.test)),
        (layout.source / "validation", layout.validation),
        (layout.source / "test", layout.test),
    )
    found: list[Finding] = []
    for place, labelled in parts:
        truth = place / TRUTH
        if not truth.is_dir():
            continue
        try:
            found += _check_kinds(truth, labelled)
        except OSError as problem:
            remedy = "Give this user the right to read it."
            found.append(error("layout", truth, f"cannot be listed ({problem.strerror})", remedy))
    return found


def check_shared(images: Iterable[tuple[Labelled, str]], layout: Layout) -> list[Finding]:
    """Find masks that two different images take by their names; each image comes with its content's sha256.

    A CSV list names each mask, so one for several pictures of the same part is meant there.
    """
    if layout.form == "csv":
        return []
    first: dict[Path, tuple[Labelled, str]] = {}
    found: list[Finding] = []
    for entry, content in images:
        if entry.mask is None or not entry.defective:
            continue
        other, known = first.setdefault(entry.mask, (entry, content))
        if content != known:
            what = f"is another picture than {other.file}, and takes the same mask, {entry.mask}"
            remedy = f"Rename one of the two with its mask, or put its mask into {_own_truth(entry)}."
            found.append(error("mask_shared", entry.file, what, remedy))
    return found


def _own_truth(entry: Labelled) -> Path:
    """Return the folder where an image's own split has its masks."""
    return entry.file.parent.parent / TRUTH / entry.kind


def _check_kinds(truth: Path, labelled: tuple[Labelled, ...]) -> list[Finding]:
    used = {entry.mask for entry in labelled}
    kinds = {entry.kind for entry in labelled} - {GOOD}
    found: list[Finding] = []
    for folder in sorted(path for path in truth.iterdir() if path.is_dir()):
        if folder.name in kinds:
            found += [_unused(mask, folder.name) for mask in images_in(folder) if mask not in used]
        else:
            close = next(iter(get_close_matches(folder.name, sorted(kinds), 1)), "")
            remedy = f"Did you mean {close}?" if close else "Rename it to the kind's folder, or remove it."
            what = f"masks of a kind, {folder.name!r}, of which there are no images"
            found.append(warning("unknown_kind", folder, what, remedy))
    return found


def _unused(mask: Path, kind: str) -> Finding:
    if mask.suffix.lower() in SUFFIXES - {".png"}:
        return warning("mask_unused", mask, "is not a .png, and not read", "Save it as .png, without loss.")
    image = mask.stem.removesuffix("_mask")
    remedy = f"Add {kind}/{image}, rename the mask after its image, or remove it."
    return warning("mask_unused", mask, "mask without an image", remedy)
