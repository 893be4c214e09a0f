"""`inspectd calibrate`: hands a technician's wishes to the calibration package and shows its progress."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from inspectd.agent.cli.output import fail, print_json, say
from inspectd.agent.cli.progress import progress_bar
from inspectd.agent.yaml_problems import explain


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """What the user asked for; None: as the profile says."""

    data: Path
    out: Path
    profile: str
    name: str
    size: int | None
    sigma: float | None
    seed: int
    vgg19: str
    replace: bool
    mixed_sizes: bool


def run_training(options: TrainOptions, *, as_json: bool) -> None:
    """Train and write a bundle."""
    try:
        from inspectd.calibration.errors import CalibrationError
        from inspectd.calibration.settings import TrainSettings
        from inspectd.calibration.train import train
        from inspectd.calibration.trainer import Progress
    except ImportError as error:
        fail(f"calibration is not installed ({error.name} is missing); pip install 'inspectd[calibration]'")
    with progress_bar("calibrating") as advance:

        def show(progress: Progress) -> None:
            text = progress.stage
            if progress.steps:
                text = f"{text}, loss {progress.loss:.4f}, held out {progress.held_out_loss:.4f}"
            advance(progress.step, progress.steps, text, seconds_left=progress.seconds_left)

        try:
            settings = TrainSettings(
                data=options.data,
                out=options.out,
                profile=options.profile,  # pyright: ignore[reportArgumentType]  checked by the model
                class_name=options.name or None,
                image_size=options.size,
                sigma=options.sigma,
                seed=options.seed,
                vgg19=options.vgg19,
                replace=options.replace,
                mixed_sizes=options.mixed_sizes,
            )
            report = train(settings, show)
        except ValidationError as error:
            fail(_wrong_option(error), status=2)
        except CalibrationError as error:
            fail(str(error))
    summary: dict[str, Any] = {
        "bundle": str(options.out),
        "bundle_id": report.bundle.bundle_id,
        "class": report.bundle.manifest.class_name,
        "steps": report.steps,
        "resumed_at": report.resumed_at,
        "held_out_loss": report.held_out_loss,
        "training_seconds": round(report.training_s, 1),
        "images": report.images,
        "held_out": report.held_out,
        "vgg19": report.vgg19,
        "limits": {key: limits.model_dump() for key, limits in report.bundle.decision.limits.items()},
    }
    _print(summary, as_json=as_json)


def _wrong_option(error: ValidationError) -> str:
    """Name the option that the settings refuse, what is wrong with it and what would be right."""
    detail = error.errors(include_url=False)[0]
    field = str(detail["loc"][0]) if detail["loc"] else ""
    option = {"image_size": "--size", "class_name": "--name"}.get(field, f"--{field}")
    return f"{option}: {explain({}, None, (field,), detail)}"


def _print(report: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(report)
        return
    for key, value in report.items():
        entries = cast("list[dict[str, Any]]", value if isinstance(value, (list, tuple)) else [])
        nested = cast("dict[str, Any]", value if isinstance(value, dict) else {})
        say(f"{key}:" if entries or nested else f"{key}: {_text(value)}")
        for entry in entries:
            say("  " + "  ".join(f"{name} {_text(item)}" for name, item in entry.items()))
        for name, item in nested.items():
            say(f"  {name}: {item}")


def _text(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
