"""The scoring graph: everything between a prepared image and its score, as one module for every runtime."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from inspectd.inference.anomaly import anomaly_map, image_score
from inspectd.inference.model import EncoderDecoder

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class ScoringGraph(nn.Module):
    """Scores prepared images: uint8 RGB [N, S, S, 3] in, three outputs out, by name and in this order.

    `anomaly_map` float32 [N, S, S] (Eq. 7, never clamped), `score` float32 [N] (its maximum) and
    `reconstruction` uint8 [N, S, S, 3]. The same image always gives the same score: the noise of Eq. 4 is one
    field drawn from `seed`, of standard deviation `sigma` in units of the image's range [0, 1]; 0 is none.
    """

    noise: Tensor | None
    imagenet_mean: Tensor
    imagenet_std: Tensor

    def __init__(self, model: EncoderDecoder, sigma: float, seed: int) -> None:
        super().__init__()
        if not 0.0 <= sigma < float("inf"):
            raise ValueError(
                f"sigma {sigma} is not a standard deviation: 0 or more, in units of the range [0, 1]"
            )
        self.model = model
        self.sigma = sigma
        self.seed = seed
        self.register_buffer("noise", noise_field(model.config.image_size, seed) * sigma if sigma else None)
        self.register_buffer("imagenet_mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("imagenet_std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give the map, the score and the reconstruction of `image` [N, S, S, 3]."""
        # Cast first and back last: TensorRT moves no uint8.
        x = image.to(torch.float32).permute(0, 3, 1, 2) / 255.0
        y = self.reconstruct(x)
        amap = anomaly_map(x, y)  # against the clean image
        reconstruction = torch.round(y * 255.0).permute(0, 2, 3, 1).to(torch.uint8)
        return amap, image_score(amap), reconstruction

    def reconstruct(self, x: Tensor) -> Tensor:
        """Reconstruct `x`, float32 [N, 3, S, S] in [0, 1], from its noisy self (Eq. 4)."""
        noisy = x if self.noise is None else x + self.noise  # not clamped
        return self.model((noisy - self.imagenet_mean) / self.imagenet_std).to(torch.float32)


def noise_field(size: int, seed: int) -> Tensor:
    """Draw the standard normal field, float32 [1, 3, size, size], that belongs to `seed` on any machine."""
    generator = np.random.Generator(np.random.PCG64(seed))
    return torch.from_numpy(generator.standard_normal((1, 3, size, size)).astype(np.float32))
