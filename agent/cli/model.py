"""`inspectd model install` and `inspectd model rollback`: another version in force, tested first."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from inspectd.agent.cli.adjust import login_user, show_limits
from inspectd.agent.cli.output import fail, note, print_json, say
from inspectd.agent.cli.runtime_option import runtime_settings
from inspectd.agent.config import load_config
from inspectd.inference.bundle import load_bundle
from inspectd.inference.errors import BundleError
from inspectd.inference.manifest import Limits
from inspectd.inference.model_store import ModelStore, Switched

SYSTEM_MODELS = Path("/var/lib/inspectd/models")


@dataclass(frozen=True, slots=True)
class SwitchOptions:
    """What both commands take; empty: as usual."""

    models: Path | None
    station: Path | None
    runtime: str
    precision: str
    why: str
    by: str


def run_install(bundle: Path, class_name: str, options: SwitchOptions, *, as_json: bool) -> None:
    """Install a bundle and tell what is in force now."""
    store = _store(options)
    loaded = load_bundle(bundle)
    before = _limits_in_force(store, class_name or loaded.manifest.class_name)
    done = store.install(bundle, class_name, by=options.by or login_user(), why=options.why)
    _report(done, before, as_json=as_json)


def run_rollback(class_name: str, to: int, options: SwitchOptions, *, as_json: bool) -> None:
    """Go back to an older version and tell what is in force now."""
    store = _store(options)
    before = _limits_in_force(store, class_name)
    done = store.rollback(class_name, to, by=options.by or login_user(), why=options.why)
    _report(done, before, as_json=as_json)


def models_folder(given: Path | None) -> Path:
    """Return the models folder that a command works on.

    Root's is where the stations of the systemd unit can read it, but not write: an agent never changes what
    it runs. Anybody else's is in the home folder, where they need no right that they do not have.
    """
    if given is not None:
        return given
    if os.geteuid() == 0:
        return SYSTEM_MODELS
    data = os.environ.get("XDG_DATA_HOME", "")
    return (Path(data) if Path(data).is_absolute() else Path.home() / ".local/share") / "inspectd/models"


def _store(options: SwitchOptions) -> ModelStore:
    if options.station and (options.runtime or options.precision):
        fail("--station names runtime and precision; give it, or --runtime and --precision", status=2)
    if options.station:
        runtime = load_config(options.station).engine
    else:
        runtime = runtime_settings(options.runtime, options.precision)
    return ModelStore(models_folder(options.models), runtime, lambda step: note(f"model: {step}"))


def _limits_in_force(store: ModelStore, class_name: str) -> dict[str, Limits]:
    """Return the limits of the version in force; empty where there is none, or none that loads."""
    version = store.current(class_name)
    try:
        return load_bundle(store.home(class_name) / str(version)).decision.limits if version else {}
    except BundleError:
        return {}


def _report(done: Switched, before: dict[str, Limits], *, as_json: bool) -> None:
    decision = done.bundle.decision
    if as_json:
        print_json(
            {
                "class": done.class_name,
                "version": done.version,
                "before": done.before,
                "changed": done.version != done.before,
                "bundle": str(done.link),
                "bundle_id": done.bundle.bundle_id,
                "decision_id": done.bundle.decision_id,
                "decision_version": decision.version,
                "provisional": decision.provisional,
                "limits": {key: limits.model_dump() for key, limits in decision.limits.items()},
            }
        )
        return
    if done.version == done.before:
        say(f"{done.class_name}: version {done.version} is in force already; nothing changed")
    else:
        say(f"{done.class_name}: version {done.version} in force (before: {done.before or 'none'})")
    show_limits(before, decision.limits)
    if decision.provisional:
        say(f"PROVISIONAL: {decision.provisional}")
        say("The line shows Degraded until calibrate threshold --from-journal completes it.")
    say(f"a station takes it by `bundle: {done.link}`; one that runs so takes it over within a few seconds")
