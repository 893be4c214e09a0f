"""The training loss, Eq. 5 and 6: mean squared error plus structural dissimilarity."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

WINDOW = 11
_DEVIATION = 1.5
_C1, _C2 = 0.01**2, 0.03**2
"""K1 = 0.01 and K2 = 0.03 of Eq. 5, for a dynamic range L = 1."""


def reconstruction_loss(x: Tensor, y: Tensor, *, borders: bool = True) -> Tensor:
    """Compare `y` with the clean images `x`, both float32 [N, 3, H, W] in [0, 1]; 0 if equal.

    `borders`: see `ssim`. Eq. 6 adds SSIM to the squared error; as a loss that can only mean 1 - SSIM.
    """
    return functional.mse_loss(y, x) + (1.0 - ssim(x, y, borders=borders))


def ssim(x: Tensor, y: Tensor, *, borders: bool = True) -> Tensor:
    """Mean structural similarity, Eq. 5, of [N, C, H, W] in [0, 1]: Gaussian window of 11.

    With `borders` the image is mirrored there, so that every pixel counts alike; otherwise windows lie within
    the image. Then (measured on screws, after 110 steps) the outer 5 px stay untrained, and 40 % of the good
    images' maxima in the anomaly map lie there.
    """
    if borders:
        half = WINDOW // 2
        x, y = _mirrored(x, half), _mirrored(y, half)
    mean_x, mean_y = _window_mean(x), _window_mean(y)
    variance_x = _window_mean(x * x) - mean_x * mean_x
    variance_y = _window_mean(y * y) - mean_y * mean_y
    covariance = _window_mean(x * y) - mean_x * mean_y
    similarity = ((2 * mean_x * mean_y + _C1) * (2 * covariance + _C2)) / (
        (mean_x * mean_x + mean_y * mean_y + _C1) * (variance_x + variance_y + _C2)
    )
    return similarity.mean()


def _mirrored(x: Tensor, width: int) -> Tensor:
    """Add mirrored borders, [N, C, H, W] -> [N, C, H + 2 width, W + 2 width].

    As padding "reflect" does, but with gradients that CUDA sums in the same order each time.
    """
    for axis in (2, 3):
        size = x.shape[axis]
        before = x.narrow(axis, 1, width).flip(axis)
        after = x.narrow(axis, size - 1 - width, width).flip(axis)
        x = torch.cat((before, x, after), dim=axis)
    return x


def _window_mean(x: Tensor) -> Tensor:
    """Weighted mean of each window, [N, C, H, W] -> [N, C, H - 10, W - 10]; rows, then columns."""
    channels = x.shape[1]
    offsets = torch.arange(WINDOW, dtype=torch.float32, device=x.device) - WINDOW // 2
    weights = torch.exp(-offsets.square() / (2 * _DEVIATION**2))
    weights = (weights / weights.sum()).expand(channels, 1, WINDOW)
    rows = functional.conv2d(x, weights.unsqueeze(2), groups=channels)
    return functional.conv2d(rows, weights.unsqueeze(3), groups=channels)
