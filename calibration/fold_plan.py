"""What k-fold scores need, read and checked before the first sibling is trained: hours lie between."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from inspectd.calibration.data import read_pixels
from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.kept_folds import FoldsIdentity
from inspectd.calibration.key_scores import open_keys, prepared_image
from inspectd.calibration.settings import Recipe
from inspectd.inference.documents import file_id
from inspectd.inference.model import EncoderDecoder
from inspectd.inference.vgg19 import NO_SOURCE, TORCHVISION_SOURCE, load_vgg19

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from inspectd.calibration.contents import Image
    from inspectd.calibration.key_scores import StepProgress
    from inspectd.inference.bundle import Bundle

FEWEST_TO_TRAIN = 8
"""Six that move weights and two that stop, as for a bundle."""

_ROOM = 2
"""Times a graph's size: what writing a sibling's graph takes at the most."""


@dataclass(frozen=True, slots=True)
class FoldPlan:
    """Good images that the line would judge, prepared, and how siblings of the bundle are trained on them."""

    bundle: Bundle
    recipe: Recipe
    weights: str
    """The siblings' pre-trained weights: none, auto or a file."""
    images: tuple[Image, ...]
    prepared: NDArray[np.uint8]
    """[N, S, S, 3], in the order of `images`."""
    folds: int
    seed: int
    not_run: dict[str, str]
    """Why the bundle's other runtimes do not run here, by key."""
    identity: FoldsIdentity


def plan_folds(
    bundle: Bundle,
    images: Sequence[Image],
    folds: int,
    seed: int,
    vgg19: str | None,
    progress: StepProgress | None = None,
) -> FoldPlan:
    """Read the images and check all that can be checked; `seed` deals the folds.

    `vgg19` as for training; None: only if the bundle had none. Raises CalibrationError for too few images,
    another product's image size, weights that the bundle did not begin with, a bundle that does not run here,
    or too little room on the disk; WeightsError for weights that cannot be loaded.
    """
    recipe = recipe_of(bundle)
    source = _weights_source(bundle, vgg19)
    _check_count(len(images), folds)  # reading them takes its time
    _check_weights(bundle, recipe, source)
    _check_room(bundle)
    with open_keys(bundle, list(bundle.decision.limits)) as (runtimes, not_run):
        keys = tuple(runtimes)
    fit_ones: list[Image] = []
    prepared: list[NDArray[np.uint8]] = []
    for done, image in enumerate(images, 1):
        pixels = prepared_image(bundle, read_pixels(image.file), str(image.file))
        if pixels is not None:
            fit_ones.append(image)
            prepared.append(pixels)
        if progress is not None:
            progress(done, len(images), "reading", None)
    _check_count(len(fit_ones), folds)
    identity = FoldsIdentity(
        bundle_id=bundle.bundle_id,
        seed=seed,
        folds=folds,
        data=hashlib.sha256(" ".join(image.sha256 for image in fit_ones).encode()).hexdigest(),
        vgg19=source if source in (NO_SOURCE, TORCHVISION_SOURCE) else file_id(Path(source)),
        keys=keys,
        program=version("inspectd"),
    )
    return FoldPlan(
        bundle, recipe, source, tuple(fit_ones), np.concatenate(prepared), folds, seed, not_run, identity
    )


def recipe_of(bundle: Bundle) -> Recipe:
    """Return the recipe that a bundle was trained by. Raises CalibrationError if its manifest has none."""
    training = bundle.manifest.training
    try:
        return Recipe.model_validate(
            {name: training[name] for name in Recipe.model_fields if name in training}
        )
    except ValueError as error:
        raise CalibrationError(
            f"{bundle.folder}: its recipe is not one of this program ({error}). Train it again."
        ) from error


def training_seed(bundle: Bundle) -> int:
    """Return the seed that the bundle was trained by: siblings begin with the same weights."""
    seed = bundle.manifest.training.get("seed")
    return seed if isinstance(seed, int) else 0


def trained_on(bundle: Bundle) -> int | None:
    """Return how many images the bundle trained on; None if its manifest does not say."""
    images = bundle.manifest.training.get("images")
    names = images.get("train") if isinstance(images, dict) else None
    return len(cast("list[Any]", names)) if isinstance(names, list) else None


def _weights_source(bundle: Bundle, vgg19: str | None) -> str:
    began_with = str(bundle.manifest.vgg19.get("source", NO_SOURCE))
    if vgg19 is None and began_with not in (NO_SOURCE, TORCHVISION_SOURCE):
        raise CalibrationError(
            f"the bundle began with pre-trained weights ({began_with}): its siblings must too."
            f" Name them with --vgg19."
        )
    return vgg19 or began_with


def _check_count(count: int, folds: int) -> None:
    if folds > count or count - -(-count // folds) < FEWEST_TO_TRAIN:
        raise CalibrationError(
            f"{count} good images are too few for {folds} folds: each sibling trains on at least"
            f" {FEWEST_TO_TRAIN}. Give more images."
        )


def _check_weights(bundle: Bundle, recipe: Recipe, source: str) -> None:
    """Load the weights as each sibling will: they must be there, and be those that the bundle began with."""
    loaded = load_vgg19(EncoderDecoder(recipe.network()), source).loaded
    if list(loaded) != bundle.manifest.vgg19.get("loaded"):
        raise CalibrationError(
            f"--vgg19 {source}: holds other layers than the bundle began with. Give the weights that it had."
        )


def _check_room(bundle: Bundle) -> None:
    """Look for room for a sibling's graph, which is as large as the bundle's own."""
    graph = bundle.graph_file("float32")
    try:
        folder = tempfile.gettempdir()
        needed, free = _ROOM * graph.stat().st_size, shutil.disk_usage(folder).free
    except OSError as error:
        raise CalibrationError(
            f"no folder for siblings' graphs ({error}). Free space, or name one in TMPDIR."
        ) from error
    if free < needed:
        raise CalibrationError(
            f"{folder}: {free / 1e6:.0f} MB are free, a sibling's graph takes {needed / 1e6:.0f} MB."
            " Free space, or name another folder in TMPDIR."
        )
