"""The engine: scores of fit frames, none of unfit ones, and no runtime that misses the golden scores."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from inspectd.inference import engine as engine_module
from inspectd.inference.bundle import load_bundle
from inspectd.inference.documents import document_id
from inspectd.inference.engine import Engine, open_engine
from inspectd.inference.errors import BundleError, EngineError, SelfTestError
from inspectd.inference.runtime import Inference, Runtime, RuntimeSettings, open_runtime
from tests.inference.store_bench import adjust, rewrite_manifest

MakeFrame = Callable[[int], NDArray[np.uint8]]


class FakeRuntime:
    """Answers with a map of a constant, and any score."""

    name = "openvino"
    precision = "float32"

    def __init__(self, score: float, value: float = 0.5) -> None:
        self.score, self.value, self.calls, self.closed = score, value, 0, False

    def infer(self, image: NDArray[np.uint8]) -> Inference:
        self.calls += 1
        return Inference(
            np.full(image.shape[:3], self.value, np.float32),
            np.full(len(image), self.score, np.float32),
            np.zeros_like(image),
        )

    def close(self) -> None:
        self.closed = True


@pytest.fixture(scope="module")
def engine(pristine_bundle: Path) -> Iterator[Engine]:
    """The bundle on OpenVINO, warmed and self-tested."""
    opened = open_engine(pristine_bundle, RuntimeSettings())
    yield opened
    opened.close()


def test_a_fit_frame_gets_a_score(engine: Engine, make_frame: MakeFrame) -> None:
    """The score is the map's maximum, the same for the same frame, and times are measured."""
    first, _, again = engine.judge(make_frame(1)), engine.judge(make_frame(2)), engine.judge(make_frame(1))
    assert first.unfit == ()
    assert first.anomaly_map is not None
    assert first.score == pytest.approx(first.anomaly_map.max(), rel=1e-6)
    assert first.score == again.score
    assert first.reconstruction is not None
    assert first.reconstruction.shape == (*first.anomaly_map.shape, 3)
    assert first.engine_ms > 0
    assert first.prepare_ms > 0


def test_results_are_not_overwritten_by_the_next_frame(engine: Engine, make_frame: MakeFrame) -> None:
    """A part's map outlives the next part's inference: the journal reads it later."""
    first = engine.judge(make_frame(3))
    assert first.anomaly_map is not None
    kept = np.array(first.anomaly_map)
    engine.judge(make_frame(4))
    assert np.array_equal(first.anomaly_map, kept)


@pytest.mark.parametrize(
    "pixels", [np.zeros((0, 0, 3), np.uint8), np.zeros((10, 10), np.uint8), np.zeros((96, 96, 3), np.uint8)]
)
def test_an_unfit_frame_has_no_score(engine: Engine, pixels: NDArray[np.uint8]) -> None:
    """Wrong shapes and black frames are unfit with a reason, never an exception and never a number."""
    judged = engine.judge(pixels)
    assert judged.unfit
    assert math.isnan(judged.score)
    assert judged.anomaly_map is None


def test_an_unfit_frame_does_not_reach_the_runtime(pristine_bundle: Path, make_frame: MakeFrame) -> None:
    """Time is not spent on a frame that cannot be judged."""
    runtime = FakeRuntime(0.5)
    engine = Engine(load_bundle(pristine_bundle), runtime)
    engine.judge(make_frame(1))
    engine.judge(make_frame(1))
    assert runtime.calls == 1


@pytest.mark.parametrize(
    ("score", "value"), [(math.nan, 0.5), (math.inf, 0.5), (-math.inf, 0.5), (0.5, math.nan), (0.5, math.inf)]
)
def test_what_is_not_finite_is_an_error(
    pristine_bundle: Path, make_frame: MakeFrame, score: float, value: float
) -> None:
    """NaN compares false with every threshold, so it must not get as far as a comparison."""
    engine = Engine(load_bundle(pristine_bundle), FakeRuntime(score, value))
    with pytest.raises(EngineError, match="not finite"):
        engine.judge(make_frame(1))


def test_self_test_refuses_another_score(pristine_bundle: Path) -> None:
    """A runtime that does not reproduce the golden score within the tolerance may not judge parts."""
    bundle = load_bundle(pristine_bundle)
    golden = bundle.manifest.golden[0].scores["float32/openvino/float32"]
    Engine(bundle, FakeRuntime(golden * 1.0005)).self_test()
    for wrong in (golden * 1.01, golden * 0.99, 0.0):
        with pytest.raises(SelfTestError, match=r"golden-camera\.png"):
            Engine(bundle, FakeRuntime(wrong)).self_test()
    with pytest.raises(SelfTestError, match="not finite"):
        Engine(bundle, FakeRuntime(math.nan)).self_test()


def test_self_test_does_not_freeze_the_camera(engine: Engine, pristine_bundle: Path) -> None:
    """The golden frame is not remembered as the frame before: the line may see that very frame next."""
    engine.self_test()
    engine.self_test()
    assert engine.bundle_id == load_bundle(pristine_bundle).bundle_id


def test_opening_fails_on_a_golden_score_that_is_not_reproduced(bundle_folder: Path) -> None:
    """open_engine tests itself before it hands out an engine."""
    shift_golden_score(bundle_folder)
    with pytest.raises(EngineError, match="self-test"):
        open_engine(bundle_folder, RuntimeSettings())


def test_opening_fails_without_limits_for_the_runtime(bundle_folder: Path) -> None:
    """A precision that was never calibrated has no threshold to go by."""
    with pytest.raises(BundleError, match="no limits"):
        open_engine(bundle_folder, RuntimeSettings(precision="bfloat16"))


def exchange_decision(folder: Path) -> None:
    adjust(folder, 0.5)


def exchange_bundle(folder: Path) -> None:
    rewrite_manifest(folder, class_name="another")


def exchange_file(folder: Path) -> None:
    with (folder / "golden-camera.png").open("ab") as file:
        file.write(b"!")


@pytest.mark.parametrize(
    ("exchange", "told"),
    [
        (exchange_decision, "was changed while it was being opened"),
        (exchange_bundle, "was changed while it was being opened"),
        (exchange_file, "does not match"),
    ],
)
def test_a_bundle_exchanged_while_it_is_opened_is_refused(
    bundle_folder: Path, monkeypatch: pytest.MonkeyPatch, exchange: Callable[[Path], None], told: str
) -> None:
    """One bundle's graph must not judge by another one's limits; the runtime is closed again."""
    closed: list[Path] = []

    def open_and_exchange(settings: RuntimeSettings, graph: Path, size: int) -> Runtime:
        runtime = open_runtime(settings, graph, size)
        close = runtime.close

        def close_and_tell() -> None:
            closed.append(graph)
            close()

        monkeypatch.setattr(runtime, "close", close_and_tell)
        exchange(bundle_folder)
        return runtime

    monkeypatch.setattr(engine_module, "open_runtime", open_and_exchange)
    with pytest.raises(BundleError, match=told):
        open_engine(bundle_folder, RuntimeSettings())
    assert closed


def shift_golden_score(folder: Path) -> None:
    """Store another golden score, with all hashes made to match."""
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    scores = manifest["golden"][0]["scores"]
    for key in scores:
        scores[key] *= 1.05
    (folder / "manifest.json").write_text(json.dumps(manifest))
    decision: dict[str, Any] = json.loads((folder / "decision.json").read_text())
    decision.pop("sha256")
    decision["bundle_id"] = document_id(manifest)
    decision["sha256"] = document_id(decision)
    (folder / "decision.json").write_text(json.dumps(decision))
