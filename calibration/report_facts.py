"""What a report says from the bundle alone: its verdict, its decisions, how images are prepared, versions."""

from __future__ import annotations

import platform
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import cv2

from inspectd.calibration.report_page import Facts, Section, Table, Text
from inspectd.calibration.sigma_origin import RECORD
from inspectd.inference.documents import read_document
from inspectd.inference.manifest import Decision, Limits, parse_decision

if TYPE_CHECKING:
    from inspectd.calibration.report_page import Block
    from inspectd.inference.bundle import Bundle

_PACKAGES = ("torch", "openvino", "numpy")


def verdict_of(bundle: Bundle, key: str) -> str:
    """Return in one sentence whether the calibration is complete, and if not, why and what completes it."""
    decision = bundle.decision
    threshold = f"{number(decision.limits[key].threshold)} ({key})"
    if decision.provisional:
        reason = decision.provisional.rstrip(". ")
        return (
            f"The threshold in force, {threshold}, is not yet supported by its sample: {reason};"
            " the line shows Degraded until inspectd calibrate threshold --from-journal completes it."
        )
    return (
        f"The threshold in force is {threshold}; its decision notes nothing that its sample does not support."
    )


def summary(bundle: Bundle, key: str, by: str, date: str) -> Facts:
    """Return what stands at the head of the page."""
    decision, limits = bundle.decision, bundle.decision.limits[key]
    return Facts(
        (
            ("Product class", bundle.manifest.class_name),
            ("Bundle", bundle.bundle_id),
            ("Decision", f"version {decision.version}, {bundle.decision_id}"),
            ("Decided", f"{_utc(decision.decided_at)} UTC by {decision.by}"),
            ("Limits in force", in_words(limits)),
            ("Runtime", key),
            ("Report made", f"{date} by {by}"),
        )
    )


def decision_history(bundle: Bundle) -> list[tuple[Decision, str]]:
    """Return every decision with its id, the one in force first. Raises BundleError for a damaged one."""
    history = [(bundle.decision, bundle.decision_id)]
    while (parent := history[-1][0]).parent is not None:
        path = bundle.folder / f"decision-{parent.version - 1}.json"
        history.append(parse_decision(path, read_document(path)))
    return history


def decisions_section(bundle: Bundle, key: str) -> Section:
    """Return all versions of the decision and the limits in force on each runtime."""
    history = decision_history(bundle)
    numbers: list[tuple[str, ...]] = []
    words: list[Block] = []
    for decision, decision_id in history:
        state = "in force" if decision.version == bundle.decision.version else "replaced"
        state += ", provisional" if decision.provisional else ""
        limits = decision.limits.get(key)
        row = _limits_row(limits) if limits else ("none",) * 4
        numbers.append((str(decision.version), *row, _utc(decision.decided_at), decision.by))
        words.append(
            Facts(
                (
                    (f"Version {decision.version}", f"{state}; {decision_id}"),
                    ("How", decision.how),
                    ("Why", decision.why),
                    ("Not supported", decision.provisional or "nothing noted"),
                )
            )
        )
    in_force = [(name, *_limits_row(limits)) for name, limits in sorted(bundle.decision.limits.items())]
    names = ("Threshold", "Low limit", "Recheck from", "Pixel threshold")
    blocks: list[Block] = [
        Table(
            f"Every version of the decision, the newest first; limits on {key}. Scores have no unit.",
            ("Version", *names, "Decided (UTC)", "By"),
            numbers,
            frozenset(range(5)),
        ),
        *words,
        Table(
            "Limits in force, on each runtime and precision (graph/runtime/precision).",
            ("Runtime", *names),
            in_force,
            frozenset(range(1, 5)),
        ),
    ]
    return Section("decisions", "Decision history", blocks)


