"""torch on the CPU: the reference that other runtimes are compared with, and the runtime of calibration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from inspectd.inference.errors import BundleError, EngineError
from inspectd.inference.export import load_graph_from_onnx
from inspectd.inference.runtime import Inference, RuntimeSettings, check_finite, check_image

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from inspectd.inference.graph import ScoringGraph


class TorchRuntime:
    """Runs a scoring graph eagerly, batch by batch. bfloat16 is autocast of the network alone."""

    name = "torch"

    def __init__(self, graph: ScoringGraph, precision: str = "float32") -> None:
        if precision not in {"float32", "bfloat16"}:
            raise EngineError(f"precision {precision}: the torch runtime has float32 and bfloat16")
        self.precision = precision
        self._graph: ScoringGraph | None = graph.eval()
        self._size = graph.model.config.image_size

    def infer(self, image: NDArray[np.uint8]) -> Inference:
        """Score prepared images, RGB [N, S, S, 3]. Raises EngineError."""
        if self._graph is None:
            raise EngineError("the torch runtime is closed")
        check_image(image, self._size)
        try:
            with (
                torch.inference_mode(),
                torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bfloat16"),
            ):
                amap, score, reconstruction = self._graph(torch.tensor(np.ascontiguousarray(image)))
        except RuntimeError as error:
            raise EngineError(f"torch failed to run the graph: {error}") from error
        result = Inference(amap.numpy(), score.numpy(), reconstruction.contiguous().numpy())
        check_finite(result.anomaly_map, result.score)
        return result

    def close(self) -> None:
        """Let go of the graph; idempotent."""
        self._graph = None


def open_torch(settings: RuntimeSettings, graph_file: Path, model_size: int) -> TorchRuntime:
    """Restore the graph from `graph_file` and run it in torch. Raises EngineError if it does not fit."""
    try:
        graph = load_graph_from_onnx(graph_file)
    except BundleError as error:
        raise EngineError(str(error)) from error
    if graph.model.config.image_size != model_size:
        raise EngineError(
            f"{graph_file}: image size {graph.model.config.image_size} where {model_size} was expected"
        )
    if settings.threads:
        torch.set_num_threads(settings.threads)
    return TorchRuntime(graph, settings.precision)
