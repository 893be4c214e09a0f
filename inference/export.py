"""The scoring graph as one ONNX file, and back.

The file keeps every parameter under its own name and says how the graph was configured, so that the module
can be restored from it exactly: to compare runtimes, or to run the reference on a bundle.
"""

from __future__ import annotations

import json
import logging
import warnings
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

import onnx
import torch
from google.protobuf.message import DecodeError
from onnx import numpy_helper
from onnxscript import ir, optimizer
from pydantic import TypeAdapter, ValidationError

from inspectd.inference.errors import BundleError
from inspectd.inference.graph import ScoringGraph
from inspectd.inference.model import EncoderDecoder, ModelConfig
from inspectd.inference.runtime import INPUT_NAME, OUTPUT_NAMES

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

OPSET = 18
METADATA_KEY = "inspectd.scoring_graph"


def export_onnx(graph: ScoringGraph, path: Path, opset: int = OPSET) -> None:
    """Write `graph` to the single file `path`, for any batch size N.

    Raises ValueError if a parameter is not finite, and RuntimeError if the exporter gave another opset or
    left out a parameter's name.
    """
    graph.eval()
    # A runtime's ReLU may turn NaN into 0, and a diverged model would get scores that look like any other's.
    broken = [name for name, value in graph.state_dict().items() if not value.isfinite().all()]
    if broken:
        raise ValueError(f"parameters that are not finite: {', '.join(broken)}; the training diverged")
    size = graph.model.config.image_size
    # Two images: the exporter would take a batch of one for a constant.
    example = torch.zeros((2, size, size, 3), dtype=torch.uint8)
    with _quiet_exporter():
        program = torch.onnx.export(
            graph,
            (example,),
            dynamo=True,
            opset_version=opset,
            input_names=[INPUT_NAME],
            output_names=list(OUTPUT_NAMES),
            dynamic_shapes={INPUT_NAME: {0: torch.export.Dim("N")}},
            # The exporter's optimiser merges equal biases and stores weights transposed, under new names.
            optimize=False,
            verbose=False,
        )
    if program is None:
        raise RuntimeError("the ONNX exporter gave no program")
    _fold_constants(program.model, set(graph.state_dict()))
    model = program.model_proto
    given = {entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"}}
    if given != {opset}:
        raise RuntimeError(f"the ONNX exporter gave opset {sorted(given)} where {opset} was asked for")
    lost = graph.state_dict().keys() - {tensor.name for tensor in model.graph.initializer}
    if lost:
        raise RuntimeError(f"the ONNX exporter lost the names of {sorted(lost)}")
    onnx.checker.check_model(model)  # a parameter named like an operator would make two things of one name
    _strip(model)
    described = {"config": asdict(graph.model.config), "sigma": graph.sigma, "seed": graph.seed}
    onnx.helper.set_model_props(model, {METADATA_KEY: json.dumps(described, sort_keys=True)})
    path.write_bytes(model.SerializeToString(deterministic=True))


def load_graph_from_onnx(path: Path) -> ScoringGraph:
    """Restore the module that `export_onnx` wrote to `path`, to the last bit, in evaluation mode.

    Raises BundleError if the file is none of ours or its parameters do not fit its own description.
    """
    try:
        model = onnx.load(path, load_external_data=False)
    except (OSError, DecodeError) as error:
        raise BundleError(f"{path}: not readable as ONNX: {error}") from error
    described = next((entry.value for entry in model.metadata_props if entry.key == METADATA_KEY), None)
    if described is None:
        raise BundleError(f"{path}: no scoring graph of this project; export it with `inspectd calibrate`")
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    try:
        values = json.loads(described)
        config = TypeAdapter(ModelConfig).validate_python(values["config"])
        graph = ScoringGraph(EncoderDecoder(config), sigma=values["sigma"], seed=values["seed"])
        state = {name: torch.tensor(numpy_helper.to_array(tensors[name])) for name in graph.state_dict()}
        graph.load_state_dict(state)
    except (KeyError, TypeError, ValueError, ValidationError, RuntimeError) as error:
        raise BundleError(f"{path}: its parameters do not fit its description: {error}") from error
    return graph.eval()


def _fold_constants(model: ir.Model, parameters: set[str]) -> None:
    """Compute axes, sizes and other constants now, as TensorRT asks, but nothing from a parameter."""

    def should_fold(node: ir.Node) -> bool | None:
        reads_parameter = any(value is not None and value.name in parameters for value in node.inputs)
        return False if reads_parameter else None  # None: as the optimiser judges

    optimizer.fold_constants(model, onnx_shape_inference=True, should_fold=should_fold)
    optimizer.remove_unused_nodes(model)


def _strip(model: onnx.ModelProto) -> None:
    """Take out what the exporter notes for debugging: stack traces with paths of this machine."""
    for entries in (model.graph.node, model.graph.value_info, model.graph.input, model.graph.output):
        for entry in entries:
            del entry.metadata_props[:]
            entry.doc_string = ""
    del model.graph.metadata_props[:]
    del model.metadata_props[:]


@contextmanager
def _quiet_exporter() -> Generator[None]:
    """Keep the exporter's notes about itself and about packages not needed here off the terminal."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # torch.export copies a tree type that torch itself has deprecated.
            warnings.filterwarnings("ignore", message=".*LeafSpec.* is deprecated", category=FutureWarning)
            yield
    finally:
        logger.setLevel(level)
