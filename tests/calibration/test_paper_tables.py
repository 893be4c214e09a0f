"""The paper's figures: complete, in their columns, found by class, and beside what was measured."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace

import pytest

from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.evaluate_report import build_report
from inspectd.calibration.metrics import BestF1
from inspectd.calibration.paper_tables import (
    CAPTIONS,
    beside,
    class_names,
    disagreements,
    figures,
    find_class,
)
from inspectd.calibration.pixels import PixelHistogram

TEXTURES = ("Carpet", "Grid", "Leather", "Tile", "Wood")


def by_model(table: str) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for each in figures():
        if each.table == table:
            found[each.model][each.class_name] = float(each.percent)
    return found


def test_no_figure_is_missing() -> None:
    """As many in each table as the paper prints, dashes left out; none twice."""
    counts = Counter(each.table for each in figures())
    assert counts == {"II": 144, "III": 108, "IV": 9, "V": 27, "VI": 81, "VII": 6, "VIII": 6}
    assert len({(each.table, each.class_name, each.model, each.metric) for each in figures()}) == 381
    assert counts.keys() == CAPTIONS.keys()
    assert len(class_names()) == 16


@pytest.mark.parametrize("table", ["II", "III"])
def test_each_column_has_the_means_that_the_paper_prints(table: str) -> None:
    """A digit or a column mistaken would move a mean: objects, textures, all, to the paper's own rounding."""
    for model, values in by_model(table).items():
        textures = [values[name] for name in TEXTURES]
        objects = [values[name] for name in class_names() if name not in {*TEXTURES, "Button"}]
        assert len(objects) == 10
        told = (values["Mean_obj"], values["Mean_tex"], values["Mean"])
        means = (sum(objects) / 10, sum(textures) / 5, sum(objects + textures) / 15)
        for printed, mean in zip(told, means, strict=True):
            rounding = 0.1 if printed % 1 else 0.61
            assert printed == pytest.approx(mean, abs=rounding), (model, printed, mean)


def test_some_figures_by_hand() -> None:
    """One or more of each table, read off the page."""
    told = {(each.table, each.class_name, each.model, each.metric): each.percent for each in figures()}
    assert told["II", "Screw", "OUR", "pixel auroc"] == "97.6"
    assert told["II", "Transistor", "GAP[33]", "pixel auroc"] == "100"
    assert told["III", "Screw", "OUR", "image auroc"] == "89.8"
    assert told["III", "Carpet", "DBISD[30]", "image auroc"] == "91"
    assert told["IV", "Button", "AESSIM[5]", "pixel auroc"] == "85"
    assert ("IV", "Button", "CAD[28]", "pixel auroc") not in told
    assert told["V", "Wood", "Without skip", "pixel auroc"] == "74.7"
    assert told["VI", "Tile", "Without skip", "accuracy"] == "72"
    assert told["VI", "Carpet", "Without noise", "image auroc"] == "45.3"
    assert told["VI", "Wood", "With (skip & noise)", "f1"] == "95"
    assert told["VII", "Mean", "Without noise", "image auroc"] == "77.8"
    assert told["VIII", "Button", "With (skip & noise)", "image auroc"] == "99.4"


@pytest.mark.parametrize(
    ("given", "found"), [("buttons", "Button"), ("metal_nut", "Metal nut"), ("SCREW", "Screw")]
)
def test_a_class_is_found_by_its_name(given: str, found: str) -> None:
    """Case, plural and punctuation do not matter."""
    assert find_class(given) == found


@pytest.mark.parametrize("name", ["gearbox", "Mean", "", "s"])
def test_an_unknown_class_is_told_which_there_are(name: str) -> None:
    """Means are no class."""
    with pytest.raises(CalibrationError, match=r"--paper-class: Bottle, Cable, .*Wood, Button"):
        find_class(name)


def test_where_the_paper_disagrees_with_itself() -> None:
    """Each figure is quoted with its table's number; where they agree nothing is said."""
    told = {name: disagreements(name) for name in class_names()}
    assert {name for name, texts in told.items() if texts} == {
        "Cable",
        "Carpet",
        "Leather",
        "Toothbrush",
        "Button",
    }
    assert told["Cable"] == ("the paper's own pixel auroc of Cable differs: 87.1 in Table II, 79 in Table V",)
    assert told["Button"] == (
        "the paper's own image auroc of Button differs: 99.7 in Table IV, 99.4 in Table VIII",
    )


def test_tables_of_a_class() -> None:
    """Those that have it, in their order; the mean of MVTec AD's classes goes with those alone."""
    report = build_report([], PixelHistogram(), None, 0, 0.0)
    assert [table.table for table in beside("Bottle", report)] == ["II", "III", "V", "VI", "VII"]
    assert [table.table for table in beside("Screw", report)] == ["II", "III", "VII"]
    assert [table.table for table in beside("Button", report)] == ["IV", "VIII"]
    button = beside("Button", report)[0]
    assert button.metrics == ("pixel auroc", "image auroc")
    assert button.rows[0] == ("OUR", ("97.4", "99.7"))
    assert button.rows[2] == ("CAD[28]", ("-", "95.8"))
    assert button.ours == {"pixel auroc": None, "image auroc": None}


def test_ours_stand_under_their_metric() -> None:
    """In per cent; F1 and accuracy at the threshold that is best on the test images."""
    empty = build_report([], PixelHistogram(), None, 0, 0.0)
    report = replace(
        empty,
        image_auroc=0.9,
        pixel_auroc=0.8,
        best_f1=BestF1(threshold=1.0, f1=0.7, accuracy=0.6),
        intervals={"image_auroc": (0.85, 0.95), "f1": (0.1, 0.2)},
    )
    image_level = beside("Wood", report)[3]
    assert image_level.table == "VI"
    assert image_level.ours == pytest.approx({"f1": 70, "accuracy": 60, "image auroc": 90})
    assert image_level.ours_intervals == {"image auroc": pytest.approx((85, 95))}
