"""What a report says of the data: the fingerprint of what was trained with, and of what was measured on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from inspectd.calibration.contents import short_id
from inspectd.calibration.layout import Labelled, Layout
from inspectd.calibration.report_page import Facts, Section, Table, Text
from inspectd.calibration.selection import chosen_by, image_ids, trained_by
from inspectd.inference.documents import document_id

if TYPE_CHECKING:
    from inspectd.calibration.evaluate_report import EvaluateReport
    from inspectd.calibration.report_page import Block
    from inspectd.inference.bundle import Bundle

_PARTS = {
    "train": "to train with",
    "stopping": "to stop the training by",
    "threshold": "for the threshold, used by neither",
}


def data_section(bundle: Bundle, layout: Layout | None, report: EvaluateReport | None) -> Section:
    """Return hashes and numbers of images; `layout` and `report` are of the data that was measured on."""
    blocks: list[Block] = [_training(bundle)]
    if layout is None or report is None:
        text = "No test images were given; nothing is known here but what the bundle was made from."
        blocks.append(Text(text, "missing"))
    else:
        blocks += _measured(bundle, layout, report)
    return Section("data", "The data's fingerprint", blocks)


def _training(bundle: Bundle) -> Facts:
    rows = [("Training data, sha256", bundle.manifest.training_data)]
    ids = image_ids(bundle)
    rows += [(f"Good images {text}", str(len(ids[part]))) for part, text in _PARTS.items() if part in ids]
    if not ids:
        kept = bundle.manifest.metrics
        rows += [
            (title, str(kept[name]))
            for name, title in (
                ("good_images", "Good images to train with"),
                ("good_images_held_out", "Good images held out"),
            )
            if name in kept
        ]
    return Facts(rows)


def _measured(bundle: Bundle, layout: Layout, report: EvaluateReport) -> list[Block]:
    ids = {test: short_id(test.file) for test in layout.test}
    reserved = [test for test in layout.test if ids[test] in chosen_by(bundle) - trained_by(bundle)]
    measured = {each.file for each in report.per_image}
    used = sorted((_name(test), ids[test]) for test in layout.test if str(test.file) in measured)
    rows = [
        ("Measured on", str(layout.source)),
        ("Layout", {"plain": "plain folder", "mvtec": "MVTec AD", "csv": "CSV list"}[layout.form]),
        ("Images measured, sha256", document_id(used)),
        ("Left out as reserved", f"{report.reserved}: limits were chosen by them"),
        ("Left out as trained with", f"{report.in_training}, or by which the noise rate was chosen"),
    ]
    blocks: list[Block] = [Facts([*rows, *_found_again(bundle, layout)])]
    kinds = Counter(each.kind for each in report.per_image)
    names = ["good", *sorted(kinds.keys() - {"good"})]
    total, held_back = (Counter(test.kind for test in tests) for tests in (layout.test, reserved))
    table = [(kind, str(kinds[kind]), str(held_back[kind]), str(total[kind])) for kind in names]
    caption = "Test images of each kind: measured on, reserved, and in the data altogether."
    blocks.append(Table(caption, ("Kind", "Measured", "Reserved", "In all"), table, frozenset({1, 2, 3})))
    if reserved:
        listed = ", ".join(sorted(_name(test) for test in reserved))
        blocks.append(Text(f"Reserved, and so not measured on: {listed}."))
    return blocks


def _found_again(bundle: Bundle, layout: Layout) -> Sequence[tuple[str, str]]:
    """Say how many of the images that the bundle was made from lie in the data, unchanged."""
    known = {each for part in image_ids(bundle).values() for each in part}
    if not known:
        return [("Good images in the data", f"{len(layout.good)}; the bundle does not list its own")]
    there = {short_id(file) for file in layout.good}
    found = f"{len(known & there)} of the bundle's {len(known)} found unchanged"
    return [("Good images in the data", f"{len(layout.good)}; {found}")]


def _name(test: Labelled) -> str:
    return f"{test.kind}/{test.file.name}"
