"""`inspectd calibrate adjust`: shows limits before and after, and puts them in force."""

from __future__ import annotations

import getpass
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from inspectd.agent.cli.output import fail, fail_without_calibration, print_json, say
from inspectd.inference.bundle import load_bundle

if TYPE_CHECKING:
    from inspectd.inference.manifest import Limits


@dataclass(frozen=True, slots=True)
class AdjustOptions:
    """What the user asked for; None: as before."""

    bundle: Path
    threshold: float | None
    low_limit: float | None
    recheck: float | None
    pixel_threshold: float | None
    key: str | None
    why: str
    by: str
    complete: bool
    dry_run: bool


def run_adjust(options: AdjustOptions, *, as_json: bool) -> None:
    """Change limits by hand."""
    try:
        from inspectd.calibration.adjust import Changes, adjust, plan_adjustment
        from inspectd.calibration.errors import CalibrationError
    except ImportError as error:
        fail_without_calibration(error)
    if not options.why.strip():
        fail("--why: is empty. Say in a few words why the limits change.", status=2)
    bundle = load_bundle(options.bundle)
    changes = Changes(options.threshold, options.low_limit, options.recheck, options.pixel_threshold)
    try:
        plan = plan_adjustment(bundle, changes, options.key, complete=options.complete)
        after = bundle
        if not options.dry_run:
            after = adjust(bundle, plan, why=options.why, by=options.by or login_user())
    except CalibrationError as error:
        fail(str(error))
    if as_json:
        print_json(
            {
                "bundle": str(options.bundle),
                "bundle_id": bundle.bundle_id,
                "written": not options.dry_run,
                "version": after.decision.version,
                "decision_id": after.decision_id,
                "before": {key: limits.model_dump() for key, limits in plan.before.items()},
                "after": {key: limits.model_dump() for key, limits in plan.after.items()},
                "how": plan.how,
                "provisional": plan.provisional,
            }
        )
        return
    show_limits(plan.before, plan.after)
    say(f"how: {plan.how}")
    say_outcome(plan.provisional, after.decision.version, written=not options.dry_run)


def show_limits(before: dict[str, Limits], after: dict[str, Limits]) -> None:
    """Print limits before and after, key by key."""
    for key, limits in after.items():
        say(f"{key}:")
        old = before.get(key)
        for name, value in limits.model_dump().items():
            was = None if old is None else getattr(old, name)
            changed = "" if was == value else f"  (before: {_number(was)})"
            say(f"  {name.replace('_', ' ')}: {_number(value)}{changed}")


def say_outcome(provisional: str, version: int, *, written: bool) -> None:
    """Say last what is in force now."""
    if provisional:
        say(f"PROVISIONAL: {provisional}")
        say("The line shows Degraded until calibrate threshold --from-journal completes it.")
    say(f"decision: version {version}, in force" if written else "nothing was written (--dry-run)")


def login_user() -> str:
    """Return the name that a decision, a report or a history gets where none is given.

    It is who stands before the machine; under sudo that is not root.
    """
    if os.geteuid() == 0 and os.environ.get("SUDO_USER"):
        return os.environ["SUDO_USER"]
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        # Without a login name, as in a bare container: getpass raises one of these, by version.
        fail("this user has no name on this machine. Name yourself with --by.", status=2)


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.6g}"
