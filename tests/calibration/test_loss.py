"""Eq. 5 and 6 against a plain numpy implementation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from inspectd.calibration.loss import reconstruction_loss, ssim


def plain_ssim(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Mean of Eq. 5 over a window of 11 x 11 round each pixel of [H, W], Gaussian of 1.5 px.

    Beyond a border the image is its own mirror.
    """
    x, y = (np.pad(each, 5, mode="reflect") for each in (x, y))
    line = np.exp(-((np.arange(11) - 5.0) ** 2) / (2 * 1.5**2))
    weights = np.outer(line, line) / line.sum() ** 2
    values: list[float] = []
    for row in range(x.shape[0] - 10):
        for column in range(x.shape[1] - 10):
            a, b = (each[row : row + 11, column : column + 11] for each in (x, y))
            mean_a, mean_b = (weights * a).sum(), (weights * b).sum()
            var_a, var_b = (weights * (a - mean_a) ** 2).sum(), (weights * (b - mean_b) ** 2).sum()
            covariance = (weights * (a - mean_a) * (b - mean_b)).sum()
            above = (2 * mean_a * mean_b + 0.01**2) * (2 * covariance + 0.03**2)
            values.append(above / ((mean_a**2 + mean_b**2 + 0.01**2) * (var_a + var_b + 0.03**2)))
    return float(np.mean(values))


def test_ssim_and_loss_follow_the_equations() -> None:
    """SSIM as written out window by window; the loss is the squared error plus what SSIM lacks of 1."""
    generator = np.random.default_rng(3)
    x = generator.random((2, 3, 14, 17))
    y = np.clip(x + generator.normal(0, 0.2, x.shape), 0, 1)
    expected = np.mean([plain_ssim(x[n, c], y[n, c]) for n in range(2) for c in range(3)])
    a, b = (torch.from_numpy(each.astype(np.float32)) for each in (x, y))
    assert float(ssim(a, b)) == pytest.approx(expected, abs=1e-5)
    assert float(reconstruction_loss(a, b)) == pytest.approx(((x - y) ** 2).mean() + 1 - expected, abs=1e-5)


def test_equal_images_lose_nothing() -> None:
    """The loss is 0 for a perfect reconstruction and positive for any other."""
    x = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert float(reconstruction_loss(x, x)) == pytest.approx(0, abs=1e-6)
    assert float(reconstruction_loss(x, 1 - x)) > 0.5


def test_a_difference_at_the_border_costs_as_much_as_elsewhere() -> None:
    """Otherwise the outer pixels stay untrained and have the largest anomalies of every good image."""
    x = torch.full((1, 3, 48, 48), 0.5)
    losses: list[float] = []
    for place in (0, 24):
        y = x.clone()
        y[:, :, place : place + 2, 20:28] = 0.8
        losses.append(float(reconstruction_loss(x, y)))
    assert losses[0] > 0.5 * losses[1]
