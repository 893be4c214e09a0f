"""Where a training computes and in which precision."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

import torch

from inspectd.calibration.errors import CalibrationError

Wanted = Literal["auto", "cpu", "cuda"]
Precision = Literal["float32", "bfloat16", "float16"]

_CPU_OUT_OF_MEMORY = "DefaultCPUAllocator"
"""In the text of the RuntimeError that torch raises where a CPU's memory does not suffice."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device and the precision of the network's products on it; everything else is float32."""

    kind: Literal["cpu", "cuda"]
    precision: Precision

    @property
    def dtype(self) -> torch.dtype:
        """The type that autocast computes in; without meaning in float32, where there is no autocast."""
        return torch.float16 if self.precision == "float16" else torch.bfloat16


def choose_device(wanted: Wanted = "auto") -> Device:
    """Choose where to train: on a GPU if there is one, else on the CPU.

    bfloat16 where the device computes in it by itself; on an older GPU float16, whose gradients are to be
    scaled. Raises CalibrationError if a GPU is wanted and there is none.
    """
    found = torch.cuda.is_available()
    if wanted == "cuda" and not found:
        raise CalibrationError(
            "no GPU: torch finds no CUDA device. Install the NVIDIA driver and a torch with CUDA, or train on"
            " the CPU (--device cpu)."
        )
    if wanted == "cpu" or not found:
        return Device("cpu", "bfloat16" if _cpu_has_bfloat16() else "float32")
    _make_cuda_exact()
    return Device(
        "cuda", "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    )


def is_out_of_memory(error: Exception) -> bool:
    """Whether an error of a step says that the memory, of GPU or computer, did not suffice."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or (
        isinstance(error, RuntimeError) and _CPU_OUT_OF_MEMORY in str(error)
    )


def _cpu_has_bfloat16() -> bool:
    """Whether this CPU computes in bfloat16 by itself; emulated, it would be slower than float32."""
    capabilities = getattr(torch.cpu, "get_capabilities", dict[str, object])()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def _make_cuda_exact() -> None:
    """Let CUDA give the same sums each time, so that a resumed training is the same training.

    And no TF32: its 10 bits leave nothing of the small differences of large means that SSIM (Eq. 5) takes.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.allow_tf32 = False  # of matrix products it is off by default
