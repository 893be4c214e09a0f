"""`inspectd calibrate train`: passes a technician's wishes on and shows the progress."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError

from inspectd.agent.cli.interrupt import PatientInterrupt
from inspectd.agent.cli.output import fail, fail_without_calibration, note, print_json, say
from inspectd.agent.cli.progress import progress_bar
from inspectd.agent.yaml_problems import explain

if TYPE_CHECKING:
    from inspectd.calibration.settings import TrainSettings
    from inspectd.calibration.train import TrainReport

_OPTIONS = {
    "image_size": "--size",
    "class_name": "--name",
    "freeze_vgg": "--frozen-vgg",
    "pyramid": "--no-pyramid",
    "skips": "--no-skips",
}


def run_training(wanted: dict[str, Any], *, as_json: bool) -> None:
    """Train and write a bundle; `wanted` are fields of TrainSettings, None: as the profile says."""
    try:
        from inspectd.calibration.errors import CalibrationError
        from inspectd.calibration.settings import TrainSettings
        from inspectd.calibration.train import train
        from inspectd.calibration.trainer import Progress
    except ImportError as error:
        fail_without_calibration(error)
    try:
        settings = TrainSettings.model_validate({k: v for k, v in wanted.items() if v is not None})
    except ValidationError as error:
        fail(_wrong_option(error), status=2)
    try:
        with progress_bar("calibrating") as advance, PatientInterrupt() as interrupt:

            def show(progress: Progress) -> None:
                text = progress.stage
                if progress.steps:
                    text += f", loss {progress.loss:.4f}"
                if not math.isnan(progress.held_out_loss):
                    text += f", held out {progress.held_out_loss:.4f}"
                advance(progress.step, progress.steps, text, seconds_left=progress.seconds_left)
                if progress.message:
                    note(f"inspectd: {progress.message}")
                interrupt.between_steps(another_follows=progress.stage == "train")

            report = train(settings, show)
    except CalibrationError as error:
        fail(str(error))
    except KeyboardInterrupt:
        fail(_stopped(settings), status=130)
    summary = _summary(settings, report)
    if as_json:
        print_json(summary)
    else:
        _print(summary)


def _summary(settings: TrainSettings, report: TrainReport) -> dict[str, Any]:
    history, decision = report.history, report.bundle.decision
    return {
        "bundle": str(settings.out),
        "bundle_id": report.bundle.bundle_id,
        "class": report.bundle.manifest.class_name,
        "sigma": report.bundle.manifest.training["sigma"],
        "sigma_origin": settings.origin.in_words(),
        "steps": report.steps,
        "epochs": round(history.epochs, 2),
        "ended": history.ended,
        "resumed_at": report.resumed_at,
        "held_out_loss": report.held_out_loss,
        "training_seconds": round(report.training_s, 1),
        "device": history.device,
        "precision": history.precision,
        "batch": history.batches[-1].batch,
        "images": report.images,
        "held_out": report.held_out,
        "vgg19": report.vgg19,
        "limits": {key: limits.model_dump() for key, limits in decision.limits.items()},
        "provisional": decision.provisional,
        "training_folder": str(settings.work_folder),
    }


def _stopped(settings: TrainSettings) -> str:
    from inspectd.calibration.train import CHECKPOINT_FILE

    if (settings.work_folder / CHECKPOINT_FILE).exists():
        return f"stopped; the same command goes on from the checkpoint in {settings.work_folder}"
    return "stopped before the first checkpoint; the same command begins anew"


def _wrong_option(error: ValidationError) -> str:
    """Name the option that the settings refuse, what is wrong with it and what would be right."""
    detail = error.errors(include_url=False)[0]
    field = str(detail["loc"][0]) if detail["loc"] else ""
    option = _OPTIONS.get(field, "--" + field.replace("_", "-"))
    return f"{option}: {explain({}, None, (field,), detail)}"


def _print(report: dict[str, Any]) -> None:
    for key, value in report.items():
        nested = cast("dict[str, Any]", value if isinstance(value, dict) else {})
        say(f"{key}:" if nested else f"{key}: {_text(value)}")
        for name, item in nested.items():
            say(f"  {name}: {item}")


def _text(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
