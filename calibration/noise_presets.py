"""The paper's noise rates of its 16 classes, from `configs/noise-presets.yaml`."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.noise_result import NoisePreset

PRESETS_FILE = "noise-presets.yaml"


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    sigma: float = Field(gt=0, le=1)
    source: str = Field(min_length=1)


class _Presets(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    classes: dict[str, _Entry]


def load_presets(file: Path | None = None) -> dict[str, NoisePreset]:
    """Return the rates by class, in MVTec AD's spelling (`metal_nut`), and `button`.

    `file` is by default the one that is installed with the program. Raises CalibrationError if it is missing
    or damaged.
    """
    file = file or Path(str(files("inspectd.configs") / PRESETS_FILE))
    try:
        content: object = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
        presets = _Presets.model_validate(content)
    except (OSError, UnicodeDecodeError, YAMLError, ValidationError) as error:
        told = str(error).splitlines()[0]
        raise CalibrationError(f"{file}: cannot be read ({told}). Install the program again.") from error
    return {
        name: NoisePreset(class_name=name, sigma=entry.sigma, source=entry.source)
        for name, entry in presets.classes.items()
    }


def preset_of(class_name: str) -> NoisePreset | None:
    """Return the paper's rate for a class of this name ("Metal nut" is `metal_nut`); None: it has none."""
    return load_presets().get(_key(class_name))


def named_preset(class_name: str) -> NoisePreset:
    """Do as `preset_of` for a class that was asked for. Raises CalibrationError, naming all there are."""
    preset = preset_of(class_name)
    if preset is None:
        names = ", ".join(load_presets())
        raise CalibrationError(f"preset {class_name}: the paper gives no rate for it. Choose one of {names}.")
    return preset


def _key(class_name: str) -> str:
    return "_".join(class_name.lower().replace("-", " ").replace("_", " ").split())
