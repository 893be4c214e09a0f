"""The one protocol behind which each runtime stands in a file of its own, and what they have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from inspectd.inference.errors import EngineError

if TYPE_CHECKING:
    from pathlib import Path

INPUT_NAME = "image"
OUTPUT_NAMES = ("anomaly_map", "score", "reconstruction")

Precision = Literal["float32", "bfloat16"]


class RuntimeSettings(BaseModel):
    """Which runtime computes the scores, and how. Thresholds are kept per runtime and precision."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Literal["openvino", "torch"] = Field(
        default="openvino", description="openvino: on a line PC's CPU; torch: the reference, for calibration"
    )
    precision: Precision = Field(
        default="float32", description="numbers the network computes with; bfloat16 needs a CPU that has it"
    )
    threads: int = Field(default=0, ge=0, le=1024, description="CPU threads; 0: the runtime's choice")


@dataclass(frozen=True, slots=True)
class Inference:
    """The scoring graph's outputs, owned by the caller."""

    anomaly_map: NDArray[np.float32]
    """[N, S, S], never negative, unbounded above."""
    score: NDArray[np.float32]
    """[N], the maximum of each map."""
    reconstruction: NDArray[np.uint8]
    """[N, S, S, 3], RGB."""


class Runtime(Protocol):
    """Runs one scoring graph. Used from one thread."""

    name: str
    precision: str

    def infer(self, image: NDArray[np.uint8]) -> Inference:
        """Score prepared images, RGB [N, S, S, 3]. Raises EngineError on any failure, NaN and infinity."""
        ...

    def close(self) -> None:
        """Free what the runtime holds; idempotent. `infer` raises EngineError from then on."""
        ...


def open_runtime(settings: RuntimeSettings, graph_file: Path, model_size: int) -> Runtime:
    """Open the runtime that `settings` name on `graph_file`, a graph of image size `model_size`.

    Raises EngineError if the runtime is not installed, the CPU lacks the precision or the file does not fit.
    """
    if settings.name == "torch":
        try:
            from inspectd.inference.runtime_torch import open_torch  # noqa: PLC0415  torch only where it is asked for
        except ImportError as error:
            raise EngineError(f"runtime torch: {error}; install inspectd[calibration]") from error
        return open_torch(settings, graph_file, model_size)
    from inspectd.inference.runtime_openvino import OpenVinoRuntime  # noqa: PLC0415  each runtime loads when chosen

    return OpenVinoRuntime(settings, graph_file, model_size)


def check_image(image: NDArray[np.uint8], model_size: int) -> None:
    """Raise EngineError unless `image` is uint8 [N, S, S, 3] with N at least 1 and S = `model_size`."""
    wanted = (model_size, model_size, 3)
    if (
        image.dtype != np.uint8
        or image.ndim != 1 + len(wanted)
        or image.shape[1:] != wanted
        or not len(image)
    ):
        raise EngineError(
            f"image is {image.dtype} {list(image.shape)}; "
            f"the graph takes uint8 [N, {model_size}, {model_size}, 3]"
        )


def check_finite(anomaly_map: NDArray[np.float32], score: NDArray[np.float32]) -> None:
    """Raise EngineError unless each number of both is finite: a NaN compares false with every threshold."""
    # The map as well as the score: OpenVINO's maximum passes over a NaN.
    for name, values in (("score", score), ("anomaly_map", anomaly_map)):
        if not np.isfinite(values).all():
            raise EngineError(f"the engine's output {name} holds NaN or infinity; the frame has no score")
