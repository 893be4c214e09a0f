"""A model's weights as named tensors, and what a training does with them as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from inspectd.inference.model import EncoderDecoder


def weights_of(model: EncoderDecoder) -> dict[str, Tensor]:
    """Return the weights themselves, by name."""
    return model.state_dict()  # pyright: ignore  its annotation does not say of what


def copied(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return copies that further training does not change."""
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def in_memory_order(model: EncoderDecoder, order: torch.memory_format) -> EncoderDecoder:
    """Lay out a model's 4-d weights in memory; channels_last halves a bfloat16 step's time and more."""
    return model.to(memory_format=order)  # pyright: ignore  its annotation lacks this call


def start_at_mean_colour(model: EncoderDecoder, images: NDArray[np.uint8]) -> None:
    """Let an untrained model begin with the mean colour of the images, uint8 [N, S, S, 3].

    Otherwise the first steps do nothing but pull the output to that colour, and so hard that ReLUs of the
    narrow last layers die of it.
    """
    colour = torch.from_numpy(images.mean(axis=(0, 1, 2), dtype=np.float64) / 255).float()
    with torch.no_grad():
        cast("Tensor", model.head.bias).copy_(torch.logit(colour, eps=0.01))
