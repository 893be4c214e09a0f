"""`inspectd calibrate evaluate` and `compare` as commands: what they print, refuse and write."""

from __future__ import annotations

import shutil
from importlib.resources import files
from pathlib import Path

import cv2
import pytest
from command import Inspectd

from inspectd.inference.bundle import adjust_limits, load_bundle
from inspectd.io.buttons import render_part

BUNDLE = Path(str(files("inspectd.configs") / "bundles" / "buttons"))
GOOD, DEFECTIVE = 3, 3


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some buttons to test with, good and defective, with masks."""
    folder = tmp_path_factory.mktemp("parts")
    for number in range(GOOD + DEFECTIVE):
        pixels, mask, truth = render_part(11, number, 0.0 if number < GOOD else 1.0)
        kind = truth.kind or "good"
        written = [(folder / "test" / kind / f"{number}.png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))]
        if truth.kind:
            written.append(
                (folder / "ground_truth" / kind / f"{number}_mask.png", mask.astype("uint8") * 255)
            )
        for file, content in written:
            file.parent.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(file), content)
    return folder


@pytest.fixture
def adjusted(tmp_path: Path) -> Path:
    """The shipped bundle under a threshold that lets everything pass."""
    bundle = Path(shutil.copytree(BUNDLE, tmp_path / "adjusted"))
    limits = load_bundle(bundle).decision.limits
    raised = {key: each.model_copy(update={"threshold": 9.0}) for key, each in limits.items()}
    adjust_limits(bundle, raised, how="test", why="test", by="test")
    return bundle


def test_an_evaluation_as_json(inspectd: Inspectd, parts: Path) -> None:
    """One object: what was measured, the figures, each image; with `--paper` the paper's tables."""
    done = inspectd("calibrate", "evaluate", BUNDLE, parts, "--paper", "--json")
    assert done.status == 0
    report = done.report
    in_force = load_bundle(BUNDLE).decision
    assert (report["class"], report["decision_version"]) == ("buttons", in_force.version)
    assert report["engine"] == "float32/openvino/float32"
    assert (report["images"], report["good"], report["defective"]) == (6, GOOD, DEFECTIVE)
    assert len(report["per_image"]) == 6
    assert {each["verdict"] for each in report["per_image"]} <= {"ACCEPT", "REJECT", "UNKNOWN"}
    assert report["outcomes"]["escapes"]["of"] == DEFECTIVE
    assert [table["table"] for table in report["paper"]["tables"]] == ["IV", "VIII"]
    assert report["paper"]["class"] == "Button"


def test_an_evaluation_as_text(inspectd: Inspectd, parts: Path) -> None:
    """Every figure with its name, its equation or its table, and its interval."""
    done = inspectd("calibrate", "evaluate", BUNDLE, parts, "--paper-class", "metal nut")
    assert done.status == 0
    for text in (
        "image AUROC",
        "AUPRO (to 30 % FPR)",
        "accuracy (Eq. 8)",
        "F1 (Eq. 9)",
        "precision (Eq. 10)",
        "recall (Eq. 11)",
        "escapes (defective ACCEPT)",
        "UNKNOWN",
        "paper, Table II.",
        "paper, Table III.",
        "(Metal nut, %)",
    ):
        assert text in done.out, text


def test_an_unknown_class_is_refused_before_the_work(inspectd: Inspectd, tmp_path: Path) -> None:
    """With the classes that there are; the data is not even looked at."""
    done = inspectd("calibrate", "evaluate", BUNDLE, tmp_path / "none", "--paper-class", "gearbox")
    assert done.refuses(1, "no class 'gearbox'", "--paper-class", "Bottle")


def test_options_of_figures_without_a_folder(inspectd: Inspectd, parts: Path) -> None:
    """An option that would do nothing is refused, exit status 2."""
    done = inspectd("calibrate", "evaluate", BUNDLE, parts, "--time-with", BUNDLE)
    assert done.refuses(2, "--figures")


def test_a_folder_for_figures_that_cannot_be_is_refused_before_the_work(
    inspectd: Inspectd, parts: Path, tmp_path: Path
) -> None:
    """A file stands there; an evaluation of an hour is not lost by it."""
    (tmp_path / "file").write_text("")
    done = inspectd("calibrate", "evaluate", BUNDLE, parts, "--figures", tmp_path / "file")
    assert done.refuses(1, f"{tmp_path}/file: cannot be made a folder")
    assert "scoring" not in done.err


def test_figures_are_written_and_named(inspectd: Inspectd, parts: Path, tmp_path: Path) -> None:
    """Each file's path stands in the report."""
    done = inspectd("calibrate", "evaluate", BUNDLE, parts, "--figures", tmp_path / "out", "--json")
    assert done.status == 0
    named = done.report["figures"]["files"]
    assert len(named) == 3
    assert all(Path(file).is_file() for file in named)


def test_a_comparison_lists_what_would_change(inspectd: Inspectd, parts: Path, adjusted: Path) -> None:
    """As JSON and as text: each image with its verdict before and after."""
    as_json = inspectd("calibrate", "compare", BUNDLE, adjusted, parts, "--json")
    assert as_json.status == 0
    changes = as_json.report["changes"]
    assert changes
    assert {each["b"] for each in changes} == {"ACCEPT"}
    assert "REJECT" in {each["a"] for each in changes}
    versions = [as_json.report[name]["decision_version"] for name in ("a_bundle", "b_bundle")]
    assert versions[1] == versions[0] + 1
    as_text = inspectd("calibrate", "compare", BUNDLE, adjusted, parts)
    assert f"verdicts that would change: {len(changes)} of 6" in as_text.out
    assert "REJECT -> ACCEPT" in as_text.out
    assert changes[0]["file"] in as_text.out


def test_a_comparison_with_no_bundle(inspectd: Inspectd, parts: Path, tmp_path: Path) -> None:
    """Named, with what to do."""
    assert inspectd("calibrate", "compare", BUNDLE, tmp_path, parts).refuses(1, str(tmp_path))
