"""Which test images a bundle may be measured on: none that helped to make it or to choose its limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspectd.calibration.contents import short_id
from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.sigma_origin import ranked_by

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from inspectd.calibration.layout import Labelled
    from inspectd.inference.bundle import Bundle

_TRAINED = "images used in training"
_CHOSE = "images by which limits were chosen"
_RANKED = "images by which the noise rate was chosen"


@dataclass(frozen=True, slots=True)
class Selected:
    """Test images that bundles may be measured on, and how many were left out and why."""

    tests: tuple[Labelled, ...]
    reserved: int
    """Limits were chosen by them."""
    in_training: int
    """They trained the model, stopped its training or chose its noise rate."""
    warnings: tuple[str, ...]


def select_tests(data: Path, tests: Sequence[Labelled], bundles: Sequence[Bundle]) -> Selected:
    """Leave out test images that any of the bundles was made or chosen by, known by their content.

    Those of the reserved half of test/ are left out silently, as was asked for; of others a warning names
    the first. Raises CalibrationError if none is left.
    """
    trained = {each for bundle in bundles for each in trained_by(bundle)}
    reserved = {each for bundle in bundles for each in bundle.decision.reserved}
    chose = {each for bundle in bundles for each in chosen_by(bundle)}
    ranked = {each for bundle in bundles for each in ranked_by(bundle.manifest)}
    left: list[Labelled] = []
    held_back = 0
    found: dict[str, list[Path]] = {_TRAINED: [], _CHOSE: [], _RANKED: []}
    for test in tests:
        short = short_id(test.file)
        if short in trained:
            found[_TRAINED].append(test.file)
        elif short in reserved:
            held_back += 1
        elif short in chose:
            found[_CHOSE].append(test.file)
        elif short in ranked:
            found[_RANKED].append(test.file)
        else:
            left.append(test)
    trained_on, chosen, rated = (len(files) for files in found.values())
    if not left:
        raise CalibrationError(
            f"{data}: no test image is left to measure on: {held_back + chosen} chose the limits in force,"
            f" {trained_on + rated} were used in training. Add test images that the bundle has not seen."
        )
    warnings = tuple(
        f"{len(files)} test images are the same as {what} and were left out, first {files[0]}."
        " Keep test images apart from those to train with and from validation/."
        for what, files in found.items()
        if files
    )
    return Selected(tuple(left), held_back + chosen, trained_on + rated, warnings)


def chosen_by(bundle: Bundle) -> set[str]:
    """Return the ids of all images by which limits of a bundle were chosen, now or before."""
    # A decision of an older program has the reserved half of test/ alone.
    return {*bundle.decision.chosen_by, *bundle.decision.reserved}


def trained_by(bundle: Bundle) -> set[str]:
    """Return the ids of all images that a bundle was made from; none for a bundle that lists none."""
    return {each for ids in image_ids(bundle).values() for each in ids}


def image_ids(bundle: Bundle) -> dict[str, tuple[str, ...]]:
    """Return the ids of the good images of each part (train, stopping, threshold); empty if none are kept."""
    images = bundle.manifest.training.get("images")
    if not isinstance(images, dict):
        return {}
    return {part: tuple(str(each) for each in ids) for part, ids in images.items() if isinstance(ids, list)}
