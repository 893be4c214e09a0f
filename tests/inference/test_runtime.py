"""The runtimes: they agree with each other, and no failure of theirs gives a score."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import openvino as ov
import pytest
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from pydantic import ValidationError

from inspectd.inference import runtime_openvino
from inspectd.inference.errors import EngineError
from inspectd.inference.runtime import Runtime, RuntimeSettings, check_finite, open_runtime
from inspectd.inference.runtime_torch import TorchRuntime

SIZE = 64
HAS_BFLOAT16 = "BF16" in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
PRECISIONS = [
    "float32",
    pytest.param("bfloat16", marks=pytest.mark.skipif(not HAS_BFLOAT16, reason="this CPU has no bfloat16")),
]


@pytest.fixture(scope="module")
def graph_file(pristine_bundle: Path) -> Path:
    """The scoring graph of an untrained model for images of 64 x 64."""
    return pristine_bundle / "float32.onnx"


def images(count: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)


@pytest.fixture(autouse=True)
def torch_threads() -> Iterator[None]:
    """The torch runtime's threads are the process's: put them back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def opened(graph_file: Path, **settings: Any) -> Runtime:
    # One thread: the network is tiny, and threads that wait for each other are slow on a busy machine.
    return open_runtime(RuntimeSettings.model_validate({"threads": 1} | settings), graph_file, SIZE)


def test_openvino_agrees_with_torch_in_float32(graph_file: Path) -> None:
    """Scores within 1e-3 relative, maps within 1e-4, reconstructions within one grey level."""
    batch = images(3)
    wanted, given = opened(graph_file, name="torch").infer(batch), opened(graph_file).infer(batch)
    np.testing.assert_allclose(given.score, wanted.score, rtol=1e-3)
    np.testing.assert_allclose(given.anomaly_map, wanted.anomaly_map, atol=1e-4)
    apart = np.abs(given.reconstruction.astype(int) - wanted.reconstruction.astype(int))
    assert apart.max() <= 1
    assert len(set(given.score.tolist())) == 3
    np.testing.assert_array_equal(given.score, given.anomaly_map.max(axis=(1, 2)))


