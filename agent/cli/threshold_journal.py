"""Production as a sample: a station's record, what to look at in it, and limits chosen by the rest."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspectd.agent.cli.output import fail, note, print_json, say
from inspectd.agent.cli.progress import progress_bar
from inspectd.agent.record import FILE_NAME, read_rows
from inspectd.io.plc import Reason

if TYPE_CHECKING:
    from inspectd.agent.cli.threshold import ThresholdOptions
    from inspectd.calibration.decide import Choice
    from inspectd.calibration.journal import Journal
    from inspectd.calibration.threshold_settings import ThresholdSettings
    from inspectd.inference.bundle import Bundle

SHOW_EVERY = 1000
"""Rows between two looks at the clock."""

JUDGED = frozenset({Reason.NONE, Reason.OVER_THRESHOLD, Reason.RECHECK, Reason.SHADOW})
"""Reasons that stand beside a score of a fit frame that is the part's own. A part under the low limit has
one too, but is no good part as far as anyone can tell."""


def show_review(bundle: Bundle, options: ThresholdOptions, *, as_json: bool) -> None:
    """List the parts of production with the highest scores; change nothing."""
    _, journal = _read(bundle, options)
    parts = journal.highest(options.review)
    if as_json:
        rows = [
            {"part": part.part, "time": part.time, "image": part.image, "score": part.score} for part in parts
        ]
        print_json({"parts": rows, "usable": len(journal.parts), "left_out": journal.left_out})
        return
    _note_left_out(journal)
    say(f"{'part':>10}  {'time':<29}  {'score':<10}  image")
    for part in parts:
        say(f"{part.part:>10}  {part.time:<29}  {part.score:<10.6g}  {part.image}")


def choose_by_journal(bundle: Bundle, options: ThresholdOptions, settings: ThresholdSettings) -> Choice:
    """Choose limits by the parts of production not named bad. Raises CalibrationError, RecordError."""
    from inspectd.calibration.decide import choose_from_production
    from inspectd.calibration.threshold_settings import NEEDS_DEFECTS

    key, journal = _read(bundle, options)
    _note_left_out(journal)
    bad = _bad_parts(options.bad) if options.bad is not None else set[int]()
    good, defective = journal.divide(bad)
    first, last = journal.parts[0], journal.parts[-1]
    provisional = ""
    if options.bad is None:
        assumed = (
            "nobody looked at them: all were assumed to be good, and a defective one raises the threshold"
        )
        provisional = "nobody looked at the parts, all were assumed to be good: look at them and use --bad"
    else:
        use = "chosen by as defective" if settings.method in NEEDS_DEFECTS else "left out"
        assumed = f"{len(defective)} parts named bad were {use}, all others taken for good"
    told = "" if options.key is None else f", runtime named by {options.key}"
    source = (
        f"{len(good)} parts of production, {first.part} ({first.time}) to {last.part} ({last.time}){told};"
        f" {assumed}; rows left out: {_left_out(journal)}"
    )
    choice = choose_from_production(bundle, key, good, defective, settings, source, provisional)
    choice.numbers.update(
        journal=str(options.journal), key=key, bad=sorted(bad), left_out=journal.left_out, parts=len(good)
    )
    return choice


def _read(bundle: Bundle, options: ThresholdOptions) -> tuple[str, Journal]:
    """Return the runtime's key and the usable parts; ends the command if there are none."""
    from inspectd.calibration.journal import Wanted, keys_told, read_journal

    folder = options.journal
    if folder is None or not (folder / FILE_NAME).is_file():
        fail(f"{folder}: has no {FILE_NAME}. Name the station's record folder.")
    torn = 0

    def count_torn() -> None:
        nonlocal torn
        torn += 1

    with progress_bar("journal") as advance:
        counted = itertools.count(1)

        def show(done: int, total: int) -> None:
            if next(counted) % SHOW_EVERY == 0 or done == total:
                advance(done // 1000, total // 1000, "kB read")

        rows = list(read_rows(folder, torn=count_torn, read=show))
    key = options.key or _only_key(keys_told(rows, bundle.bundle_id), folder)
    wanted = Wanted(
        bundle.bundle_id,
        bundle.manifest.class_name,
        key,
        frozenset(int(reason) for reason in JUDGED),
        assume_key=options.key is not None,
    )
    journal = read_journal(rows, wanted)
    if torn:
        journal.left_out["torn"] = torn
    if not journal.parts:
        fail(
            f"{folder}: no row to use of bundle {bundle.bundle_id[:12]}, class {wanted.class_name}, {key}"
            f" ({_left_out(journal)}). Let the station run this bundle, in shadow mode, and come again."
        )
    return key, journal


def _only_key(keys: dict[str, int], folder: Path) -> str:
    told = ", ".join(f"{key} ({count})" for key, count in keys.items()) or "none"
    if len(keys) != 1:
        fail(f"{folder}: its rows of this bundle tell of these runtimes: {told}. Name one with --key.")
    return next(iter(keys))


def _bad_parts(file: Path) -> set[int]:
    """Read part ids, one a line; empty lines and what follows # do not count."""
    parts: set[int] = set()
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{file}: cannot be read ({error}). Name a text file of part ids, one a line.")
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        try:
            parts.add(int(text))
        except ValueError:
            fail(f"{file}:{number}: {text!r} is not a part id. Write one whole number a line.")
    return parts


def _note_left_out(journal: Journal) -> None:
    if journal.left_out:
        note(f"{len(journal.parts)} parts used; rows left out: {_left_out(journal)}")


def _left_out(journal: Journal) -> str:
    counts: dict[str, Any] = journal.left_out
    return ", ".join(f"{count} {reason}" for reason, count in counts.items()) or "none"
