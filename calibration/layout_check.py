"""What is wrong with the folders of a data set, before any image is opened.

A folder whose name is misspelt is not refused by training: its images are not seen, or, under `test`, are
measured as a kind of defect. That is what is looked for here.
"""

from __future__ import annotations

from collections import Counter
from difflib import get_close_matches
from pathlib import Path

from inspectd.calibration.findings import Finding, error, warning
from inspectd.calibration.layout import GOOD, SUFFIXES, TRUTH, Layout, images_in

_PLACES = ("train", "validation", "test", TRUTH, GOOD)
_SAME_AS = {
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "testing": "test",
    "groundtruth": TRUTH,
    "mask": TRUTH,
    "masks": TRUTH,
    "truth": TRUTH,
}
_GOOD_WORDS = {"good", "goods", "ok", "normal", "pass", "passed", "io", "gut"}
_CLOSE = 0.8
_CLOSE_PLACE = 0.75
# Images that this version does not read; other files beside the images (notes, licences) are nobody's error.
_UNREAD = {".gif", ".heic", ".heif", ".avif", ".jp2", ".ppm", ".pgm", ".dng", ".raw", ".npy", ".exr"}


def check_folders(layout: Layout) -> list[Finding]:
    """Find folders misspelt, empty, or not looked into; in a CSV list, labels misspelt."""
    if layout.form == "csv":
        return _check_labels(layout)
    if not layout.source.is_dir():
        return []
    source = layout.source
    found = _check_top(layout)
    found += _check_train(source)
    for split in ("validation", "test"):
        found += _check_kinds(source, split)
    used = {file.parent for file in layout.good} | {
        entry.file.parent for entry in (*layout.validation, *layout.test)
    }
    for folder in sorted(used):
        found += _check_used(folder)
    return found


def means_good(name: str) -> bool:
    """Whether a name is not `good` and can only be a slip or another word for it."""
    return name != GOOD and (
        name.lower() in _GOOD_WORDS or bool(get_close_matches(name.lower(), [GOOD], 1, _CLOSE))
    )


def _check_labels(layout: Layout) -> list[Finding]:
    labels = sorted({entry.kind for entry in (*layout.validation, *layout.test)})
    remedy = f"Write {GOOD} if these are good parts, or else what the defect is."
    return [
        error("misspelt_label", layout.source, f"label {label!r} counts as a kind of defect", remedy)
        for label in labels
        if means_good(label)
    ]


def _check_top(layout: Layout) -> list[Finding]:
    found: list[Finding] = []
    for folder in _folders(layout.source):
        if folder.name in _PLACES:
            continue
        meant = _meant(folder.name)
        if meant and _holds_images(folder):
            found.append(
                error("misspelt_folder", folder, f"is not looked into; {meant} is", f"Rename it to {meant}.")
            )
        elif _holds_images(folder) and layout.form == "mvtec":
            remedy = "Move its images into train, validation or test, or leave it as it is."
            found.append(warning("ignored", folder, "holds images, and is not looked into", remedy))
        elif _holds_images(folder) and not layout.good:
            remedy = f"Name {folder} itself, or move its images into train/{GOOD}."
            found.append(error("ignored", folder, "holds images, and is not looked into", remedy))
    named = [folder for folder in (layout.source / "train" / GOOD, layout.source / GOOD) if folder.is_dir()]
    unused = [*named[1:], *([layout.source] if named else [])]
    for folder in unused:
        if images := _images(folder):
            what = f"{len(images)} images here are not used: the good ones are taken from {named[0]}"
            found.append(warning("ignored", folder, what, "Move them there, or away."))
    return found


def _meant(name: str) -> str:
    plain = name.lower().replace("-", "_").replace(" ", "_")
    if means_good(name):
        return GOOD
    if plain in _SAME_AS:
        return _SAME_AS[plain]
    return next(iter(get_close_matches(plain, _PLACES, 1, _CLOSE_PLACE)), "")


def _check_train(source: Path) -> list[Finding]:
    train = source / "train"
    if not train.is_dir():
        return []
    found: list[Finding] = []
    if loose := _images(train):
        what = f"{len(loose)} images lie in train itself, where they are not looked for"
        found.append(error("misplaced", train, what, f"Move good ones into train/{GOOD}."))
    for folder in _folders(train):
        if means_good(folder.name):
            what = f"is not looked into; train/{GOOD} is"
            found.append(error("misspelt_folder", folder, what, f"Rename it to {GOOD}."))
        elif folder.name != GOOD and _holds_images(folder):
            remedy = f"Move defective ones to validation/{folder.name} or test/{folder.name}."
            found.append(warning("ignored", folder, "is not used: training takes good images only", remedy))
    return found


def _check_kinds(source: Path, split: str) -> list[Finding]:
    found: list[Finding] = []
    for folder in _folders(source / split):
        if folder.name == TRUTH:
            continue
        if means_good(folder.name):
            what = f"counts as a kind of defect named {folder.name!r}"
            remedy = f"Rename it to {GOOD} if it holds good parts, or else to what the defect is."
            found.append(error("misspelt_folder", folder, what, remedy))
        if not _images(folder):
            found.append(warning("empty_folder", folder, "holds no image", "Fill it or remove it."))
    return found


def _check_used(folder: Path) -> list[Finding]:
    """Find what lies among a folder's images and is not read."""
    found: list[Finding] = []
    for inner in _folders(folder):
        if _holds_images(inner):
            what = f"holds images, and is not looked into: they must lie in {folder.name} itself"
            found.append(warning("ignored", inner, what, "Move them up, or away."))
    unread = Counter(file.suffix.lower() for file in _files(folder) if file.suffix.lower() in _UNREAD)
    for suffix, count in sorted(unread.items()):
        remedy = f"Export them as {', '.join(sorted(SUFFIXES))}, or move them away."
        found.append(warning("ignored", folder, f"{count} {suffix} files are not read", remedy))
    return found


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_file())
    except OSError:  # the layout's own survey tells it
        return []


def _folders(folder: Path) -> list[Path]:
    try:
        inner = sorted(folder.iterdir())
    except OSError:  # not there, or told by the layout's own survey
        return []
    return [path for path in inner if path.is_dir() and not path.name.startswith(".")]


def _images(folder: Path) -> list[Path]:
    try:
        return images_in(folder)
    except OSError:  # likewise
        return []


def _holds_images(folder: Path) -> bool:
    """Whether there are images in a folder or right below it."""
    return any(_images(place) for place in (folder, *_folders(folder)))
