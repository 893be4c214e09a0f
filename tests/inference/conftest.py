"""A small bundle, built once without a trained model, and frames that look like parts."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter

from inspectd.inference.bundle import file_hashes, write_bundle
from inspectd.inference.export import export_onnx
from inspectd.inference.graph import ScoringGraph
from inspectd.inference.manifest import GoldenFrame, Limits, Manifest, Noise
from inspectd.inference.model import EncoderDecoder, ModelConfig
from inspectd.inference.model_store import ModelStore
from inspectd.inference.prepare import Preparer, learn_preparation, resize
from inspectd.inference.runtime import RuntimeSettings, open_runtime
from tests.inference.store_bench import RUNTIME, adjust, copied

SIZE, CAMERA = 64, 96
KEY = "float32/openvino/float32"


def frame(seed: int, side: int = CAMERA) -> NDArray[np.uint8]:
    """A bright disk with a dark hole on a grey belt, jittered and noisy: uint8 RGB [side, side, 3]."""
    generator = np.random.default_rng(seed)
    pixels = np.full((side, side, 3), (70, 75, 80), np.float32)
    centre = tuple(int(value) for value in side / 2 + generator.integers(-3, 4, 2))
    cv2.circle(pixels, centre, side // 3, (190, 160, 110), -1)
    cv2.circle(pixels, centre, side // 10, (40, 40, 40), -1)
    return np.clip(pixels + generator.normal(0, 3, pixels.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def pristine_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete bundle of an untrained model; tests copy it before they change anything."""
    folder = tmp_path_factory.mktemp("bundle")
    torch.manual_seed(0)
    config = ModelConfig(image_size=SIZE, widths=(8, 8, 8), dim=16)
    model = EncoderDecoder(config)
    graph_file = folder / "float32.onnx"
    export_onnx(ScoringGraph(model, sigma=0.1, seed=7), graph_file)
    golden = frame(100)
    golden_file = folder / "golden-camera.png"
    cv2.imwrite(str(golden_file), cv2.cvtColor(golden, cv2.COLOR_RGB2BGR))
    preparation = learn_preparation([resize(frame(seed), SIZE) for seed in range(12)], (CAMERA, CAMERA))
    prepared = Preparer(preparation, SIZE).prepare(golden)
    assert prepared.image is not None
    runtime = open_runtime(RuntimeSettings(), graph_file, SIZE)
    score = float(runtime.infer(prepared.image).score[0])
    runtime.close()
    files = {"float32.onnx": graph_file, "golden-camera.png": golden_file}
    manifest = Manifest(
        class_name="disk",
        image_size=SIZE,
        model=TypeAdapter(ModelConfig).dump_python(config, mode="json"),
        preparation=preparation,
        noise=Noise(sigma=0.1, seed=7),
        graphs={"float32": "float32.onnx"},
        golden=(GoldenFrame(file="golden-camera.png", camera_size=True, scores={KEY: score}),),
        tolerance={"float32": 1e-3},
        metrics={},
        training={},
        training_data="0" * 64,
        code_version="test",
        vgg19={"source": "none"},
        files=file_hashes(files),
    )
    limits = {KEY: Limits(threshold=2 * score, low_limit=0.1 * score)}
    return write_bundle(folder / "disk", manifest, files, limits, how="test", why="test", by="test").folder


@pytest.fixture
def bundle_folder(pristine_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the bundle that a test may change."""
    return Path(shutil.copytree(pristine_bundle, tmp_path / "disk"))


@pytest.fixture
def variant(bundle_folder: Path) -> Path:
    """The same bundle with another decision."""
    folder = copied(bundle_folder, "variant")
    adjust(folder, 0.7)
    return folder


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    """An empty models folder."""
    return ModelStore(tmp_path / "models", RUNTIME)


@pytest.fixture
def untested_store(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> ModelStore:
    """One without the golden frames, which take a second each time."""

    def pass_over(_store: ModelStore, _folder: Path) -> None:
        """Test nothing."""

    monkeypatch.setattr(ModelStore, "_test", pass_over)
    return store


@pytest.fixture(scope="session")
def make_frame() -> Callable[[int], NDArray[np.uint8]]:
    """Frames of good parts, one for each seed."""
    return frame
