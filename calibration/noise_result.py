"""What a noise search found: STUDY/noise.json, written by the search, read by training and report."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, JsonValue, ValidationError

from inspectd.calibration.errors import CalibrationError
from inspectd.inference.documents import Document, canonical_json, read_document, sync_folder, write_document
from inspectd.inference.errors import BundleError

RESULT_FILE = "noise.json"
PLOT_FILE = "noise.png"


class NoiseTrial(Document):
    """One rate that was tried. Figures are None where the trial did not come to any."""

    number: int = Field(ge=0)
    sigma: float = Field(gt=0, le=1, description="noise rate, image in [0, 1]")
    state: Literal["complete", "pruned", "failed", "running"]
    value: float | None = Field(default=None, description="what was maximised; for a pruned trial its last")
    image_auroc: float | None = Field(default=None, ge=0, le=1)
    pixel_auroc: float | None = Field(default=None, ge=0, le=1)
    seed_values: tuple[float, ...] = Field(default=(), description="the value of each training seed")
    steps: int = Field(default=0, ge=0, description="training steps done, over all seeds")
    seconds: float = Field(default=0.0, ge=0)
    note: str = Field(default="", description="why it failed or was stopped")


class NoiseBest(Document):
    """The complete trial of the highest value, and how far it stands out."""

    number: int = Field(ge=0)
    sigma: float = Field(gt=0, le=1)
    value: float
    image_auroc: float | None = None
    pixel_auroc: float | None = None
    spread: float | None = Field(default=None, ge=0, description="standard deviation of a value by chance")
    plausible: tuple[float, float] | None = Field(
        default=None, description="lowest and highest rate whose value is not told apart from the best"
    )
    certainty: str = Field(min_length=1, description="the same in a sentence")


class NoisePreset(Document):
    """A rate of the paper that was tried first."""

    class_name: str
    sigma: float = Field(gt=0, le=1)
    source: str


class NoiseResult(Document):
    """A study of noise rates, as far as it has come."""

    format_version: Literal[1] = 1
    class_name: str = Field(min_length=1)
    measured_on: Literal["validation", "synthetic"]
    maximised: str = Field(min_length=1, description="what a trial's value is, in a sentence")
    caveat: str = Field(description="what the figures do not say; empty: none")
    good: int = Field(ge=0, description="good images that the trials are ranked on")
    defective: int = Field(ge=0, description="defective ones, real or synthetic")
    ranked_by: tuple[str, ...] = Field(default=(), description="ids of the images of validation/ among them")
    left_out: int = Field(default=0, ge=0, description="of validation/: repeated, or also in train/ or test/")
    low: float = Field(gt=0, description="lower end of the search")
    high: float = Field(gt=0, le=1)
    steps: int = Field(ge=1, description="training steps of a trial and seed")
    seed: int = Field(ge=0)
    seeds: int = Field(ge=1, description="trainings of each rate")
    preset: NoisePreset | None = None
    recipe: dict[str, JsonValue] = Field(description="the trials' recipe; its sigma is the profile's")
    data_sha256: str = Field(description="fingerprint of the good images")
    trials: tuple[NoiseTrial, ...] = Field(description="by number")
    best: NoiseBest | None = Field(default=None, description="None: no trial is complete yet")
    code_version: str
    written_at: str = Field(description="wall clock, ISO 8601, UTC")


def write_result(study: Path, result: NoiseResult) -> Path:
    """Write STUDY/noise.json, replaced as a whole; return the file. Raises CalibrationError if it cannot."""
    file = study / RESULT_FILE
    new = file.with_suffix(".new")
    try:
        write_document(new, result.model_dump(mode="json"))
        new.replace(file)
        sync_folder(study)
    except OSError as error:
        raise CalibrationError(
            f"{file}: cannot be written ({error}). Free space, then run it again."
        ) from error
    return file


def read_result(study: Path) -> NoiseResult:
    """Read a study's noise.json; `study` is its folder or the file itself.

    Raises CalibrationError, naming the file and the remedy, if there is none or it is damaged.
    """
    file = study / RESULT_FILE if study.is_dir() else study
    try:
        # JSON's lists stand for tuples; strictness of numbers and texts stays.
        return NoiseResult.model_validate_json(canonical_json(read_document(file)))
    except BundleError as error:
        raise CalibrationError(
            f"{file}: no noise study ({error}). Run `inspectd calibrate noise`."
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "document"
        raise CalibrationError(
            f"{file}: {where}: {first['msg']}. Run `inspectd calibrate noise` again."
        ) from error
