"""Where a bundle's noise rate comes from: told in its manifest, and held against the data it trains on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, ValidationError

from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.noise_presets import named_preset
from inspectd.calibration.noise_result import read_result
from inspectd.inference.documents import Document, canonical_json

if TYPE_CHECKING:
    from pathlib import Path

    from inspectd.inference.manifest import Manifest

RECORD = "sigma_origin"
"""Its name in the manifest's `training`."""


class StudyOrigin(Document):
    """The trial of a noise study that a rate was taken from."""

    name: str = Field(description="the study's folder")
    trial: int = Field(ge=0)
    class_name: str
    seed: int = Field(ge=0, description="of the study's split: which images trained and ranked")
    data_sha256: str = Field(description="fingerprint of the study's good images")
    measured_on: Literal["validation", "synthetic"]
    ranked_by: tuple[str, ...] = Field(default=(), description="ids of the images of validation/ that ranked")


class SigmaOrigin(Document):
    """Who chose a noise rate: the profile, a person, the paper (`preset` is its class) or a study."""

    kind: Literal["profile", "given", "preset", "study"]
    preset: str = ""
    study: StudyOrigin | None = None

    def in_words(self) -> str:
        """Return it as part of a sentence."""
        if self.study is not None:
            of = self.study
            return (
                f"trial {of.trial} of the noise study {of.name} of class {of.class_name}, ranked on"
                f" {_RANKED_ON[of.measured_on]}; its good images: {of.data_sha256[:12]}, seed {of.seed}"
            )
        words = {"given": "given by hand", "preset": f"the paper's rate for {self.preset}"}
        return words.get(self.kind, "the profile's own")


_RANKED_ON = {"validation": "labelled images of validation/", "synthetic": "synthetic defects"}


def rate_of_preset(class_name: str) -> tuple[float, SigmaOrigin]:
    """Return the paper's rate for a class. Raises CalibrationError if it gives none."""
    preset = named_preset(class_name)
    return preset.sigma, SigmaOrigin(kind="preset", preset=preset.class_name)


def rate_of_study(study: Path) -> tuple[float, SigmaOrigin]:
    """Return the best rate of a study, its folder or noise.json. Raises CalibrationError if it has none."""
    result = read_result(study)
    if result.best is None:
        raise CalibrationError(
            f"{study}: no trial is complete yet. Run `inspectd calibrate noise` again, or give --sigma."
        )
    place = study.absolute()
    origin = StudyOrigin(
        name=place.name if place.is_dir() else place.parent.name,
        trial=result.best.number,
        class_name=result.class_name,
        seed=result.seed,
        data_sha256=result.data_sha256,
        measured_on=result.measured_on,
        ranked_by=result.ranked_by,
    )
    return result.best.sigma, SigmaOrigin(kind="study", study=origin)


def check_origin(origin: SigmaOrigin, class_name: str, seed: int, data_sha256: str) -> str:
    """Hold a study's rate against the class, seed and good images to train with; return a warning or "".

    Raises CalibrationError for a study of other images: its rate says nothing of these; and for one of
    another seed: it divided them otherwise, so that images of the threshold's part ranked or trained it.
    """
    study = origin.study
    if study is None:
        return ""
    where = f"noise study {study.name}"
    if study.data_sha256 != data_sha256:
        of = f"of class {study.class_name}, " if study.class_name != class_name else ""
        raise CalibrationError(
            f"{where}: {of}made with other good images ({study.data_sha256[:12]}) than these"
            f" ({data_sha256[:12]}). Search again on these by `inspectd calibrate noise`, or answer for its"
            " rate yourself by --sigma."
        )
    if study.seed != seed:
        raise CalibrationError(
            f"{where}: made with seed {study.seed}, this training has {seed}: images that are to set the"
            f" threshold had a part in the rate. Train with --seed {study.seed}, or search again."
        )
    if study.class_name != class_name:
        return f"{where} calls these same images class {study.class_name}, not {class_name}"
    return ""


def recorded_origin(manifest: Manifest) -> SigmaOrigin | None:
    """Return what a manifest says of its noise rate's origin; None for one that says nothing of it."""
    record = manifest.training.get(RECORD)
    try:
        # JSON's lists stand for tuples; strictness of numbers and texts stays.
        return None if record is None else SigmaOrigin.model_validate_json(canonical_json(record))
    except ValidationError:
        return None  # of a newer program; nothing is decided by it but which images measure nothing


def ranked_by(manifest: Manifest) -> tuple[str, ...]:
    """Return the ids of the images of validation/ by which the noise rate was chosen."""
    origin = recorded_origin(manifest)
    return () if origin is None or origin.study is None else origin.study.ranked_by
