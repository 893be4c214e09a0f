"""Pre-trained weights of VGG19 (ImageNet) for the encoder, from a file or from torchvision."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType]  its PathLike is bare

from inspectd.inference.errors import WeightsError
from inspectd.inference.model_config import VGG19_WIDTHS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

    from inspectd.inference.model import ConvBlock, EncoderDecoder

# The published name of each convolution and its index in torchvision's `features`, block by block.
LAYERS = (
    (("conv1_1", 0), ("conv1_2", 2)),
    (("conv2_1", 5), ("conv2_2", 7)),
    (("conv3_1", 10), ("conv3_2", 12), ("conv3_3", 14), ("conv3_4", 16)),
)
_TORCH_SUFFIXES = {".pth", ".pt"}
NO_SOURCE = "none"
TORCHVISION_SOURCE = "auto"


@dataclass(frozen=True, slots=True)
class LoadedWeights:
    """What a source gave: the convolutions that hold its weights now, and those that keep their own."""

    source: str
    loaded: tuple[str, ...]
    missing: tuple[str, ...]


def load_vgg19(model: EncoderDecoder, source: str | Path) -> LoadedWeights:
    """Load into the blocks of `model` what `source` holds of VGG19.

    `source` is "none", "auto" (torchvision's weights, which it downloads once and keeps in its cache) or a
    file with torchvision's names (`features.0.weight`): torchvision's own (.pth), of which tensors alone are
    read and nothing is executed, or safetensors. Either may hold some layers only.
    Raises WeightsError if there is nothing to load or it does not fit.
    """
    every_layer = tuple(name for block in LAYERS for name, _ in block)
    if source == NO_SOURCE:
        return LoadedWeights(NO_SOURCE, loaded=(), missing=every_layer)
    if model.config.widths != VGG19_WIDTHS:
        raise WeightsError(
            f"the model's widths are {model.config.widths}, VGG19's are {VGG19_WIDTHS}: its weights do not "
            "fit; train with the default widths, or without pre-trained weights (vgg19: none)"
        )
    weights = _torchvision_weights() if source == TORCHVISION_SOURCE else _file_weights(source)
    loaded: list[str] = []
    for block, layers in zip(cast("list[ConvBlock]", model.blocks), LAYERS, strict=True):
        for conv, (name, index) in zip(cast("list[nn.Conv2d]", block.convs), layers, strict=True):
            if _copy_layer(conv, weights, f"features.{index}", source):
                loaded.append(name)
    if not loaded:
        raise WeightsError(f"{source}: holds none of VGG19's first layers (features.0.weight and so on)")
    return LoadedWeights(
        str(source), loaded=tuple(loaded), missing=tuple(name for name in every_layer if name not in loaded)
    )


def thaw_missing(model: EncoderDecoder, weights: LoadedWeights) -> None:
    """Let the layers that were not loaded be trained in a model whose VGG19 blocks are frozen."""
    for block, layers in zip(cast("list[ConvBlock]", model.blocks), LAYERS, strict=True):
        for conv, (name, _) in zip(block.convs, layers, strict=True):
            if name in weights.missing:
                conv.requires_grad_(requires_grad=True)


def _copy_layer(conv: nn.Conv2d, weights: Mapping[str, Tensor], key: str, source: str | Path) -> bool:
    """Copy weight and bias of one convolution; False if the source has neither."""
    given = [weights.get(f"{key}.{part}") for part in ("weight", "bias")]
    if all(tensor is None for tensor in given):
        return False
    for part, target, tensor in zip(("weight", "bias"), (conv.weight, conv.bias), given, strict=True):
        if tensor is None or target is None or tensor.shape != target.shape or not tensor.isfinite().all():
            found = "missing" if tensor is None else f"of shape {list(tensor.shape)} or not finite"
            raise WeightsError(
                f"{source}: {key}.{part} is {found}; VGG19 has {list(conv.weight.shape)} there"
            )
        with torch.no_grad():
            target.copy_(tensor)
    return True


def _file_weights(source: str | Path) -> dict[str, Tensor]:
    path = Path(source)
    try:
        if path.suffix not in _TORCH_SUFFIXES:
            return load_file(path)
        # weights_only: a file that would execute code is refused.
        loaded: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, SafetensorError, UnpicklingError, RuntimeError, ValueError, KeyError) as error:
        kind = "torch's weights" if path.suffix in _TORCH_SUFFIXES else "safetensors"
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise WeightsError(
            f"{path}: not readable as {kind}: {reason}; name a file of VGG19 weights (torchvision's .pth, or "
            ".safetensors), or 'none'"
        ) from error
    if not isinstance(loaded, dict):
        raise WeightsError(f"{path}: holds no weights by name; name torchvision's file of VGG19, or 'none'")
    named = cast("dict[Any, Any]", loaded)
    return {str(name): value for name, value in named.items() if isinstance(value, torch.Tensor)}


def _torchvision_weights() -> Mapping[str, Tensor]:
    try:
        models = import_module("torchvision.models")  # an optional package
    except ImportError as error:
        raise WeightsError(
            "vgg19 'auto' takes torchvision's weights, and torchvision is not installed: install it, or name "
            "a file of VGG19 weights (.pth or .safetensors), or 'none' to train without"
        ) from error
    try:
        return models.VGG19_Weights.IMAGENET1K_V1.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:
        raise WeightsError(
            f"torchvision's VGG19 weights could not be had: {error}; check the network, or name "
            "a file of VGG19 weights (.pth or .safetensors), or 'none' to train without"
        ) from error
