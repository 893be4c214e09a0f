"""`inspectd calibrate noise`: shows a search for the noise rate and what it found."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from inspectd.agent.cli.output import fail, fail_without_calibration, note, print_json, say
from inspectd.agent.cli.progress import progress_bar
from inspectd.agent.yaml_problems import explain

if TYPE_CHECKING:
    from inspectd.calibration.noise_plan import NoiseSettings
    from inspectd.calibration.noise_result import NoiseResult, NoiseTrial
    from inspectd.calibration.noise_search import NoiseProgress
    from inspectd.calibration.sigma_origin import SigmaOrigin

_OPTIONS = {"image_size": "--size", "class_name": "--name"}


@dataclass(frozen=True, slots=True)
class NoiseOptions:
    """What the user asked for: fields of TrainSettings and of NoiseSettings, by name; None: the default."""

    training: dict[str, Any]
    search: dict[str, Any]


def run_noise_search(options: NoiseOptions, *, as_json: bool) -> None:
    """Search from where the study stands, write noise.json and noise.png into it and report."""
    try:
        from inspectd.calibration.errors import CalibrationError
        from inspectd.calibration.noise_result import PLOT_FILE, RESULT_FILE
        from inspectd.calibration.noise_search import search_noise
        from inspectd.calibration.report_noise import noise_plot
    except ImportError as error:
        fail_without_calibration(error)
    settings = _settings(options)
    with progress_bar("searching") as advance:

        def show(progress: NoiseProgress) -> None:
            advance(round(progress.done, 2), progress.trials, progress.text)

        try:
            result = search_noise(settings, show)
        except CalibrationError as error:
            fail(str(error))
        except KeyboardInterrupt:
            note(f"inspectd: stopped; what is finished stands in {settings.study}, run it again to go on")
            raise
    plot = settings.study / PLOT_FILE
    try:
        plot.write_bytes(noise_plot(result))
    except OSError as error:
        fail(f"{plot}: cannot be written ({error.strerror}); free space, then run it again")
    files = {"result": str(settings.study / RESULT_FILE), "plot": str(plot)}
    if as_json:
        print_json({**result.model_dump(mode="json"), "files": files})
    else:
        _print(result, settings, files)


def rate_to_train_with(
    sigma: float | None, preset: str, study: Path | None
) -> tuple[float | None, SigmaOrigin | None]:
    """Return the rate that the user named, as a number, by the paper's class or by a study's best, and that.

    Both None: the profile's.
    """
    if (sigma is not None) + bool(preset) + (study is not None) > 1:
        fail("--sigma, --preset and --noise-study all name the noise rate: give one of them", status=2)
    from inspectd.calibration.errors import CalibrationError
    from inspectd.calibration.sigma_origin import rate_of_preset, rate_of_study

    try:
        if preset:
            return rate_of_preset(preset)
        return (sigma, None) if study is None else rate_of_study(study)
    except CalibrationError as error:
        fail(str(error))


def _settings(options: NoiseOptions) -> NoiseSettings:
    from inspectd.calibration.noise_plan import NoiseSettings
    from inspectd.calibration.settings import TrainSettings

    given = {name: value for name, value in options.training.items() if value is not None}
    try:
        return NoiseSettings(training=TrainSettings.model_validate(given), **options.search)
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        field = str(detail["loc"][-1]) if detail["loc"] else ""
        option = _OPTIONS.get(field, f"--{field}".replace("_", "-"))
        fail(f"{option}: {explain({}, None, (field,), detail)}", status=2)


def _print(result: NoiseResult, settings: NoiseSettings, files: dict[str, str]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"Noise rates of {result.class_name}", title_justify="left")
    for heading in ("trial", "sigma", "value", "image AUROC", "pixel AUROC", "steps", "time"):
        table.add_column(heading, justify="right")
    table.add_column("")
    best = None if result.best is None else result.best.number
    for trial in sorted(result.trials, key=lambda each: each.sigma):
        table.add_row(*_row(trial, best), style="bold" if trial.number == best else None)
    Console(file=sys.stdout).print(table)
    for trial in result.trials:
        if trial.note:
            say(f"Trial {trial.number} {trial.state}: {trial.note}")
    say(f"Maximised: {result.maximised}; {result.good} good, {result.defective} defective images.")
    if result.caveat:
        say(f"Note: {result.caveat}")
    if result.preset is not None:
        source = f"the paper's rate for {result.preset.class_name} ({result.preset.source})"
        inside = result.low <= result.preset.sigma <= result.high
        say(f"Tried first: {source}" if inside else f"Outside of the range, not tried: {source}")
    if result.best is None:
        say("No trial is complete yet: run it again to go on.")
    else:
        say(f"Best: sigma {result.best.sigma:g}, {result.best.certainty}.")
        say(f"Train with it: {_train_command(settings)}")
    say(f"Wrote {files['result']} and {files['plot']}")


def _train_command(settings: NoiseSettings) -> str:
    """Return the command that trains with the study's rate, on the same images divided the same way."""
    own = settings.training
    words = [str(own.data), "--profile", own.profile, "--noise-study", str(settings.study)]
    words += ["--name", own.class_name] if own.class_name else []
    words += ["--seed", str(own.seed)] if own.seed else []
    words += ["--mixed-sizes"] if own.mixed_sizes else []
    return f"inspectd calibrate train {shlex.join(words)} --out BUNDLE"


def _row(trial: NoiseTrial, best: int | None) -> tuple[str, ...]:
    shares = (trial.value, trial.image_auroc, trial.pixel_auroc)
    values = ("" if each is None else f"{each:.4f}" for each in shares)
    told = "best" if trial.number == best else {"complete": ""}.get(trial.state, trial.state)
    return (
        str(trial.number),
        f"{trial.sigma:g}",
        *values,
        str(trial.steps),
        f"{trial.seconds:.0f} s",
        told,
    )