@pytest.mark.parametrize("name", ["openvino", "torch"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_same_image_always_gets_the_same_outputs(graph_file: Path, name: str, precision: str) -> None:
    """Bit by bit, whatever was scored in between; a result is the caller's and is not written to again."""
    runtime = opened(graph_file, name=name, precision=precision)
    assert (runtime.name, runtime.precision) == (name, precision)
    image, other = images(1), images(1, seed=1)
    first = runtime.infer(image)
    kept = [array.tolist() for array in (first.anomaly_map, first.score, first.reconstruction)]
    between = runtime.infer(other)
    again = opened(graph_file, name=name, precision=precision).infer(image)
    assert first.score.tolist() != between.score.tolist()
    for result in (first, runtime.infer(image), again):
        assert [a.tolist() for a in (result.anomaly_map, result.score, result.reconstruction)] == kept
    assert first.anomaly_map.dtype == first.score.dtype == np.float32
    assert first.reconstruction.dtype == np.uint8
    assert first.reconstruction.shape == (1, SIZE, SIZE, 3)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_openvino_computes_in_the_precision_asked_for(graph_file: Path, precision: str) -> None:
    """float32 stays float32 on a CPU that has bfloat16, where OpenVINO alone would choose the latter."""
    runtime = runtime_openvino.OpenVinoRuntime(
        RuntimeSettings.model_validate({"precision": precision, "threads": 1}), graph_file, SIZE
    )
    assert runtime._request is not None  # pyright: ignore[reportPrivateUsage]
    compiled = runtime._request.get_compiled_model()  # pyright: ignore[reportPrivateUsage]
    assert compiled.get_property("INFERENCE_PRECISION_HINT") == runtime_openvino.PRECISIONS[precision]
    assert compiled.get_property("INFERENCE_NUM_THREADS") == 1
    assert compiled.get_property("PERFORMANCE_HINT") == "LATENCY"


@pytest.mark.skipif(not HAS_BFLOAT16, reason="this CPU has no bfloat16")
def test_bfloat16_scores_differ_from_float32(graph_file: Path) -> None:
    """Close, but not equal: a threshold belongs to a precision."""
    batch = images(2)
    half = opened(graph_file, precision="bfloat16").infer(batch)
    full = opened(graph_file).infer(batch)
    assert half.score.tolist() != full.score.tolist()
    np.testing.assert_allclose(half.score, full.score, rtol=0.05)


def test_bfloat16_is_refused_where_the_cpu_lacks_it(
    graph_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the remedy; nothing falls back silently."""

    class OldCpu:
        def get_property(self, device: str, name: str) -> list[str]:
            assert (device, name) == ("CPU", "OPTIMIZATION_CAPABILITIES")
            return ["FP32", "INT8"]

    monkeypatch.setattr(runtime_openvino, "_core", OldCpu)
    with pytest.raises(EngineError, match=r"bfloat16.*set the runtime's precision to float32"):
        opened(graph_file, precision="bfloat16")


@pytest.mark.parametrize("name", ["openvino", "torch"])
def test_nan_from_the_engine_is_no_score(graph_file: Path, tmp_path: Path, name: str) -> None:
    """NaN compares false with every threshold: it is an error, even where the engine's maximum drops it."""
    broken = onnx.load(graph_file)
    for tensor in broken.graph.initializer:
        if tensor.name == "model.head.bias":
            tensor.CopyFrom(numpy_helper.from_array(np.full(3, np.nan, np.float32), tensor.name))
    path = tmp_path / "broken.onnx"
    onnx.save(broken, path)
    with pytest.raises(EngineError, match="NaN or infinity"):
        opened(path, name=name).infer(images(1))


class Request:
    """In the place of OpenVINO's: does nothing, or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def infer(self, **_options: bool) -> None:
        if self.error:
            raise self.error


def test_outputs_that_the_engine_did_not_write_are_no_score(
    graph_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last frame's score never stands for this one's."""
    runtime = opened(graph_file)
    runtime.infer(images(1))
    monkeypatch.setattr(runtime, "_request", Request())
    with pytest.raises(EngineError, match="score holds NaN"):
        runtime.infer(images(1))


def test_a_failing_engine_is_an_engine_error(graph_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenVINO's own exception stays at the edge."""
    runtime = opened(graph_file)
    monkeypatch.setattr(runtime, "_request", Request(RuntimeError("out of memory")))
    with pytest.raises(EngineError, match="out of memory"):
        runtime.infer(images(1))


def test_a_nan_anywhere_in_the_map_is_found() -> None:
    """A runtime's maximum may pass over a NaN, so a finite score alone proves nothing."""
    amap, score = np.zeros((2, 8, 8), np.float32), np.zeros(2, np.float32)
    check_finite(amap, score)
    amap[1, 3, 3] = np.nan
    with pytest.raises(EngineError, match="anomaly_map holds NaN"):
        check_finite(amap, score)


@pytest.mark.parametrize("name", ["openvino", "torch"])
def test_images_that_do_not_fit_are_refused(graph_file: Path, name: str) -> None:
    """Wrong size, type, rank, colours or an empty batch: the error says what was given and what is taken."""
    runtime = opened(graph_file, name=name)
    whole = images(1)
    for wrong in (whole[:, :32], whole.astype(np.float32), whole[0], whole[..., :1], whole[:0]):
        with pytest.raises(EngineError, match=r"the graph takes uint8 \[N, 64, 64, 3\]"):
            runtime.infer(wrong)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("name", ["openvino", "torch"])
def test_a_view_of_an_image_is_scored_as_its_copy(graph_file: Path, name: str) -> None:
    """Strides of any sign: a mirrored frame is a view."""
    runtime = opened(graph_file, name=name)
    mirrored: NDArray[np.uint8] = np.flip(images(1), axis=2)
    assert not mirrored.flags.c_contiguous
    copied = np.ascontiguousarray(mirrored)
    assert runtime.infer(mirrored).score.tolist() == runtime.infer(copied).score.tolist()


@pytest.mark.parametrize("name", ["openvino", "torch"])
def test_a_closed_runtime_gives_no_score(graph_file: Path, name: str) -> None:
    """Closing twice is allowed."""
    runtime = opened(graph_file, name=name)
    runtime.close()
    runtime.close()
    with pytest.raises(EngineError, match="closed"):
        runtime.infer(images(1))


@pytest.mark.parametrize("name", ["openvino", "torch"])
def test_files_that_are_no_scoring_graph_are_refused(graph_file: Path, tmp_path: Path, name: str) -> None:
    """Missing, unreadable, of another size, or another network."""
    path = tmp_path / "graph.onnx"
    with pytest.raises(EngineError, match=r"graph\.onnx"):
        opened(path, name=name)
    path.write_bytes(b"\xff\xff no graph")
    with pytest.raises(EngineError, match=r"graph\.onnx"):
        opened(path, name=name)
    with pytest.raises(EngineError, match=r"64.*32|32.*64"):
        open_runtime(RuntimeSettings.model_validate({"name": name}), graph_file, 32)
    value = onnx.helper.make_tensor_value_info
    other = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["image"], ["score"])],
        "other",
        [value("image", onnx.TensorProto.UINT8, ["N", SIZE, SIZE, 3])],
        [value("score", onnx.TensorProto.UINT8, ["N", SIZE, SIZE, 3])],
    )
    onnx.save(onnx.helper.make_model(other, opset_imports=[onnx.helper.make_opsetid("", 18)]), path)
    with pytest.raises(EngineError, match="scoring graph"):
        opened(path, name=name)


def test_the_torch_runtime_without_torch_says_what_to_install(
    graph_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line PC has no torch."""
    monkeypatch.setitem(sys.modules, "inspectd.inference.runtime_torch", None)
    with pytest.raises(EngineError, match=r"inspectd\[calibration\]"):
        opened(graph_file, name="torch")


def test_openvino_runs_without_torch(graph_file: Path) -> None:
    """Neither torch nor onnx is imported on a line PC."""
    program = (
        "import sys; from pathlib import Path; from inspectd.inference.runtime import *\n"
        f"open_runtime(RuntimeSettings(), Path({str(graph_file)!r}), {SIZE}).close()\n"
        "assert not {'torch', 'onnx'} & set(sys.modules), 'imported'"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_settings_are_strict() -> None:
    """Unknown keys, runtimes and precisions are errors; the torch runtime checks its own argument too."""
    wrong: list[dict[str, object]] = [
        {"cache": True},
        {"name": "other"},
        {"precision": "float16"},
        {"threads": -1},
    ]
    for settings in wrong:
        with pytest.raises(ValidationError):
            RuntimeSettings.model_validate(settings)
    with pytest.raises(EngineError, match="float16"):
        TorchRuntime(None, "float16")  # pyright: ignore[reportArgumentType]
