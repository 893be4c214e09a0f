"""The paper's pictures: which images they show, that each is one, and what is told where one cannot be."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from report_bundle import KEY, write_dark_bundle

from inspectd.calibration.data import read_pixels
from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.evaluate import evaluate
from inspectd.calibration.evaluate_report import ImageResult
from inspectd.calibration.figures import (
    Example,
    Shown,
    Timing,
    inference_times,
    localisation,
    with_and_without_noise,
)
from inspectd.calibration.paper_figures import (
    LOCALISATION_FILE,
    NOISE_FILE,
    TIMES_FILE,
    FigureRequest,
    WrittenFigures,
    choose_examples,
    noise_scorers,
    time_bundle,
    write_figures,
)
from inspectd.inference.bundle import Bundle, file_hashes, load_bundle, write_bundle
from inspectd.inference.export import export_onnx
from inspectd.inference.graph import ScoringGraph
from inspectd.inference.manifest import Limits, Noise
from inspectd.inference.model import EncoderDecoder, ModelConfig
from inspectd.inference.runtime import RuntimeSettings

RUNTIME = RuntimeSettings()
SIDE = 32
SIGMA = 0.1


@pytest.fixture(scope="module")
def graph() -> ScoringGraph:
    """An untrained model with a noise field."""
    torch.manual_seed(0)
    return ScoringGraph(EncoderDecoder(ModelConfig(image_size=SIDE, widths=(8, 8, 8), dim=16)), SIGMA, 3)


@pytest.fixture(scope="module")
def clean_graph_file(graph: ScoringGraph, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model without the field, exported."""
    file = tmp_path_factory.mktemp("clean") / "clean.onnx"
    export_onnx(ScoringGraph(graph.model, 0.0, graph.seed), file)
    return file


def bundle_of(graph_file: Path, sigma: float, data: Path, folder: Path, trained: float = SIGMA) -> Bundle:
    """A bundle around a real scoring graph that scores with noise of `sigma`."""
    base = load_bundle(write_dark_bundle(folder / "base", data, "disk"))
    files = {"float32.onnx": graph_file, "golden.png": base.folder / "golden.png"}
    changed: dict[str, Any] = {
        "files": file_hashes(files),
        "training": {"sigma": trained},
        "noise": Noise(sigma=sigma, seed=3),
    }
    manifest = base.manifest.model_copy(update=changed)
    limits = {KEY: Limits(threshold=5.0, low_limit=0.0)}
    return write_bundle(folder / "real", manifest, files, limits, how="test", why="test", by="test")


