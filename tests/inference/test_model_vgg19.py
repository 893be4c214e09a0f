"""Pre-trained weights: what is loaded is said, and what does not fit is refused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]  its PathLike is bare

from inspectd.inference.errors import WeightsError
from inspectd.inference.model import EncoderDecoder, ModelConfig
from inspectd.inference.vgg19 import load_vgg19

SHAPES = {0: (64, 3), 2: (64, 64), 5: (128, 64), 7: (128, 128), 10: (256, 128), 12: (256, 256)}
FIRST = ("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1")
LAST = ("conv3_2", "conv3_3", "conv3_4")


def weights(*indices: int) -> dict[str, torch.Tensor]:
    """Random weights of some layers under torchvision's names."""
    generator = torch.Generator().manual_seed(3)
    state: dict[str, torch.Tensor] = {}
    for index in indices:
        after, before = SHAPES[index]
        state[f"features.{index}.weight"] = torch.randn(after, before, 3, 3, generator=generator)
        state[f"features.{index}.bias"] = torch.randn(after, generator=generator)
    return state


@pytest.fixture
def model() -> EncoderDecoder:
    """Small, but of VGG19's widths."""
    return EncoderDecoder(ModelConfig(image_size=32, dim=16))


def test_a_file_of_some_layers_is_loaded_and_the_rest_named(model: EncoderDecoder, tmp_path: Path) -> None:
    """Five layers take the file's weights; the others keep their own and are reported."""
    path = tmp_path / "five.safetensors"
    given = weights(0, 2, 5, 7, 10)
    save_file({**given, "classifier.0.weight": torch.zeros(2)}, path)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    report = load_vgg19(model, path)
    assert (report.loaded, report.missing, report.source) == (FIRST, LAST, str(path))
    places = {"0.convs.0": 0, "0.convs.1": 2, "1.convs.0": 5, "1.convs.1": 7, "2.convs.0": 10}
    wanted = {
        f"blocks.{place}.{part}": given[f"features.{index}.{part}"]
        for place, index in places.items()
        for part in ("weight", "bias")
    }
    for name, value in model.state_dict().items():
        assert torch.equal(value, wanted[name] if name in wanted else before[name]), name


def test_none_loads_nothing(model: EncoderDecoder) -> None:
    """Without pre-trained weights all eight layers are reported as missing."""
    report = load_vgg19(model, "none")
    assert (report.loaded, report.missing) == ((), FIRST + LAST)


