"""Which device trains, and in which precision. No GPU is needed: torch is asked, and answers by script."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from training_bench import images, nobody, recipe, trainer

from inspectd.calibration.device import Device, choose_device
from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.fit import fit


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """A GPU, as torch tells of it; switches of torch are put back afterwards."""
    says = {"available": True, "bfloat16": True}
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: says["available"])

    def is_bf16_supported(*, including_emulation: bool) -> bool:
        assert not including_emulation
        return says["bfloat16"]

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_bf16_supported)
    for holder, name in (
        (torch.backends.cudnn, "benchmark"),
        (torch.backends.cudnn, "deterministic"),
        (torch.backends.cudnn, "allow_tf32"),
    ):
        monkeypatch.setattr(holder, name, getattr(holder, name))
    return says


def test_a_gpu_is_taken_where_there_is_one(gpu: dict[str, bool]) -> None:
    """bfloat16 where it computes in it, else float16; without TF32, and the same sums each time."""
    assert choose_device("auto") == choose_device("cuda") == Device("cuda", "bfloat16")
    gpu["bfloat16"] = False
    assert choose_device("auto") == Device("cuda", "float16")
    assert torch.backends.cudnn.deterministic
    assert not torch.backends.cudnn.allow_tf32


def test_the_cpu_is_taken_where_there_is_none_or_it_is_wanted(gpu: dict[str, bool]) -> None:
    """Never float16 on a CPU."""
    assert choose_device("cpu").kind == "cpu"
    gpu["available"] = False
    assert choose_device("auto") == choose_device("cpu")
    assert choose_device("auto").precision in {"float32", "bfloat16"}


def test_a_gpu_that_is_not_there_is_an_error(gpu: dict[str, bool]) -> None:
    """What torch misses and what to do."""
    gpu["available"] = False
    with pytest.raises(CalibrationError, match=r"no CUDA device.*--device cpu"):
        choose_device("cuda")
    with pytest.raises(CalibrationError, match="no CUDA device"):
        fit(recipe(), images()[:12], images()[12:], 0, "none", device="cuda")


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_network_computes_in_the_device_s_precision(precision: Any) -> None:
    """Its products do; the loss and the weights stay float32."""
    training = trainer(recipe(epochs=1))
    learner = training.learner
    learner.device = Device("cpu", precision)
    seen: list[torch.dtype] = []

    def note(_module: object, _inputs: object, output: torch.Tensor) -> None:
        seen.append(output.dtype)

    training.model.head.register_forward_hook(note)
    training.run(nobody, nobody)
    assert set(seen) == {getattr(torch, precision)}
    assert {tensor.dtype for tensor in training.model.state_dict().values()} == {torch.float32}
    assert training.history().precision == precision


def test_a_resumed_run_keeps_precision_and_scale() -> None:
    """The state of a step holds what float16 scales its gradients by."""
    one, two = trainer(recipe()), trainer(recipe())
    one.learner.device = Device("cpu", "float16")
    one.learner.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    two.restore(one.checkpoint())
    assert two.learner.device == Device("cpu", "float16")
    assert two.learner.scaler.is_enabled()
    assert two.learner.scaler.get_scale() == 1024.0


def test_scaled_gradients_make_the_same_step() -> None:
    """What the scale multiplies it divides out before the gradients are clipped."""
    plain, scaled = trainer(recipe(epochs=1)), trainer(recipe(epochs=1))
    scaled.learner.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0, enabled=True)
    for training in (plain, scaled):
        training.run(nobody, nobody)
    assert scaled.losses == pytest.approx(plain.losses, rel=1e-4)