@pytest.fixture(scope="module")
def bundle(graph: ScoringGraph, data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("figures")
    export_onnx(graph, folder / "noisy.onnx")
    return bundle_of(folder / "noisy.onnx", SIGMA, data_folder, folder)


@pytest.fixture(scope="module")
def request_(bundle: Bundle, data_folder: Path) -> FigureRequest:
    report = evaluate(bundle.folder, data_folder, RUNTIME)
    return FigureRequest(bundle, RUNTIME, report, "a test", others=(bundle,), timed_frames=3)


def made(folder: Path, request: FigureRequest) -> WrittenFigures:
    seen: list[tuple[int, int]] = []
    figures = write_figures(folder, request, lambda done, total: seen.append((done, total)))
    assert seen == [(count, 3) for count in range(4)]
    return figures


@pytest.fixture(scope="module")
def pictures(request_: FigureRequest, tmp_path_factory: pytest.TempPathFactory) -> WrittenFigures:
    return made(tmp_path_factory.mktemp("pictures") / "new" / "folder", request_)


def test_every_picture_is_made(pictures: WrittenFigures) -> None:
    """Three PNG files in a folder that is made for them, wide enough to read, and not empty."""
    assert [file.name for file in pictures.files] == [LOCALISATION_FILE, NOISE_FILE, TIMES_FILE]
    assert pictures.notes == ()
    for file in pictures.files:
        pixels = cv2.imread(str(file))
        assert pixels is not None
        assert pixels.shape[1] > 900
        assert pixels.std() > 10


def test_figure_6_scores_the_same_weights_with_and_without_their_field(
    bundle: Bundle, graph: ScoringGraph, data_folder: Path
) -> None:
    """With noise: as the bundle's own graph scores. Without: as the module whose field is taken out."""
    found = noise_scorers(bundle)
    assert found is not None
    assert found.sigma == SIGMA
    pixels = read_pixels(data_folder / "test" / "spot" / "200.png")
    with_noise, without = (scorer.score(pixels, "spot") for scorer in found.scorers)
    image = torch.from_numpy(with_noise.image[np.newaxis])
    with torch.inference_mode():
        plain = ScoringGraph(graph.model, 0.0, graph.seed).eval()(image)
        noisy = graph.eval()(image)
    assert with_noise.score == pytest.approx(float(noisy[1][0]), rel=1e-5)
    assert without.score == pytest.approx(float(plain[1][0]), rel=1e-5)
    assert with_noise.score != pytest.approx(without.score, rel=1e-5)


def test_a_bundle_that_scores_without_noise_is_shown_with_that_of_its_training(
    clean_graph_file: Path, data_folder: Path, tmp_path: Path
) -> None:
    """The field of the training's rate; without one there is nothing to compare, and it is said."""
    trained_with = noise_scorers(bundle_of(clean_graph_file, 0.0, data_folder, tmp_path / "one", 0.2))
    assert trained_with is not None
    assert trained_with.sigma == 0.2
    never = bundle_of(clean_graph_file, 0.0, data_folder, tmp_path / "two", 0.0)
    assert noise_scorers(never) is None
    report = evaluate(never.folder, data_folder, RUNTIME)
    figures = made(tmp_path / "out", FigureRequest(never, RUNTIME, report, "a test", timed_frames=1))
    assert [file.name for file in figures.files] == [LOCALISATION_FILE, TIMES_FILE]
    assert NOISE_FILE in figures.notes[0]
    assert "trained without noise" in figures.notes[0]


def test_figure_6_takes_a_bundle_trained_without_noise(
    request_: FigureRequest,
    pictures: WrittenFigures,
    clean_graph_file: Path,
    data_folder: Path,
    tmp_path: Path,
) -> None:
    """Then the two halves are two bundles, as in the paper; the other pictures stay as they are."""
    other = bundle_of(clean_graph_file, 0.0, data_folder, tmp_path / "other", 0.0)
    found = made(tmp_path / "out", replace(request_, without_noise=other))
    contents = [
        (one.read_bytes(), two.read_bytes()) for one, two in zip(found.files, pictures.files, strict=True)
    ]
    assert contents[0][0] == contents[0][1]
    assert contents[1][0] != contents[1][1]


def test_good_images_alone_leave_the_time(bundle: Bundle, data_folder: Path, tmp_path: Path) -> None:
    """Without a defective image the pictures of defects are not made, and it is said why."""
    data = Path(shutil.copytree(data_folder, tmp_path / "data"))
    shutil.rmtree(data / "test" / "spot")
    report = evaluate(bundle.folder, data, RUNTIME)
    figures = made(tmp_path / "out", FigureRequest(bundle, RUNTIME, report, "a test", timed_frames=1))
    assert [file.name for file in figures.files] == [TIMES_FILE]
    assert all("no defective test image" in note for note in figures.notes)
    assert len(figures.notes) == 2


def test_missing_masks_and_maps_of_zeros_can_be_drawn() -> None:
    """A defect without mask still has its place; an odd number of examples leaves one empty."""
    shown = Shown(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.float32), 0.0)
    example = Example("dent_$x$", "", np.zeros((12, 8, 3), np.uint8), None, (shown, shown))
    for content in (
        localisation("disk", [example] * 3, None),
        localisation("disk", [example], 0.5),
        with_and_without_noise("disk", [example], "How."),
    ):
        assert content.startswith(b"\x89PNG")


def test_a_folder_that_cannot_be_written_is_told(request_: FigureRequest, tmp_path: Path) -> None:
    """A file stands where the folder should be."""
    (tmp_path / "file").write_text("")
    with pytest.raises(CalibrationError, match="cannot be made a folder"):
        write_figures(tmp_path / "file", request_, lambda _done, _total: None)


def results(**kinds: int) -> list[ImageResult]:
    return [
        ImageResult(f"{kind}{place}", kind, kind != "good", float(place), None, "", (), None, None)
        for kind, count in kinds.items()
        for place in range(count)
    ]


def test_examples_are_shared_among_kinds_and_spread_over_scores() -> None:
    """No good image, no image twice, weak and strong detections alike; many kinds get one each."""
    chosen = choose_examples(results(good=5, crack=10, dent=2, stain=1), 6)
    assert [each.file for each in chosen] == ["crack1", "crack5", "crack8", "dent0", "dent1", "stain0"]
    assert len(choose_examples(results(crack=3), 6)) == 3
    many = choose_examples(results(**{f"kind{place}": 4 for place in range(10)}), 6)
    assert len({each.kind for each in many}) == 6
    assert choose_examples(results(good=3), 6) == []


def test_times_are_measured_and_drawn(bundle: Bundle) -> None:
    """The median lies under the 95th percentile; a class a thousand times quicker is still readable."""
    timing = time_bundle(bundle, RUNTIME, frames=5)
    assert (timing.class_name, timing.frames) == ("disk", 5)
    assert 0 < timing.median_ms <= timing.p95_ms
    slow = Timing("slow", 500.0, 900.0, 5)
    drawn = cv2.imdecode(np.frombuffer(inference_times([timing, slow], "a test"), np.uint8), cv2.IMREAD_COLOR)
    assert drawn is not None
