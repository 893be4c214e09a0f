"""Which images there are and what they show: a folder of good images, MVTec AD's layout, or a CSV list.

In MVTec's layout `train/good/` holds good images, `test/good/` and `test/<kind>/` the images to measure on,
and `ground_truth/<kind>/<name>_mask.png` says where a defect is (anything but 0). Here it may also have
`validation/good/` and `validation/<kind>/`, to choose noise and threshold by, used neither to train nor to
measure. Images of both splits take their masks from the same `ground_truth/<kind>/`. Where both have an image
of one name, a split may have masks of its own, which go before those: `validation/ground_truth/<kind>/`,
`test/ground_truth/<kind>/`.

A CSV list has the columns path and label ("good" or the defect's kind), and may have split (train, validation
or test) and mask; its paths are taken from its own folder.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from inspectd.calibration.errors import CalibrationError

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}
GOOD = "good"
TRUTH = "ground_truth"
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Labelled:
    """An image with what it shows. `kind` is "good" or the defect's; `mask` is None if it has none."""

    file: Path
    kind: str
    mask: Path | None = None

    @property
    def defective(self) -> bool:
        """Whether the part is to be rejected."""
        return self.kind != GOOD


@dataclass(frozen=True, slots=True)
class LayoutProblem:
    """Something in the way of reading a layout."""

    where: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}. {self.remedy}"


@dataclass(frozen=True, slots=True)
class Layout:
    """All images of a product class. `good` are those to train with; each list in a stable order."""

    source: Path
    form: Literal["plain", "mvtec", "csv"]
    good: tuple[Path, ...]
    validation: tuple[Labelled, ...] = ()
    test: tuple[Labelled, ...] = ()


def read_layout(source: Path) -> Layout:
    """List the images of a folder or a CSV file; opens none of them.

    Raises CalibrationError, naming the place and the remedy, if the source is neither, or if images lie where
    nothing says what they show.
    """
    layout, problems = survey_layout(source)
    if problems:
        raise CalibrationError(str(problems[0]))
    return layout


def survey_layout(source: Path) -> tuple[Layout, tuple[LayoutProblem, ...]]:
    """Do as `read_layout`, but leave out what cannot be read and tell all of it. Raises nothing."""
    problems: list[LayoutProblem] = []
    if source.is_file() and source.suffix.lower() == ".csv":
        return _read_csv(source, problems), tuple(problems)
    if not source.is_dir():
        remedy = "Name a folder of images of good parts, or a CSV list (.csv)."
        return Layout(source, "plain", ()), (LayoutProblem(str(source), "no such folder", remedy),)
    validation, test = (_labelled_in(source, split, problems) for split in ("validation", "test"))
    named = next((good for good in (source / "train" / GOOD, source / GOOD) if good.is_dir()), None)
    good = tuple(_list(named or source, problems))
    form = "mvtec" if named or validation or test else "plain"
    return Layout(source, form, good, validation, test), tuple(problems)


def images_in(folder: Path) -> list[Path]:
    """Return the image files that lie in a folder itself, by name. Raises OSError if it cannot be listed."""
    return sorted(path for path in folder.iterdir() if path.is_file() and path.suffix.lower() in SUFFIXES)


def _list(folder: Path, problems: list[LayoutProblem]) -> list[Path]:
    try:
        return images_in(folder)
    except OSError as error:
        problems.append(_unlisted(folder, error))
        return []


def _unlisted(folder: Path, error: OSError) -> LayoutProblem:
    return LayoutProblem(
        str(folder), f"cannot be listed ({error.strerror})", "Give this user the right to read it."
    )


def _labelled_in(source: Path, split: str, problems: list[LayoutProblem]) -> tuple[Labelled, ...]:
    folder = source / split
    if not folder.is_dir():
        return ()
    remedy = f"Move it to {split}/{GOOD} or {split}/<kind>."
    loose = _list(folder, problems)
    problems += [LayoutProblem(str(file), "lies beside the kinds' folders", remedy) for file in loose]
    try:
        kinds = sorted(kind for kind in folder.iterdir() if kind.is_dir() and kind.name != TRUTH)
    except OSError:
        return ()  # told above
    return tuple(
        Labelled(file, kind.name, _mask_of(source, split, kind.name, file.stem))
        for kind in kinds
        for file in _list(kind, problems)
    )


def _mask_of(source: Path, split: str, kind: str, stem: str) -> Path | None:
    if kind == GOOD:
        return None
    places = (source / split / TRUTH / kind, source / TRUTH / kind)
    candidates = (place / f"{stem}{end}.png" for place in places for end in ("_mask", ""))
    return next((mask for mask in candidates if mask.is_file()), None)


def _read_csv(source: Path, problems: list[LayoutProblem]) -> Layout:
    good: list[Path] = []
    labelled: dict[str, list[Labelled]] = {"validation": [], "test": []}
    try:
        with source.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            if not {"path", "label"} <= set(rows.fieldnames or ()):
                what = "has no columns path and label"
                problems.append(LayoutProblem(f"{source}:1", what, "Give it that first line."))
                return Layout(source, "csv", ())
            for row in rows:
                path, label, mask = ((row.get(name) or "").strip() for name in ("path", "label", "mask"))
                split = (row.get("split") or "").strip() or ("train" if label == GOOD else "test")
                problem = _row_problem(path, label, split)
                if problem:
                    problems.append(LayoutProblem(f"{source}:{rows.line_num}", *problem))
                elif split == "train":
                    good.append(source.parent / path)
                else:
                    entry = Labelled(source.parent / path, label, source.parent / mask if mask else None)
                    labelled[split].append(entry)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        problems.append(LayoutProblem(str(source), f"cannot be read ({error})", "Save it as CSV in UTF-8."))
    return Layout(source, "csv", tuple(good), tuple(labelled["validation"]), tuple(labelled["test"]))


def _row_problem(path: str, label: str, split: str) -> tuple[str, str] | None:
    """Say what is wrong with a row and what would be right; None if nothing is."""
    if not path or not label:
        return "path or label is empty", "Fill in both."
    if split not in SPLITS or (split == "train" and label != GOOD):
        return f"split {split!r} for label {label!r}", "Choose train (good images only), validation or test."
    return None
