"""What a noise search is asked for, and all that follows before the first trial: images, recipe, rates."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from inspectd.calibration.contents import Image, distinct, short_id
from inspectd.calibration.data import GoodImages, load_good, split_good
from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.layout import GOOD, Labelled, Layout, read_layout
from inspectd.calibration.noise_presets import named_preset, preset_of
from inspectd.calibration.noise_ranking import (
    RankingImages,
    synthetic_ranking,
    take_for_ranking,
    validation_ranking,
)
from inspectd.calibration.noise_trial import Schedule, TrialImages, plan_looks
from inspectd.calibration.settings import Recipe, TrainSettings
from inspectd.inference.documents import document_id, file_id
from inspectd.inference.model import EncoderDecoder
from inspectd.inference.vgg19 import LoadedWeights, load_vgg19

if TYPE_CHECKING:
    from inspectd.calibration.noise_result import NoisePreset

LOW, HIGH = 0.05, 0.5
DESIGN = 8
"""Rates spread evenly over the range (by their logarithm) before Optuna's sampler proposes any."""


class NoiseSettings(BaseModel):
    """One call of the search; `training.out` is the study's folder, `training.seed` also the split's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    training: TrainSettings
    low: float = Field(default=LOW, gt=0, le=1, description="lowest rate, image in [0, 1]")
    high: float = Field(default=HIGH, gt=0, le=1)
    trials: int = Field(default=12, ge=1, description="trials of the study, over all workers and calls")
    minutes: float | None = Field(default=None, gt=0, description="no trial begins later than this")
    steps: int = Field(default=400, ge=1, description="training steps of each trial and seed")
    seeds: int = Field(default=1, ge=1, description="trainings of each rate")
    preset: str = Field(default="", description="class of the paper whose rate is tried first")
    storage: str = Field(default="", description="database URL or journal file; empty: in the folder")

    @property
    def study(self) -> Path:
        """The study's folder."""
        return self.training.out

    @property
    def class_name(self) -> str:
        """Name of the product class, and of the study in its storage."""
        return self.training.product_class

    @property
    def training_seeds(self) -> range:
        """Seeds of the trainings of each rate."""
        return range(self.training.seed, self.training.seed + self.seeds)


@dataclass(frozen=True, slots=True)
class Plan:
    """A search ready to begin."""

    settings: NoiseSettings
    recipe: Recipe
    weights: LoadedWeights
    """What of VGG19 each training begins with."""
    preset: NoisePreset | None
    data_sha256: str
    """Of the good images."""
    validation: tuple[Image, ...]
    """What of validation/ the trials are ranked by; none: by synthetic defects."""
    left_out: int
    """Images of validation/ that rank nothing, since they are repeated, or also in train/ or test/."""
    images: TrialImages
    schedule: Schedule

    @property
    def ranking(self) -> RankingImages:
        """What the trials are ranked by."""
        return self.images.ranking

    def identity(self) -> dict[str, Any]:
        """Return what all workers of the study must have in common, as a JSON object."""
        settings = self.settings
        shown = [(each.label.kind, each.sha256, _mask_id(each.label)) for each in self.validation]
        return {
            "data": self.data_sha256,
            "validation": document_id(shown),
            # The rate is what is searched for; a trial is as long as its steps say.
            "recipe": self.recipe.model_dump(mode="json", exclude={"sigma", "minutes", "epochs"}),
            "vgg19": [_weights_id(settings.training.vgg19), *self.weights.loaded],
            "seed": settings.training.seed,
            "seeds": settings.seeds,
            "steps": self.schedule.steps,
            "range": [settings.low, settings.high],
        }

    def first_rates(self) -> list[float]:
        """Return the rates to begin with: the paper's or the profile's, then evenly spread ones."""
        low, high = self.settings.low, self.settings.high
        start = self.recipe.sigma if self.preset is None else self.preset.sigma
        spread = [low * (high / low) ** _van_der_corput(number) for number in range(1, DESIGN + 1)]
        rates = [start] if low <= start <= high else []
        rates += [float(f"{rate:.3g}") for rate in spread]
        return rates[: min(DESIGN, self.settings.trials)]


def plan_search(settings: NoiseSettings) -> Plan:
    """Read the images and divide them.

    Raises CalibrationError for data or settings that cannot be used, WeightsError for pre-trained weights
    that are not there or do not fit.
    """
    if settings.low >= settings.high:
        raise CalibrationError(f"low {settings.low:g} is not under high {settings.high:g}: exchange them.")
    training = settings.training
    preset = named_preset(settings.preset) if settings.preset else preset_of(settings.class_name)
    recipe = training.recipe()
    # Before anything is read or begun: do the recipe's fields fit together, and are the weights there?
    weights = load_vgg19(EncoderDecoder(recipe.network()), training.vgg19)
    good = load_good(training.data, recipe.image_size, mixed_sizes=training.mixed_sizes)
    split = split_good(len(good.files), training.seed)
    validation, left_out = _to_rank_by(read_layout(training.data), good)
    if any(each.label.defective for each in validation):
        train, spare = split.train, split.stopping
        ranking = validation_ranking([each.label for each in validation], good.images[spare])
    else:
        validation = ()
        train, spare = take_for_ranking(split.train, training.seed)
        ranking = synthetic_ranking(good.images[spare], training.seed)
    images = TrialImages(good.images[train], good.images[split.stopping], ranking)
    schedule = plan_looks(settings.steps)
    return Plan(settings, recipe, weights, preset, good.sha256, validation, left_out, images, schedule)


def _to_rank_by(layout: Layout, good: GoodImages) -> tuple[tuple[Image, ...], int]:
    """Return the images of validation/ to rank by, each content once, and how many were left out.

    Told by content, not by folder: a copy of a good image that trains, stops or is kept for the threshold
    ranks nothing, nor does one of test/. Raises CalibrationError for one content under two labels.
    """
    elsewhere = {*good.ids, *(short_id(test.file) for test in layout.test)}
    images, _ = distinct([*(Labelled(file, GOOD) for file in good.files), *layout.validation])
    free = tuple(image for image in images if image.id not in elsewhere)
    return free, len(layout.validation) - len(free)


def _mask_id(labelled: Labelled) -> str:
    return "" if labelled.mask is None else file_id(labelled.mask)


def _weights_id(vgg19: str) -> str:
    """Name pre-trained weights alike on every machine: a file by its content."""
    return file_id(Path(vgg19)) if Path(vgg19).is_file() else vgg19


def _van_der_corput(number: int) -> float:
    """Return the number-th point of van der Corput's sequence in (0, 1): each falls into the widest gap."""
    point, share = 0.0, 0.5
    while number:
        number, bit = divmod(number, 2)
        point += bit * share
        share /= 2
    return point
