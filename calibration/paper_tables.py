"""The figures of the method's paper, Tables II to VIII, beside those of a bundle.

`paper_tables.csv` holds them as printed, in per cent, a figure a line; a dash of the paper has no line. "OUR"
and "With (skip & noise)" are the paper's own method. Where its tables disagree, each figure stands with its
table's number. F1 and accuracy (Table VI): the paper does not name their threshold; that carpet reaches F1 87
with an image AUROC of 45.3 speaks for the one that is best on the test images, so that is set beside them.
"""

from __future__ import annotations

import csv
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from inspectd.calibration.errors import CalibrationError

if TYPE_CHECKING:
    from inspectd.calibration.evaluate_report import EvaluateReport
    from inspectd.calibration.rates import Interval

CAPTIONS = {
    "II": "Comparison of pixel-level detection on the MVTec AD dataset",
    "III": "Comparison of image-level results on the MVTec AD dataset",
    "IV": "Comparison results for the constructed class 'Button'",
    "V": "Pixel-level ablation results on certain classes of the MVTec AD dataset",
    "VI": "Image-level ablation results on certain classes of the MVTec AD dataset",
    "VII": "Ablation results on the MVTec AD dataset, mean of its classes",
    "VIII": "Ablation results on the button class",
}
METHOD = ("OUR", "With (skip & noise)")
"""How the tables call the paper's own method."""

_MEANS = ("Mean_obj", "Mean_tex", "Mean")
_BUTTON = "Button"


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of the paper."""

    table: str
    class_name: str
    model: str
    metric: str
    percent: str
    """As printed."""


@dataclass(frozen=True, slots=True)
class PaperTable:
    """A class's part of one table, with what was measured here beside it."""

    table: str
    caption: str
    metrics: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    """Each model with its figures as printed, in the order of `metrics`; "-" where the paper has none."""
    ours: dict[str, float | None]
    """Measured here, per cent, by metric."""
    ours_intervals: dict[str, Interval]
    """95 % bootstrap intervals, per cent."""

    def to_json(self) -> dict[str, Any]:
        """Return the table as a JSON object."""
        rows = [
            {"model": model, **dict(zip(self.metrics, values, strict=True))} for model, values in self.rows
        ]
        return {**asdict(self), "metrics": list(self.metrics), "rows": rows}


@cache
def figures() -> tuple[Figure, ...]:
    """Return every number of Tables II to VIII."""
    text = (files("inspectd.calibration") / "paper_tables.csv").read_text(encoding="utf-8")
    return tuple(
        Figure(row["table"], row["class"], row["model"], row["metric"], row["percent"])
        for row in csv.DictReader(text.splitlines())
    )


def class_names() -> tuple[str, ...]:
    """Return the paper's classes in its own order."""
    names = dict.fromkeys(each.class_name for each in figures())
    return tuple(name for name in names if name not in _MEANS)


def find_class(name: str) -> str:
    """Return the paper's spelling of a class: case, plural and punctuation do not matter.

    Raises CalibrationError, saying which classes there are.
    """
    known = {_plain(each): each for each in class_names()}
    found = known.get(_plain(name)) or known.get(_plain(name).removesuffix("s"))
    if found is None:
        raise CalibrationError(
            f"the paper has no class {name!r}; name one by --paper-class: {', '.join(known.values())}."
        )
    return found


def beside(class_name: str, report: EvaluateReport) -> tuple[PaperTable, ...]:
    """Return a class's part of each table that has it, beside a report's figures.

    Table VII, a mean of all classes of MVTec AD, goes with each of those. `class_name` is the paper's.
    """
    ours, intervals = _measured(report)
    names = {"Mean": "VII"} if class_name != _BUTTON else {}
    chosen = [
        each
        for each in figures()
        if class_name == each.class_name or names.get(each.class_name) == each.table
    ]
    return tuple(
        _table(number, [each for each in chosen if each.table == number], ours, intervals)
        for number in CAPTIONS
        if any(each.table == number for each in chosen)
    )


def disagreements(class_name: str) -> tuple[str, ...]:
    """Return where two of the paper's tables give its own method different figures for a class."""
    told: list[str] = []
    for metric in ("pixel auroc", "image auroc"):
        printed = {
            each.table: each.percent
            for each in figures()
            if each.class_name == class_name and each.metric == metric and each.model in METHOD
        }
        if len({float(percent) for percent in printed.values()}) > 1:
            values = ", ".join(f"{percent} in Table {table}" for table, percent in printed.items())
            told.append(f"the paper's own {metric} of {class_name} differs: {values}")
    return tuple(told)


def _table(
    number: str, chosen: list[Figure], ours: dict[str, float | None], intervals: dict[str, Interval]
) -> PaperTable:
    metrics = tuple(dict.fromkeys(each.metric for each in chosen))
    printed = {(each.model, each.metric): each.percent for each in chosen}
    models = dict.fromkeys(each.model for each in chosen)
    return PaperTable(
        table=number,
        caption=CAPTIONS[number],
        metrics=metrics,
        rows=tuple(
            (model, tuple(printed.get((model, metric), "-") for metric in metrics)) for model in models
        ),
        ours={metric: ours[metric] for metric in metrics},
        ours_intervals={metric: intervals[metric] for metric in metrics if metric in intervals},
    )


def _measured(report: EvaluateReport) -> tuple[dict[str, float | None], dict[str, Interval]]:
    best = report.best_f1
    values = {
        "pixel auroc": report.pixel_auroc,
        "image auroc": report.image_auroc,
        "f1": best and best.f1,
        "accuracy": best and best.accuracy,
    }
    names = {"pixel_auroc": "pixel auroc", "image_auroc": "image auroc"}
    intervals = {
        names[key]: (100 * low, 100 * high) for key, (low, high) in report.intervals.items() if key in names
    }
    return {name: None if value is None else 100 * value for name, value in values.items()}, intervals


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
