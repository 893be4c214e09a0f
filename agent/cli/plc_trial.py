"""`inspectd plc test`: the handshake step by step, and what is wired wrongly."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Collection, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.console import Console
from rich.text import Text

from inspectd.agent.cli.output import note, print_json
from inspectd.agent.config import load_config
from inspectd.io.errors import PlcError
from inspectd.io.plc_diagnosis import Diagnosis, explain
from inspectd.io.plc_finding import Finding, Outcome, failed, passed, skipped
from inspectd.io.plc_settings import AnyPlcSettings
from inspectd.io.plc_transport import PlcTransport
from inspectd.io.plc_trial import Trial
from inspectd.io.plc_trial_level import take_level_part
from inspectd.io.plc_trial_part import (
    await_confirmation,
    await_epoch,
    check_parts,
    check_write_timing,
    take_parts,
)
from inspectd.io.transports import transport_of

AGENT_STEP = "no agent"
PART_STEP = "a part"
LINK_STEP = "link"
QUESTION = (
    "The next steps write words 32 to 131 with Online off: every part on the belt will be rejected. Go on?"
)
MARKS = {
    Outcome.PASSED: ("ok     ", "green"),
    Outcome.FAILED: ("FAILED ", "red"),
    Outcome.WARNED: ("warning", "yellow"),
    Outcome.SKIPPED: ("skipped", "dim"),
}


@dataclass(frozen=True, slots=True)
class TrialOptions:
    """What the user asked for; `wait_s` 0: no part is sent."""

    yes: bool
    wait_s: float
    as_json: bool


def run_trial(config: Path, options: TrialOptions) -> None:
    """Show each step as it ends, and all that failed at the end. Exit status 1 if anything did."""
    settings = load_config(config)
    recipes = frozenset(entry.recipe for entry in settings.classes)
    transport = transport_of(settings.plc)
    console = Console(quiet=options.as_json)
    findings: list[Finding] = []
    try:
        confirmed = settings.line.confirmations is not None
        with closing(walk(settings.plc, transport, recipes, options, confirmed=confirmed)) as steps:
            for finding in steps:
                findings.append(finding)
                console.print(_line(finding), soft_wrap=True)
    finally:
        transport.close()
    failures = [finding for finding in findings if finding.outcome is Outcome.FAILED]
    if options.as_json:
        told = [
            {"step": each.step, "outcome": each.outcome.value, "text": each.text, "remedy": each.remedy}
            for each in findings
        ]
        print_json({"config": str(config), "ok": not failures, "findings": told})
    else:
        console.print(_summary(findings), soft_wrap=True)
    if failures:
        raise SystemExit(1)


def walk(
    settings: AnyPlcSettings,
    transport: PlcTransport,
    recipes: Collection[int],
    options: TrialOptions,
    *,
    confirmed: bool,
) -> Generator[Finding]:
    """Give the findings of every step: first by reading alone, then by writing what is safe.

    `confirmed`: the station expects the reject sensor's confirmations.
    """
    diagnosis = Diagnosis(settings, transport, recipes)
    yield from diagnosis.run()
    if not diagnosis.located:
        yield skipped("writing", "nothing is written until the words are found in their place")
        return
    if diagnosis.agent_beats:
        yield failed(
            AGENT_STEP,
            "an agent is writing here: its HEARTBEAT (word 32) moves",
            "stop it for the test (systemctl stop inspectd@NAME); is it not yours, take another address",
        )
        return
    yield passed(AGENT_STEP, "the agent's HEARTBEAT (word 32) stood still")
    if not (options.yes or _permitted()):
        yield skipped("writing", "not permitted", "answer yes, or give --yes where nobody can be asked")
        return
    trial = Trial(settings, transport, diagnosis.heard.samples[-1])
    try:
        yield from _write_and_wait(trial, settings, recipes, options.wait_s, confirmed=confirmed)
    except PlcError as error:
        yield explain(LINK_STEP, error)
    finally:
        left = trial.leave()
    if left is not None:
        yield left


def _write_and_wait(
    trial: Trial, settings: AnyPlcSettings, recipes: Collection[int], wait_s: float, *, confirmed: bool
) -> Iterator[Finding]:
    yield (begun := trial.begin())
    if begun.outcome is Outcome.FAILED:
        return
    if trial.epoch == 0:
        yield await_epoch(trial)
    if wait_s <= 0:
        yield skipped(PART_STEP, "none was asked for (--wait 0)")
        return
    if settings.mode == "free_running":
        note("run the belt now")
    else:
        note(f"send one part past the photo-eye now; waiting up to {wait_s:g} s")
    if settings.handshake == "level":
        yield from take_level_part(trial, wait_s)
        ids = {sample.words[2] for sample in trial.heard.samples if not sample.torn}
        came = len(ids) > 1
    else:
        came = take_parts(trial, settings, wait_s)
    if came or settings.handshake != "level":
        yield from check_parts(trial, settings, recipes, came=came)
    if came and confirmed:
        note(f"waiting up to {wait_s:g} s for the reject sensor")
        yield await_confirmation(trial, wait_s)
    yield check_write_timing(trial.write_ms, settings.timeout_ms)


def _permitted() -> bool:
    return sys.stdin.isatty() and typer.confirm(QUESTION, err=True)


def _line(finding: Finding) -> Text:
    mark, colour = MARKS[finding.outcome]
    line = Text().append(mark, style=colour).append(f" {finding.step}: {finding.text}")
    return line.append(f"\n        -> {finding.remedy}", style="bold") if finding.remedy else line


def _summary(findings: list[Finding]) -> Text:
    counts = Counter(finding.outcome for finding in findings)
    text = Text(
        "\n" + ", ".join(f"{counts[outcome]} {outcome.value}" for outcome in Outcome if counts[outcome])
    )
    for finding in findings:
        if finding.outcome is Outcome.FAILED:
            text.append("\n").append_text(_line(finding))
    return text
