"""OpenVINO on the CPU: the runtime of a line PC without a GPU."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import openvino as ov

from inspectd.inference.errors import EngineError
from inspectd.inference.runtime import (
    INPUT_NAME,
    OUTPUT_NAMES,
    Inference,
    RuntimeSettings,
    check_finite,
    check_image,
)

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

DEVICE = "CPU"
PRECISIONS = {"float32": ov.Type.f32, "bfloat16": ov.Type.bf16}


@cache
def _core() -> ov.Core:
    """Give the one core of this process, which is never freed.

    Compiling for a CPU with large registers gives the calling thread a stack for its signals that ends with
    the core, wherever that is freed: with one core for each engine, an engine closed by another thread took
    the main thread's, and the next signal, SIGTERM too, ended the process.
    """
    return ov.Core()


class OpenVinoRuntime:
    """Runs a scoring graph file on the CPU, one image at a time, in exactly the precision asked for.

    OpenVINO left alone takes bfloat16 where the CPU has it: one bundle would score differently on two PCs.
    """

    name = "openvino"

    def __init__(self, settings: RuntimeSettings, graph_file: Path, model_size: int) -> None:
        self.precision: str = settings.precision
        self._size = model_size
        # Filled with NaN before each run: an output that the engine did not write can pass for no score.
        self._map = np.empty((1, model_size, model_size), np.float32)
        self._score = np.empty(1, np.float32)
        self._reconstruction = np.empty((1, model_size, model_size, 3), np.uint8)
        self._image = np.empty((1, model_size, model_size, 3), np.uint8)
        try:
            self._request: ov.InferRequest | None = self._open(settings, graph_file)
        except RuntimeError as error:  # OpenVINO raises nothing else
            raise EngineError(f"openvino could not load {graph_file}: {error}") from error

    def _open(self, settings: RuntimeSettings, graph_file: Path) -> ov.InferRequest:
        wanted = PRECISIONS[settings.precision]
        core = _core()
        if wanted == ov.Type.bf16 and "BF16" not in core.get_property(DEVICE, "OPTIMIZATION_CAPABILITIES"):
            raise EngineError(
                "precision bfloat16: this CPU has no bfloat16 instructions (AVX512_BF16 or AMX); "
                "set the runtime's precision to float32 and use a bundle with a float32 threshold"
            )
        model = core.read_model(graph_file)
        names = tuple(output.get_any_name() for output in model.outputs)
        shapes = [entry.partial_shape for entry in model.inputs]
        if names != OUTPUT_NAMES or shapes != [ov.PartialShape([-1, self._size, self._size, 3])]:
            raise EngineError(
                f"{graph_file}: not a scoring graph of image size {self._size}: "
                f"inputs {shapes}, outputs {list(names)}"
            )
        model.reshape({INPUT_NAME: [1, self._size, self._size, 3]})
        options: dict[str, object] = {
            "INFERENCE_PRECISION_HINT": wanted,
            "PERFORMANCE_HINT": "LATENCY",
            "PERFORMANCE_HINT_NUM_REQUESTS": 1,
        }
        if settings.threads:
            options["INFERENCE_NUM_THREADS"] = settings.threads
        compiled = core.compile_model(model, DEVICE, options)
        given = compiled.get_property("INFERENCE_PRECISION_HINT")
        if given != wanted:
            raise EngineError(
                f"openvino compiled for {given} where precision {settings.precision} was asked for"
            )
        request = compiled.create_infer_request()
        request.set_input_tensor(0, ov.Tensor(self._image, shared_memory=True))
        for index, buffer in enumerate((self._map, self._score, self._reconstruction)):
            request.set_output_tensor(index, ov.Tensor(buffer, shared_memory=True))
        return request

    def infer(self, image: NDArray[np.uint8]) -> Inference:
        """Score prepared images, RGB [N, S, S, 3], one after the other. Raises EngineError."""
        if self._request is None:
            raise EngineError("the openvino runtime is closed")
        check_image(image, self._size)
        count = len(image)
        result = Inference(
            anomaly_map=np.empty((count, *self._map.shape[1:]), np.float32),
            score=np.empty(count, np.float32),
            reconstruction=np.empty((count, *self._reconstruction.shape[1:]), np.uint8),
        )
        for index in range(count):
            self._image[0] = image[index]
            self._map.fill(np.nan)
            self._score.fill(np.nan)
            self._reconstruction.fill(0)  # uint8 has no NaN: black is no reconstruction of any part
            try:
                self._request.infer(share_outputs=True)  # no second copy of the outputs
            except RuntimeError as error:
                raise EngineError(f"openvino failed to run the graph: {error}") from error
            check_finite(self._map, self._score)
            result.anomaly_map[index] = self._map[0]
            result.score[index] = self._score[0]
            result.reconstruction[index] = self._reconstruction[0]
        return result

    def close(self) -> None:
        """Free the compiled graph; idempotent."""
        self._request = None