def preparation_section(bundle: Bundle) -> Section:
    """Return how a frame becomes the graph's input, and which frames are not judged."""
    manifest = bundle.manifest
    preparation, fitness = manifest.preparation, manifest.preparation.fitness
    size = preparation.camera_size
    recipe = [
        (name, _setting(value))
        for name, value in sorted(manifest.training.items())
        if name not in ("images", RECORD)
    ]
    model = [(name, _setting(value)) for name, value in sorted(manifest.model.items())]
    weights = [(f"vgg19 {name}", _setting(value)) for name, value in sorted(manifest.vgg19.items())]
    presence = "no limit" if fitness.presence_min is None else number(fitness.presence_min)
    limits = (
        ("Brightness", "at least", number(fitness.brightness_min), "mean grey value, 0 to 255"),
        ("Saturation", "at most", percent(fitness.saturated_max), "of the pixels at 250 or more"),
        ("Sharpness", "at least", number(fitness.sharpness_min), "deviation of the Laplacian / brightness"),
        ("Contrast", "at least", number(fitness.contrast_min), "deviation of the thumbnail's grey values"),
        ("Presence", "at least", presence, "1: as much of the mean good part as an average one"),
    )
    blocks: list[Block] = [
        Facts(
            (
                ("Camera's frames", f"{size[1]} x {size[0]} px" if size else "of several sizes"),
                ("Graph's input", f"{manifest.image_size} x {manifest.image_size} px, RGB"),
                ("Resizing", preparation.resize),
                ("Noise in the graph", f"sigma {manifest.noise.sigma:g}, seed {manifest.noise.seed}"),
            )
        ),
        Table(
            "Fitness limits, learned from the good images. A frame beyond one is not judged: its part is"
            " UNKNOWN, which a line treats as reject.",
            ("Measure", "", "Limit", "Unit"),
            limits,
            frozenset({2}),
        ),
        Text("Recipe of the training, as the manifest has it:"),
        Facts(recipe, compact=True),
        Text("The model, and its pre-trained weights (VGG19):"),
        Facts((*model, *weights), compact=True),
    ]
    return Section("preparation", "Preparation, fitness, noise and recipe", blocks)


def versions_section(bundle: Bundle) -> Section:
    """Return what made the bundle and what made this report."""
    rows = [
        ("inspectd that made the bundle", bundle.manifest.code_version),
        ("inspectd", _version("inspectd")),
        ("Python", platform.python_version()),
        *((name, _version(name)) for name in _PACKAGES),
        ("OpenCV", cv2.__version__),
        ("Platform", platform.platform()),
        ("Processor", platform.machine()),
    ]
    return Section(
        "versions",
        "Versions",
        [
            Text("All but the first are of the machine that made this report."),
            Table("Programs and platform.", ("What", "Version"), rows),
        ],
    )


def in_words(limits: Limits) -> str:
    """Return limits as a line of text."""
    text = f"threshold {number(limits.threshold)}, low limit {number(limits.low_limit)}, "
    text += f"recheck from {number(_recheck_from(limits))}" if limits.recheck else "no recheck band"
    if limits.pixel_threshold is not None:
        text += f", pixel threshold {number(limits.pixel_threshold)}"
    return text


def number(value: float) -> str:
    """Return a score or limit with four significant digits, so that a column lines up."""
    return f"{value:#.4g}"


def percent(value: float) -> str:
    """Return a share in percent with one decimal."""
    return f"{100 * value:.1f} %"


def _limits_row(limits: Limits) -> tuple[str, str, str, str]:
    pixel = "none" if limits.pixel_threshold is None else number(limits.pixel_threshold)
    recheck = number(_recheck_from(limits)) if limits.recheck else "none"
    return number(limits.threshold), number(limits.low_limit), recheck, pixel


def _recheck_from(limits: Limits) -> float:
    return limits.threshold * (1 - limits.recheck)


def _utc(text: str) -> str:
    """Return a decision's time to the second, in UTC as decisions have it; as it stands if it is no time."""
    try:
        return datetime.fromisoformat(text).astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return text


def _setting(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    if isinstance(value, (list, tuple)):
        items: list[object] = list(value)  # pyright: ignore[reportUnknownArgumentType]  JSON of any kind
        return ", ".join(_setting(item) for item in items) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
