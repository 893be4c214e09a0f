"""Which images there are and what they show: a folder of good images, MVTec AD's layout, or a CSV list.

In MVTec's layout `train/good/` holds good images, `test/good/` and `test/<kind>/` the images to measure on,
and `ground_truth/<kind>/<name>_mask.png` says where a defect is (anything but 0). Here it may also have
`validation/good/` and `validation/<kind>/`, to choose noise and threshold by, used neither to train nor to
measure. A CSV list has the columns path and label ("good" or the defect's kind), and may have split (train,
validation or test) and mask; its paths are taken from its own folder.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from inspectd.calibration.errors import CalibrationError

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}
GOOD = "good"
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
    if source.is_file() and source.suffix.lower() == ".csv":
        return _read_csv(source)
    if not source.is_dir():
        raise CalibrationError(
            f"{source}: no such folder. Name a folder of images of good parts, or a CSV list (.csv)."
        )
    validation, test = (_labelled_in(source, split) for split in ("validation", "test"))
    for good in (source / "train" / GOOD, source / GOOD):
        if good.is_dir():
            return Layout(source, "mvtec", tuple(images_in(good)), validation, test)
    plain = tuple(images_in(source))
    return Layout(source, "mvtec" if validation or test else "plain", plain, validation, test)


def images_in(folder: Path) -> list[Path]:
    """Return the image files that lie in a folder itself, by name."""
    return sorted(path for path in folder.iterdir() if path.is_file() and path.suffix.lower() in SUFFIXES)


def _labelled_in(source: Path, split: str) -> tuple[Labelled, ...]:
    folder = source / split
    if not folder.is_dir():
        return ()
    if loose := images_in(folder):
        raise CalibrationError(
            f"{loose[0]}: lies beside the kinds' folders. Move it to {split}/{GOOD} or {split}/<kind>."
        )
    return tuple(
        Labelled(file, kind.name, _mask_of(source, kind.name, file.stem))
        for kind in sorted(folder.iterdir())
        if kind.is_dir()
        for file in images_in(kind)
    )


def _mask_of(source: Path, kind: str, stem: str) -> Path | None:
    if kind == GOOD:
        return None
    candidates = (source / "ground_truth" / kind / f"{stem}{end}.png" for end in ("_mask", ""))
    return next((mask for mask in candidates if mask.is_file()), None)


def _read_csv(source: Path) -> Layout:
    good: list[Path] = []
    labelled: dict[str, list[Labelled]] = {"validation": [], "test": []}
    try:
        with source.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            if not {"path", "label"} <= set(rows.fieldnames or ()):
                raise CalibrationError(f"{source}:1: has no columns path and label. Give it that first line.")
            for row in rows:
                where = f"{source}:{rows.line_num}"
                path, label, mask = ((row.get(name) or "").strip() for name in ("path", "label", "mask"))
                split = (row.get("split") or "").strip() or ("train" if label == GOOD else "test")
                if not path or not label:
                    raise CalibrationError(f"{where}: path or label is empty. Fill in both.")
                if split not in SPLITS or (split == "train" and label != GOOD):
                    raise CalibrationError(
                        f"{where}: split {split!r} for label {label!r}. Choose train (good images only),"
                        " validation or test."
                    )
                if split == "train":
                    good.append(source.parent / path)
                else:
                    entry = Labelled(source.parent / path, label, source.parent / mask if mask else None)
                    labelled[split].append(entry)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CalibrationError(f"{source}: cannot be read ({error}). Save it as CSV in UTF-8.") from error
    return Layout(source, "csv", tuple(good), tuple(labelled["validation"]), tuple(labelled["test"]))
