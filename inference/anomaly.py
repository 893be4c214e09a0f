"""The anomaly map and score, Eq. 7: multi-scale gradient magnitude similarity (MSGMS) plus squared error."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

SCALES = 4
GMS_C = 0.0026
"""The constant that steadies the similarity of two flat regions, for images in [0, 1]."""
MEAN_FILTER = 21
"""Side of the mean filter Conv_f, px."""


def anomaly_map(x: Tensor, y: Tensor) -> Tensor:
    """Compare the images `x` with their reconstructions `y`, both [N, 3, H, W] in [0, 1], by Eq. 7.

    Returns float32 [N, H, W], never negative, never clamped. H and W are at least 11, so that the mean
    filter's borders can be reflected.
    """
    squared_error = (x - y).square().mean(dim=1, keepdim=True)
    # Smoothing is linear: the sum of the two smoothed maps is the smoothed sum, at half the work.
    return mean_filter(1.0 - msgms(x, y) + squared_error).squeeze(1)


def image_score(amap: Tensor) -> Tensor:
    """Give the maximum of each map: [N, H, W] -> [N]."""
    return amap.amax(dim=(1, 2))


def msgms(x: Tensor, y: Tensor) -> Tensor:
    """Average the gradient magnitude similarity over four scales: [N, 3, H, W] twice -> [N, 1, H, W].

    Each scale halves the last by average pooling (an odd last row or column is left out); its map is brought
    back to H x W bilinearly. Values in (0, 1], 1 where the images' gradients agree.
    """
    size = x.shape[-2:]
    grey = torch.cat((x.mean(dim=1, keepdim=True), y.mean(dim=1, keepdim=True)), dim=1)
    total = gms(grey)
    for _ in range(SCALES - 1):
        grey = functional.avg_pool2d(grey, 2)
        total = total + functional.interpolate(gms(grey), size=size, mode="bilinear", align_corners=False)
    return total / SCALES


def gms(pair: Tensor) -> Tensor:
    """Compare the gradient magnitudes of two grey images, `pair` [N, 2, H, W] -> [N, 1, H, W]."""
    gradients = gradient_magnitude(pair)
    gx, gy = gradients[:, :1], gradients[:, 1:]
    return (2.0 * gx * gy + GMS_C) / (gx.square() + gy.square() + GMS_C)


def gradient_magnitude(x: Tensor) -> Tensor:
    """Apply Prewitt's operator, of weight 1/3, to each channel of [N, C, H, W] with repeated borders."""
    padded = functional.pad(x, (1, 1, 1, 1), mode="replicate")
    # Slices and no convolution, which OpenVINO at bfloat16 would not leave in float32 at full scale.
    across = padded[..., 2:] - padded[..., :-2]
    horizontal = across[..., :-2, :] + across[..., 1:-1, :] + across[..., 2:, :]
    down = padded[..., 2:, :] - padded[..., :-2, :]
    vertical = down[..., :-2] + down[..., 1:-1] + down[..., 2:]
    return torch.sqrt(horizontal.square() + vertical.square()) / 3.0


def mean_filter(x: Tensor) -> Tensor:
    """Average each 21 x 21 window of [N, 1, H, W], borders reflected; as two passes of 21."""
    half = MEAN_FILTER // 2
    padded = functional.pad(x, (half, half, half, half), mode="reflect")
    rows = functional.avg_pool2d(padded, (1, MEAN_FILTER), stride=1)
    return functional.avg_pool2d(rows, (MEAN_FILTER, 1), stride=1)
