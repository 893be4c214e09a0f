"""Which images limits may be chosen by: none that trained the model, stopped its training or measures it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from inspectd.calibration.contents import Image, distinct, one_label_each
from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.layout import GOOD, Labelled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inspectd.calibration.layout import Layout
    from inspectd.inference.bundle import Bundle


@dataclass(frozen=True, slots=True)
class Unseen:
    """The images to choose limits by, none twice by content, and what was left out."""

    good: tuple[Image, ...]
    defective: tuple[Image, ...]
    reserved: tuple[str, ...]
    """Ids of the images of test/ among them: the decision names them, and nothing measures on them."""
    used_by_training: int
    also_in_test: int
    repeated: int
    training_found: bool
    """Whether any image that trained the model is in the data, as in the data that it came from."""

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of all images to choose by."""
        return tuple(image.id for image in (*self.good, *self.defective))


def unseen_images(bundle: Bundle, layout: Layout, *, reserve_test: bool = False, seed: int = 0) -> Unseen:
    """Return all images that limits may be chosen by, told apart by their content, not by their names.

    Good ones from train/good and validation/good, less what `training.images` of the manifest names under
    train and stopping, less what also lies in test/. Defective ones from validation/<kind>. With
    `reserve_test` half of the images of test/ join them: those that the decision in force has reserved, or
    else half of each kind, drawn by `seed`. Raises CalibrationError if the manifest does not say what trained
    the model, for one content under two labels, or if there is nothing to reserve.
    """
    seen = seen_by_training(bundle)
    given = [*(Labelled(file, GOOD) for file in layout.good), *layout.validation]
    images, repeated = distinct(given)
    tests, _ = distinct(layout.test)
    reserved = _reserve(bundle, tests, seed) if reserve_test else set[str]()
    measured = {image.id for image in tests if image.id not in reserved}
    unseen = [image for image in images if image.id not in seen]
    free = [image for image in unseen if image.id not in measured]
    inside = {image.id for image in free}
    free += [image for image in tests if image.id in reserved and image.id not in inside | seen]
    one_label_each(free)
    return Unseen(
        good=tuple(image for image in free if not image.label.defective),
        defective=tuple(image for image in free if image.label.defective),
        reserved=tuple(sorted(reserved)),
        used_by_training=len(images) - len(unseen),
        also_in_test=len(unseen) - len(inside),
        repeated=repeated,
        training_found=any(image.id in seen for image in images),
    )


def seen_by_training(bundle: Bundle) -> set[str]:
    """Return the ids of all images that moved a weight or stopped the training.

    Raises CalibrationError if the manifest does not name them.
    """
    images = bundle.manifest.training.get("images")
    parts = [images.get(part) if isinstance(images, dict) else None for part in ("train", "stopping")]
    if not all(isinstance(part, list) and part for part in parts):
        raise CalibrationError(
            f"{bundle.folder}: its manifest does not name the images that trained it, so none can be called"
            " unseen. Train it again, complete it from production (--from-journal), or adjust it by hand."
        )
    return {str(name) for part in parts for name in cast("list[str]", part)}


def good_outside_test(layout: Layout) -> list[Image]:
    """Return all good images to train and choose by, each content once, none that stands in test/."""
    tests = {image.id for image in distinct(layout.test)[0]}
    given = [*(Labelled(file, GOOD) for file in layout.good), *layout.validation]
    images, _ = distinct(given)
    return [image for image in images if not image.label.defective and image.id not in tests]


def _reserve(bundle: Bundle, tests: Sequence[Image], seed: int) -> set[str]:
    """Return the ids of the reserved half of test/: the same again if the decision has one."""
    present = {image.id for image in tests}
    if kept := present.intersection(bundle.decision.reserved):
        return kept
    generator = np.random.default_rng(seed)
    reserved: set[str] = set()
    for kind in sorted({image.label.kind for image in tests}):
        ids = sorted(image.id for image in tests if image.label.kind == kind)
        chosen = generator.permutation(len(ids))[: len(ids) // 2]
        reserved.update(ids[int(index)] for index in chosen)
    if not any(image.label.defective for image in tests if image.id in reserved):
        raise CalibrationError(
            f"{bundle.manifest.class_name}: test/ has no kind with two defective images, so no half to"
            " reserve. Put defective ones in validation/<kind>."
        )
    return reserved
