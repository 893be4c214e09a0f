"""`inspectd model list`: what is installed, what is in force, and the history."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from inspectd.agent.cli.model import models_folder
from inspectd.agent.cli.output import print_json, say
from inspectd.agent.cli.progress import progress_bar
from inspectd.inference.bundle import load_bundle
from inspectd.inference.errors import BundleError
from inspectd.inference.model_history import Entry
from inspectd.inference.model_store import CURRENT, ModelStore
from inspectd.inference.runtime import RuntimeSettings


@dataclass(frozen=True, slots=True)
class Version:
    """One installed version. `problem` says why it does not load; empty: it does."""

    version: int
    in_force: bool
    class_name: str = ""
    bundle_id: str = ""
    decision_id: str = ""
    decision_version: int = 0
    provisional: str = ""
    problem: str = ""


def run_list(models: Path | None, *, as_json: bool) -> None:
    """Check and show every version; exit status 1 if one in force does not load."""
    store = ModelStore(models_folder(models), RuntimeSettings())
    names = store.classes()
    total = sum(len(store.versions(name)) for name in names)
    classes: list[dict[str, Any]] = []
    broken = False
    with progress_bar("checking") as advance:
        done = 0
        for name in names:
            versions: list[Version] = []
            for number in store.versions(name):
                versions.append(_version(store, name, number))
                done += 1
                advance(done, total, name)
            current, history = store.current(name), store.history(name)
            in_force = [version for version in versions if version.in_force]
            broken = broken or not in_force or bool(in_force[0].problem)
            classes.append(_class(store, name, current, versions, history))
    if as_json:
        print_json({"models": str(store.folder), "ok": not broken, "classes": classes})
    else:
        say(f"models folder {store.folder}" + ("" if names else ": nothing is installed"))
        for entry in classes:
            _show(entry)
    if broken:
        raise SystemExit(1)


def _version(store: ModelStore, name: str, number: int) -> Version:
    in_force = store.current(name) == number
    try:
        bundle = load_bundle(store.home(name) / str(number))
    except BundleError as error:
        return Version(number, in_force, problem=str(error))
    return Version(
        version=number,
        in_force=in_force,
        class_name=bundle.manifest.class_name,
        bundle_id=bundle.bundle_id,
        decision_id=bundle.decision_id,
        decision_version=bundle.decision.version,
        provisional=bundle.decision.provisional,
    )


def _class(
    store: ModelStore, name: str, current: int, versions: list[Version], history: list[Entry]
) -> dict[str, Any]:
    warnings: list[str] = []
    if not any(version.in_force for version in versions):
        warnings.append(f"no version is in force; run `inspectd model rollback {name} --to VERSION`")
    if history and history[-1].version != current:
        told = history[-1].version
        warnings.append(f"the switch to version {told} was cut off; install it again, or roll back to it")
    return {
        "class": name,
        "bundle": str(store.home(name) / CURRENT),
        "in_force": current,
        "versions": [asdict(version) for version in versions],
        "history": [entry.model_dump() for entry in history],
        "warnings": warnings,
    }


def _show(entry: dict[str, Any]) -> None:
    say(f"\n{entry['class']}  (bundle: {entry['bundle']})")
    for version in entry["versions"]:
        mark = "*" if version["in_force"] else " "
        if version["problem"]:
            say(f"  {mark} {version['version']}  DAMAGED: {version['problem']}")
            continue
        decision = f"decision {version['decision_id'][:12]} (version {version['decision_version']})"
        provisional = f"  PROVISIONAL: {version['provisional']}" if version["provisional"] else ""
        say(f"  {mark} {version['version']}  bundle {version['bundle_id'][:12]}  {decision}{provisional}")
    say("  history:")
    for change in entry["history"]:
        why = f": {change['why']}" if change["why"] else ""
        say(f"    {change['at']}  {change['action']} {change['version'] or 'none'} by {change['by']}{why}")
    for warning in entry["warnings"]:
        say(f"  warning: {warning}")
