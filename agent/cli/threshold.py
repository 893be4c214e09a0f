"""`inspectd calibrate threshold`: has limits chosen, shows the numbers behind them and puts them in force."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from inspectd.agent.cli.adjust import login_user, say_outcome, show_limits
from inspectd.agent.cli.output import fail, fail_without_calibration, note, print_json, say
from inspectd.agent.cli.progress import progress_bar
from inspectd.inference.bundle import Bundle, load_bundle

if TYPE_CHECKING:
    from inspectd.calibration.decide import Choice
    from inspectd.calibration.threshold_settings import ThresholdSettings


@dataclass(frozen=True, slots=True)
class ThresholdOptions:
    """What the user asked for, beside the settings of the choice."""

    bundle: Path
    data: Path | None
    journal: Path | None
    key: str | None
    bad: Path | None
    assume_all_good: bool
    review: int
    why: str
    by: str
    dry_run: bool


def run_threshold(options: ThresholdOptions, settings: dict[str, Any], *, as_json: bool) -> None:
    """Choose limits from images or from production."""
    try:
        from inspectd.calibration.decide import choose_from_images, put_in_force
        from inspectd.calibration.errors import CalibrationError
        from inspectd.calibration.threshold_settings import ThresholdSettings
    except ImportError as error:
        fail_without_calibration(error)
    _check(options, settings)
    try:
        chosen = ThresholdSettings.model_validate(settings)
    except ValidationError as error:
        fail(_wrong_option(error), status=2)
    bundle = load_bundle(options.bundle)
    by = options.by or login_user()
    try:
        if options.journal is not None:
            from inspectd.agent.cli.threshold_journal import choose_by_journal, show_review

            if options.review:
                show_review(bundle, options, as_json=as_json)
                return
            choice = choose_by_journal(bundle, options, chosen)
        elif options.data is not None:
            with progress_bar("threshold") as advance:
                choice = choose_from_images(bundle, options.data, chosen, advance)
        else:
            fail("name DATA or --from-journal", status=2)
        after = bundle
        if not options.dry_run:
            after = put_in_force(bundle, choice, why=options.why, by=by)
    except CalibrationError as error:
        fail(str(error))
    except KeyboardInterrupt:
        fail(_stopped(bundle, chosen), status=130)
    _show(bundle, after, choice, written=not options.dry_run, as_json=as_json)


def _check(options: ThresholdOptions, settings: dict[str, Any]) -> None:
    """Refuse options that do not go together, before anything is read."""
    if (options.data is None) == (options.journal is None):
        fail("name either DATA, a folder of images, or --from-journal, a station's record folder.", status=2)
    if not options.why.strip():
        fail("--why: is empty. Say in a few words why the limits change.", status=2)
    if options.journal is None:
        if options.bad or options.assume_all_good or options.review or options.key:
            fail("--bad, --assume-all-good, --review and --key go with --from-journal.", status=2)
        return
    if settings["folds"] or settings["reserve_test"]:
        fail("--folds and --reserve-test go with DATA, not with --from-journal.", status=2)
    if options.bad and options.assume_all_good:
        fail("give --bad or --assume-all-good, not both.", status=2)
    if not (options.bad or options.assume_all_good or options.review):
        fail(
            "production has defective parts among the good ones, and each would raise the threshold. Look at"
            " the highest scores with --review 50, name the bad parts in a file with --bad FILE (an empty"
            " file: none), or say --assume-all-good.",
            status=2,
        )


def _show(bundle: Bundle, after: Bundle, choice: Choice, *, written: bool, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "bundle": str(bundle.folder),
                "bundle_id": bundle.bundle_id,
                "written": written,
                "version": after.decision.version,
                "decision_id": after.decision_id,
                "keys": {key: each.numbers for key, each in choice.keys.items()},
                "limits": {key: limits.model_dump() for key, limits in choice.limits.items()},
                "how": choice.how,
                "provisional": choice.provisional,
                "reserved": list(choice.reserved),
                "chosen_by": list(choice.chosen_by),
                **choice.numbers,
            }
        )
        return
    for key, why in choice.numbers.get("not_run", {}).items():
        note(f"{key} does not run here: {why}")
    if resumed := choice.numbers.get("resumed"):
        note(f"{resumed} of {choice.numbers['folds']} folds were there from a run before")
    if choice.left_out:
        note(f"images left out: {choice.left_out}")
    if not choice.numbers.get("training_found", True):
        note(
            "none of the images that trained this bundle is in these data: make sure that they are not the"
            " same ones saved anew"
        )
    show_limits(bundle.decision.limits, choice.limits)
    say("how:")
    for sentence in choice.how.split(". "):
        say(f"  {sentence}")
    say_outcome(choice.provisional, after.decision.version, written=written)


def _stopped(bundle: Bundle, settings: ThresholdSettings) -> str:
    from inspectd.calibration.kept_folds import kept_file

    if settings.folds and kept_file(bundle).exists():
        return f"stopped; the same command goes on after the folds finished, kept in {kept_file(bundle)}"
    return "stopped; nothing was changed"


def _wrong_option(error: ValidationError) -> str:
    """Name the option that the settings refuse and what is wrong with it."""
    detail = error.errors(include_url=False)[0]
    text = detail["msg"].removeprefix("Value error, ")
    if not detail["loc"]:
        return f"{text}."
    option = str(detail["loc"][0]).replace("_", "-")
    return f"--{option} {detail['input']}: {text}."
