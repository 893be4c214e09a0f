"""Eq. 7 against an independent implementation in plain numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from inspectd.inference.anomaly import anomaly_map, image_score, msgms

Array = NDArray[np.float64]


def plain_gradient(image: Array) -> Array:
    """Prewitt's two 3x3 kernels of weight 1/3, pixel by pixel of the kernel, borders repeated."""
    height, width = image.shape
    padded = np.pad(image, 1, mode="edge")
    kernel = np.array([[1, 0, -1], [1, 0, -1], [1, 0, -1]]) / 3.0
    along_x, along_y = np.zeros_like(image), np.zeros_like(image)
    for row in range(3):
        for column in range(3):
            window = padded[row : row + height, column : column + width]
            along_x += kernel[row, column] * window
            along_y += kernel[column, row] * window
    return np.sqrt(along_x**2 + along_y**2)


def plain_halved(image: Array) -> Array:
    height, width = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
    image = image[:height, :width]
    return (image[::2, ::2] + image[1::2, ::2] + image[::2, 1::2] + image[1::2, 1::2]) / 4.0


def plain_resized(image: Array, height: int, width: int) -> Array:
    """Bilinear interpolation between the centres of the pixels."""

    def weights(count: int, wanted: int) -> Array:
        matrix = np.zeros((wanted, count))
        for index in range(wanted):
            position = min(max((index + 0.5) * count / wanted - 0.5, 0.0), count - 1.0)
            low = int(position)
            matrix[index, low] += 1.0 - (position - low)
            matrix[index, min(low + 1, count - 1)] += position - low
        return matrix

    rows, columns = weights(image.shape[0], height), weights(image.shape[1], width)
    return np.einsum("ih,hw,jw->ij", rows, image, columns)


def plain_msgms(x: Array, y: Array) -> Array:
    grey_x, grey_y = x.mean(axis=0), y.mean(axis=0)
    height, width = grey_x.shape
    maps: list[Array] = []
    for scale in range(4):
        if scale:
            grey_x, grey_y = plain_halved(grey_x), plain_halved(grey_y)
        gx, gy = plain_gradient(grey_x), plain_gradient(grey_y)
        similarity = (2 * gx * gy + 0.0026) / (gx**2 + gy**2 + 0.0026)
        maps.append(plain_resized(similarity, height, width))
    return np.mean(maps, axis=0)


def plain_smoothed(image: Array) -> Array:
    height, width = image.shape
    padded = np.pad(image, 10, mode="reflect")
    total = np.zeros_like(image)
    for row in range(21):
        for column in range(21):
            total += padded[row : row + height, column : column + width]
    return total / 441


def plain_anomaly_map(x: Array, y: Array) -> Array:
    """Eq. 7 for one image [3, H, W]: each of the two maps smoothed, then their sum."""
    squared_error = ((x - y) ** 2).mean(axis=0)
    return plain_smoothed(1.0 - plain_msgms(x, y)) + plain_smoothed(squared_error)


@settings(deadline=None, max_examples=12)
@given(
    seed=st.integers(0, 2**32 - 1),
    height=st.integers(16, 70),
    width=st.integers(16, 70),
    noise=st.sampled_from([0.01, 0.1, 0.5]),
)
def test_anomaly_map_is_equation_7(seed: int, height: int, width: int, noise: float) -> None:
    """Map and score agree to 1e-5 on random images, odd sizes included."""
    generator = np.random.default_rng(seed)
    x = generator.random((2, 3, height, width))
    y = np.clip(x + noise * generator.standard_normal(x.shape), 0.0, 1.0)
    given_map = anomaly_map(torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32))
    wanted = np.stack([plain_anomaly_map(*pair) for pair in zip(x, y, strict=True)])
    np.testing.assert_allclose(given_map.numpy(), wanted, atol=1e-5, rtol=0)
    np.testing.assert_allclose(image_score(given_map).numpy(), wanted.max(axis=(1, 2)), atol=1e-5, rtol=0)


def test_anomaly_map_of_the_papers_size() -> None:
    """The same at 224 x 224."""
    generator = np.random.default_rng(0)
    x, y = generator.random((3, 224, 224)), generator.random((3, 224, 224))
    given_map = anomaly_map(*(torch.tensor(image, dtype=torch.float32)[None] for image in (x, y)))
    np.testing.assert_allclose(given_map[0].numpy(), plain_anomaly_map(x, y), atol=1e-5, rtol=0)


def test_a_perfect_reconstruction_scores_zero() -> None:
    """Each term vanishes where image and reconstruction agree."""
    x = torch.rand(1, 3, 32, 48)
    assert float(anomaly_map(x, x).abs().max()) < 1e-6
    torch.testing.assert_close(msgms(x, x), torch.ones(1, 1, 32, 48))


def test_the_score_is_not_clamped() -> None:
    """The worst reconstruction scores above 1: black for white, and edges where there are none."""
    x = torch.zeros(1, 3, 64, 64)
    x[..., ::4, :] = 1.0
    x[..., 1::4, :] = 1.0
    assert float(image_score(anomaly_map(x, 1.0 - x))[0]) > 0.99
    flat = torch.ones(1, 3, 64, 64)
    torch.testing.assert_close(image_score(anomaly_map(flat, torch.zeros_like(flat))), torch.ones(1))
    assert float(image_score(anomaly_map(x + 0.2, torch.full_like(x, -0.2)))[0]) > 1.0


def test_a_local_defect_is_found_where_it_is() -> None:
    """The map's maximum lies in the changed patch, and far from it the map stays at zero."""
    x = torch.full((1, 3, 96, 96), 0.5)
    y = x.clone()
    y[..., 20:28, 60:68] = 0.9
    amap = anomaly_map(x, y)[0]
    row, column = divmod(int(amap.argmax()), 96)
    assert 14 <= row <= 33
    assert 54 <= column <= 73
    assert float(amap[70:, :30].abs().max()) < 1e-6


def test_each_image_is_scored_by_itself() -> None:
    """A batch gives what its images give alone."""
    x, y = torch.rand(3, 3, 40, 40), torch.rand(3, 3, 40, 40)
    alone = torch.cat([anomaly_map(x[index : index + 1], y[index : index + 1]) for index in range(3)])
    torch.testing.assert_close(anomaly_map(x, y), alone)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_reconstruction_that_is_no_number_gives_no_finite_score(value: float) -> None:
    """NaN and infinity reach the score instead of passing for a good part."""
    x, y = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    y[0, 1, 5, 7] = value
    assert not torch.isfinite(image_score(anomaly_map(x, y))).any()
