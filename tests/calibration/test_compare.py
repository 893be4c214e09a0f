"""Two bundles on the same images: differences with paired intervals, verdicts that would change."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from report_bundle import KEY, write_dark_bundle

from inspectd.calibration.compare import compare, compare_figures
from inspectd.calibration.contents import SHORT_ID
from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.evaluate_report import ImageResult, build_report
from inspectd.calibration.metrics import image_auroc
from inspectd.calibration.pixels import PixelHistogram
from inspectd.inference.bundle import adjust_limits, load_bundle, write_bundle
from inspectd.inference.documents import file_id
from inspectd.inference.manifest import Limits
from inspectd.inference.runtime import RuntimeSettings

RUNTIME = RuntimeSettings()


@pytest.fixture(scope="module")
def dark(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose score is the darkest place."""
    return write_dark_bundle(tmp_path_factory.mktemp("compare") / "disk", data_folder, "disk")


@pytest.fixture
def pair(dark: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Twice the same bundle, to adjust."""
    return Path(shutil.copytree(dark, tmp_path / "a")), Path(shutil.copytree(dark, tmp_path / "b"))


def decide(bundle: Path, threshold: float, *reserved: Path) -> None:
    adjust_limits(
        bundle,
        {KEY: Limits(threshold=threshold, low_limit=0.1)},
        how="test",
        why="test",
        by="test",
        reserved=tuple(file_id(file)[:SHORT_ID] for file in reserved),
    )


def test_a_bundle_equals_itself(pair: tuple[Path, Path], data_folder: Path) -> None:
    """No difference, no change, and no interval that would call it clear."""
    seen: list[tuple[int, int, str]] = []
    found = compare(
        pair, data_folder, RUNTIME, lambda done, total, text, _left: seen.append((done, total, text))
    )
    assert found.changes == ()
    assert [(each.name, each.difference) for each in found.differences] == [
        ("image_auroc", 0.0),
        ("pixel_auroc", 0.0),
        ("aupro", 0.0),
    ]
    assert not any(each.clear for each in found.differences)
    scored = [each for each in seen if each[2].endswith("scoring")]
    assert scored == [(count, 12, f"{turn}, scoring") for turn in "ab" for count in range(1, 13)]
    assert (seen[-81][2], seen[-1][2]) == ("b, resamples for intervals", "resamples for intervals")
    assert seen[-1][:2] == (4000, 4000)


def test_changed_verdicts_are_listed(pair: tuple[Path, Path], data_folder: Path) -> None:
    """Which image, which verdict before and after, and how far each score is from its own threshold."""
    decide(pair[1], 1.6)
    found = compare(pair, data_folder, RUNTIME)
    assert found.changes is not None
    assert [(Path(each.file).name, each.kind, each.a, each.b) for each in found.changes] == [
        (f"{number}.png", "spot", "REJECT", "ACCEPT") for number in range(200, 206)
    ]
    first = found.changes[0]
    assert (first.a_reason, first.b_reason) == ("OVER_THRESHOLD", "NONE")
    assert first.a_of_threshold == pytest.approx(2 * first.b_of_threshold)
    assert first.a_of_threshold > 1 > first.b_of_threshold
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert len(told["changes"]) == 6
    assert told["b"]["outcomes"]["escapes"]["count"] == 6


def test_what_either_reserved_is_left_out_for_both(pair: tuple[Path, Path], data_folder: Path) -> None:
    """Each bundle's own reserved images: all of them are excluded."""
    decide(pair[0], 0.8, data_folder / "test" / "spot" / "200.png")
    decide(pair[1], 0.8, data_folder / "test" / "good" / "100.png")
    found = compare(pair, data_folder, RUNTIME)
    assert (found.reserved, found.a.images, found.b.images) == (2, 10, 10)
    names = {Path(each.file).name for report in (found.a, found.b) for each in report.per_image}
    assert not names & {"200.png", "100.png"}


def test_what_one_was_trained_with_is_left_out_for_both(
    dark: Path, data_folder: Path, tmp_path: Path
) -> None:
    """The bundle that knew an image would look better than it is; told by a warning."""
    data = Path(shutil.copytree(data_folder, tmp_path / "data"))
    more = Path(shutil.copytree(data_folder, tmp_path / "more"))
    shutil.move(more / "test" / "good" / "100.png", more / "train" / "good" / "100.png")
    other = write_dark_bundle(tmp_path / "other" / "disk", more, "disk")
    found = compare((dark, other), data, RUNTIME)
    assert (found.in_training, found.a.images) == (1, 11)
    assert any("100.png" in text and "used in training" in text for text in found.warnings)


def test_two_classes_are_told(dark: Path, data_folder: Path, tmp_path: Path) -> None:
    """Figures can still be compared; it is said that they are of two classes."""
    other = write_dark_bundle(tmp_path / "other" / "ring", data_folder, "ring")
    found = compare((dark, other), data_folder, RUNTIME)
    assert "two classes, 'disk' and 'ring'" in found.warnings[0]


def test_data_without_test_images_is_refused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    """Before anything is opened."""
    with pytest.raises(CalibrationError, match="no images in test"):
        compare(pair, tmp_path / "a", RUNTIME)


def test_paired_intervals_see_what_unpaired_ones_would_not() -> None:
    """Two scores that differ by little noise on the same images differ clearly, though each is uncertain."""
    generator = np.random.default_rng(0)
    defective = np.arange(160) >= 80
    a = generator.normal(0, 1, 160) + 1.0 * defective
    b = a + 0.3 * defective

    def results(scores: object) -> list[ImageResult]:
        values = [float(score) for score in np.asarray(scores)]
        return [
            ImageResult(str(place), "dent" if bad else "good", bool(bad), score, None, "", (), None, None)
            for place, (score, bad) in enumerate(zip(values, defective, strict=True))
        ]

    empty = PixelHistogram()
    reports = [build_report(results(scores), empty, None, 80, 0.0) for scores in (a, b)]
    found = compare_figures(reports[0], empty, reports[1], empty)[0]
    expected = (image_auroc(b[~defective], b[defective]) or 0) - (
        image_auroc(a[~defective], a[defective]) or 0
    )
    assert found.difference == pytest.approx(expected)
    assert found.clear
    assert found.interval is not None
    assert found.interval[0] < expected < found.interval[1]
    wide = reports[0].intervals["image_auroc"]
    assert found.interval[1] - found.interval[0] < wide[1] - wide[0]


def test_without_limits_no_verdicts_are_compared(
    pair: tuple[Path, Path], data_folder: Path, tmp_path: Path
) -> None:
    """A bundle without limits for the runtime: figures, a warning, and no list of changes."""
    loaded = load_bundle(pair[1])
    files = {name: pair[1] / name for name in loaded.manifest.files}
    limits = {"float32/torch/float32": Limits(threshold=0.8, low_limit=0.1)}
    other = tmp_path / "torch-alone"
    write_bundle(other, loaded.manifest, files, limits, how="test", why="test", by="test")
    found = compare((pair[0], other), data_folder, RUNTIME)
    assert found.changes is None
    assert found.to_json()["changes"] is None
    assert "torch-alone: has no limits" in found.warnings[0]