def test_auto_takes_torchvisions_own_loader(model: EncoderDecoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where torchvision is installed its checked download is what is loaded."""
    asked: list[dict[str, bool]] = []

    def get_state_dict(**options: bool) -> dict[str, torch.Tensor]:
        asked.append(options)
        return weights(0)

    models = ModuleType("torchvision.models")
    weights_enum = SimpleNamespace(IMAGENET1K_V1=SimpleNamespace(get_state_dict=get_state_dict))
    monkeypatch.setattr(models, "VGG19_Weights", weights_enum, raising=False)
    monkeypatch.setitem(sys.modules, "torchvision", ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.models", models)
    assert load_vgg19(model, "auto").loaded == ("conv1_1",)
    assert asked == [{"progress": False, "check_hash": True}]


def test_auto_without_torchvision_says_what_to_do(
    model: EncoderDecoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the remedies."""
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(WeightsError, match=r"torchvision is not installed.*safetensors.*'none'"):
        load_vgg19(model, "auto")


def test_auto_without_network_says_what_to_do(model: EncoderDecoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed download is one of the project's errors."""

    def get_state_dict(**_options: bool) -> None:
        raise OSError("no route to host")

    models = ModuleType("torchvision.models")
    weights_enum = SimpleNamespace(IMAGENET1K_V1=SimpleNamespace(get_state_dict=get_state_dict))
    monkeypatch.setattr(models, "VGG19_Weights", weights_enum, raising=False)
    monkeypatch.setitem(sys.modules, "torchvision", ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.models", models)
    with pytest.raises(WeightsError, match=r"no route to host.*network"):
        load_vgg19(model, "auto")


def test_narrow_widths_cannot_be_loaded() -> None:
    """The error names both widths."""
    model = EncoderDecoder(ModelConfig(image_size=32, widths=(8, 16, 24), dim=16))
    with pytest.raises(WeightsError, match=r"\(8, 16, 24\).*\(64, 128, 256\)"):
        load_vgg19(model, "auto")


def test_files_that_do_not_fit_are_refused(model: EncoderDecoder, tmp_path: Path) -> None:
    """No file, no safetensors file, none of the layers, a wrong shape, a lost bias, a NaN."""
    path = tmp_path / "weights.safetensors"
    with pytest.raises(WeightsError, match=r"weights\.safetensors: not readable"):
        load_vgg19(model, path)
    path.write_bytes(b"not safetensors")
    with pytest.raises(WeightsError, match="not readable"):
        load_vgg19(model, path)
    save_file({"layer": torch.zeros(1)}, path)
    with pytest.raises(WeightsError, match="holds none"):
        load_vgg19(model, path)
    save_file({**weights(0), "features.0.bias": torch.zeros(3)}, path)
    with pytest.raises(WeightsError, match=r"features\.0\.bias is of shape \[3\]"):
        load_vgg19(model, path)
    save_file({"features.0.weight": weights(0)["features.0.weight"]}, path)
    with pytest.raises(WeightsError, match=r"features\.0\.bias is missing"):
        load_vgg19(model, path)
    save_file({**weights(0), "features.0.bias": torch.full((64,), float("nan"))}, path)
    with pytest.raises(WeightsError, match="not finite"):
        load_vgg19(model, path)


def test_torchvisions_own_file_is_taken(model: EncoderDecoder, tmp_path: Path) -> None:
    """A state dict in torch's format, in either of its two forms, loads as a safetensors file does."""
    given = weights(0, 2)
    for name, new in (("new.pth", True), ("old.pth", False)):
        torch.save(given, tmp_path / name, _use_new_zipfile_serialization=new)
        report = load_vgg19(model, str(tmp_path / name))
        assert report.loaded == ("conv1_1", "conv1_2")
        assert torch.equal(model.state_dict()["blocks.0.convs.1.weight"], given["features.2.weight"])


class Trap:
    """What unpickling it would call leaves a trace."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[..., object], tuple[Path]]:
        return Path.touch, (self.trace,)


def test_a_file_that_would_execute_code_is_refused(model: EncoderDecoder, tmp_path: Path) -> None:
    """Tensors alone are read: nothing of such a file is run."""
    torch.save({**weights(0), "trap": Trap(tmp_path / "trace")}, tmp_path / "trap.pth")
    with pytest.raises(WeightsError, match=r"trap\.pth: not readable as torch's weights"):
        load_vgg19(model, tmp_path / "trap.pth")
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize("content", [b"", b"not weights"])
def test_a_broken_pth_is_refused(content: bytes, model: EncoderDecoder, tmp_path: Path) -> None:
    """What, where, remedy."""
    (tmp_path / "broken.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=r"broken\.pth: not readable.*'none'"):
        load_vgg19(model, tmp_path / "broken.pth")
    with pytest.raises(WeightsError, match=r"gone\.pth: not readable.*'none'"):
        load_vgg19(model, tmp_path / "gone.pth")


def test_a_pth_of_something_else_is_refused(model: EncoderDecoder, tmp_path: Path) -> None:
    """A lone tensor has no names; a list under a name is no weight."""
    torch.save(torch.zeros(3), tmp_path / "lone.pth")
    with pytest.raises(WeightsError, match="no weights by name"):
        load_vgg19(model, tmp_path / "lone.pth")
    torch.save({"features.0.weight": [1, 2]}, tmp_path / "list.pth")
    with pytest.raises(WeightsError, match="holds none"):
        load_vgg19(model, tmp_path / "list.pth")
