"""The exported file: each parameter under its name, back to the last bit, taken by every runtime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from inspectd.inference import export
from inspectd.inference.errors import BundleError
from inspectd.inference.export import METADATA_KEY, export_onnx, load_graph_from_onnx
from inspectd.inference.graph import ScoringGraph
from inspectd.inference.model import EncoderDecoder, ModelConfig
from inspectd.inference.runtime import INPUT_NAME, OUTPUT_NAMES, RuntimeSettings, open_runtime
from inspectd.inference.runtime_torch import TorchRuntime

CONFIG = ModelConfig()
SIZE = CONFIG.image_size


@pytest.fixture(scope="module")
def graph() -> ScoringGraph:
    """The paper's model at full size, untrained: its biases are equal, which an optimiser likes to merge."""
    torch.manual_seed(1)
    return ScoringGraph(EncoderDecoder(CONFIG), sigma=0.15, seed=11)


@pytest.fixture(scope="module")
def graph_file(graph: ScoringGraph, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The graph, exported once for all tests here (it takes seconds), alone in its folder."""
    path = tmp_path_factory.mktemp("export") / "graph.onnx"
    export_onnx(graph, path)
    return path


@pytest.fixture
def proto(graph_file: Path) -> onnx.ModelProto:
    """The exported file, to look into and to change."""
    return onnx.load(graph_file)


def test_the_graph_comes_back_to_the_last_bit(graph: ScoringGraph, graph_file: Path) -> None:
    """Configuration, noise and every parameter are those exported, and so are the outputs."""
    restored = load_graph_from_onnx(graph_file)
    assert (restored.model.config, restored.sigma, restored.seed) == (CONFIG, 0.15, 11)
    wanted, given = graph.state_dict(), restored.state_dict()
    assert given.keys() == wanted.keys()
    for name, value in wanted.items():
        assert value.dtype == given[name].dtype, name
        assert torch.equal(value, given[name]), name
    assert not restored.training
    image = torch.randint(0, 256, (1, SIZE, SIZE, 3), dtype=torch.uint8)
    with torch.inference_mode():
        for one, two in zip(graph(image), restored(image), strict=True):
            assert torch.equal(one, two)


def test_one_file_of_opset_18_with_named_inputs_and_outputs(proto: onnx.ModelProto, graph_file: Path) -> None:
    """No weights beside it; uint8 [N, S, S, 3] in and the three outputs, in order, for any N."""
    assert [path.name for path in graph_file.parent.iterdir()] == ["graph.onnx"]
    assert [(entry.domain, entry.version) for entry in proto.opset_import] == [("", 18)]

    def described(values: Any) -> list[tuple[str, int, list[int | str]]]:
        shapes: list[tuple[str, int, list[int | str]]] = []
        for value in values:
            tensor = value.type.tensor_type
            sides = [side.dim_param or side.dim_value for side in tensor.shape.dim]
            shapes.append((value.name, tensor.elem_type, sides))
        return shapes

    uint8, float32 = onnx.TensorProto.UINT8, onnx.TensorProto.FLOAT
    assert described(proto.graph.input) == [("image", uint8, ["N", SIZE, SIZE, 3])]
    assert described(proto.graph.output) == [
        ("anomaly_map", float32, ["N", SIZE, SIZE]),
        ("score", float32, ["N"]),
        ("reconstruction", uint8, ["N", SIZE, SIZE, 3]),
    ]


def test_attention_is_made_of_matmul_and_softmax(proto: onnx.ModelProto) -> None:
    """No operator that only newer opsets or single runtimes know."""
    kinds = {node.op_type for node in proto.graph.node}
    assert {"MatMul", "Softmax", "Conv"} <= kinds
    assert not {"Attention", "RotaryEmbedding"} & kinds
    assert {node.domain for node in proto.graph.node} == {""}


def test_the_file_says_nothing_about_the_machine_it_was_made_on(proto: onnx.ModelProto) -> None:
    """No stack traces, no paths."""
    del proto.graph.initializer[:]
    content = proto.SerializeToString()
    for trace in (b"site-packages", b".py", str(Path(__file__).parents[2]).encode()):
        assert trace not in content


class ExportedProgram:
    """What the exporter returns, with its file already made: exporting takes seconds."""

    def __init__(self, proto: onnx.ModelProto) -> None:
        self.model_proto = proto
        self.model = onnx.ModelProto()


@pytest.fixture
def exporter_gives(monkeypatch: pytest.MonkeyPatch) -> Callable[[onnx.ModelProto], None]:
    """Put a given result in the exporter's place."""

    def give(proto: onnx.ModelProto) -> None:
        def exported(*_args: object, **_options: object) -> ExportedProgram:
            return ExportedProgram(proto)

        def unchanged(*_args: object) -> None:
            return

        monkeypatch.setattr(torch.onnx, "export", exported)
        monkeypatch.setattr(export, "_fold_constants", unchanged)

    return give


def test_another_opset_than_asked_for_is_an_error(
    graph: ScoringGraph,
    proto: onnx.ModelProto,
    exporter_gives: Callable[[onnx.ModelProto], None],
    tmp_path: Path,
) -> None:
    """The exporter takes a request for 17 as one for 18 and says nothing; no file is left."""
    path = tmp_path / "graph.onnx"
    exporter_gives(proto)
    with pytest.raises(RuntimeError, match=r"\[18\] where 17"):
        export_onnx(graph, path, opset=17)
    assert not path.exists()
    export_onnx(graph, path, opset=18)
    assert path.exists()


def test_a_parameter_that_lost_its_name_is_an_error(
    graph: ScoringGraph,
    proto: onnx.ModelProto,
    exporter_gives: Callable[[onnx.ModelProto], None],
    tmp_path: Path,
) -> None:
    """A file from which the graph could not be restored is not written."""
    for tensor in proto.graph.initializer:
        if tensor.name == "model.head.bias":
            tensor.name = "other"
    for node in proto.graph.node:
        node.input[:] = ["other" if name == "model.head.bias" else name for name in node.input]
    exporter_gives(proto)
    with pytest.raises(RuntimeError, match=r"model\.head\.bias"):
        export_onnx(graph, tmp_path / "graph.onnx")
    assert not (tmp_path / "graph.onnx").exists()


def test_two_things_of_one_name_are_an_error(
    graph: ScoringGraph,
    proto: onnx.ModelProto,
    exporter_gives: Callable[[onnx.ModelProto], None],
    tmp_path: Path,
) -> None:
    """A parameter named like an operator's output: some runtimes read one of them, others refuse the file."""
    twin = onnx.TensorProto()
    twin.CopyFrom(proto.graph.initializer[0])
    twin.name = proto.graph.node[-1].output[0]
    proto.graph.initializer.append(twin)
    exporter_gives(proto)
    with pytest.raises(onnx.checker.ValidationError, match="single static assignment"):
        export_onnx(graph, tmp_path / "graph.onnx")


def test_a_diverged_model_is_not_exported(tmp_path: Path) -> None:
    """NaN weights are refused here: a runtime may turn them into scores like any other's."""
    diverged = ScoringGraph(EncoderDecoder(ModelConfig(image_size=32, widths=(8, 8, 8), dim=16)), 0.1, 1)
    with torch.no_grad():
        diverged.model.positions[0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match=r"model\.positions.*diverged"):
        export_onnx(diverged, tmp_path / "graph.onnx")


def test_openvino_agrees_with_torch_at_full_size(graph: ScoringGraph, graph_file: Path) -> None:
    """Scores within 1e-3 relative in float32."""
    image = np.random.default_rng(0).integers(0, 256, (1, SIZE, SIZE, 3), dtype=np.uint8)
    wanted = TorchRuntime(graph).infer(image)
    given = open_runtime(RuntimeSettings(), graph_file, SIZE).infer(image)
    np.testing.assert_allclose(given.score, wanted.score, rtol=1e-3)
    np.testing.assert_allclose(given.anomaly_map, wanted.anomaly_map, atol=1e-4)


def test_tensorrt_rtx_parses_and_builds_the_graph_without_a_gpu(graph_file: Path) -> None:
    """Parsing alone proves little: some operators parse and then fail to build."""
    rtx: Any = pytest.importorskip("tensorrt_rtx")
    logger = rtx.Logger(rtx.Logger.ERROR)
    builder = rtx.Builder(logger)
    # In a variable, because the parser keeps no reference of its own.
    network = builder.create_network(1 << int(rtx.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = rtx.OnnxParser(network, logger)
    parsed = parser.parse(graph_file.read_bytes())
    assert parsed, [parser.get_error(index).desc() for index in range(parser.num_errors)]
    assert [network.get_input(index).name for index in range(network.num_inputs)] == [INPUT_NAME]
    assert tuple(network.get_output(index).name for index in range(network.num_outputs)) == OUTPUT_NAMES
    profile = builder.create_optimization_profile()
    one, two = (1, SIZE, SIZE, 3), (2, SIZE, SIZE, 3)
    profile.set_shape(INPUT_NAME, one, one, two)
    config = builder.create_builder_config()
    config.add_optimization_profile(profile)
    engine = builder.build_serialized_network(network, config)
    assert engine is not None
    assert engine.nbytes > graph_file.stat().st_size / 4


def test_files_of_other_making_are_refused(proto: onnx.ModelProto, tmp_path: Path) -> None:
    """Missing, no ONNX, no description, an unknown field, a wrong shape, a missing parameter."""
    path = tmp_path / "graph.onnx"

    def refused(match: str) -> None:
        with pytest.raises(BundleError, match=match):
            load_graph_from_onnx(path)

    refused("not readable")
    path.write_bytes(b"\xff\xff not protobuf")
    refused("not readable")

    undescribed = onnx.ModelProto()
    undescribed.CopyFrom(proto)
    del undescribed.metadata_props[:]
    onnx.save(undescribed, path)
    refused("no scoring graph")

    unknown = onnx.ModelProto()
    unknown.CopyFrom(proto)
    text = unknown.metadata_props[0].value
    assert unknown.metadata_props[0].key == METADATA_KEY
    unknown.metadata_props[0].value = text.replace('"depth"', '"height"')
    onnx.save(unknown, path)
    refused("height")

    for name, wrong in (("model.head.bias", np.zeros(4, np.float32)), ("model.positions", None)):
        changed = onnx.ModelProto()
        changed.CopyFrom(proto)
        kept = [tensor for tensor in changed.graph.initializer if tensor.name != name]
        if wrong is not None:
            kept.append(numpy_helper.from_array(wrong, name))
        del changed.graph.initializer[:]
        changed.graph.initializer.extend(kept)
        onnx.save(changed, path)
        refused(name.rsplit(".", maxsplit=1)[-1])
