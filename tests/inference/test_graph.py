"""The scoring graph: what it feeds the network, what it compares, and what comes out."""

from __future__ import annotations

import hashlib
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from inspectd.inference.anomaly import anomaly_map
from inspectd.inference.graph import ScoringGraph, noise_field
from inspectd.inference.model import EncoderDecoder, ModelConfig

SIZE = 32
MEAN = np.array([0.485, 0.456, 0.406])
STD = np.array([0.229, 0.224, 0.225])


class Recorder(nn.Module):
    """In the network's place: keeps its input and gives a fixed reconstruction."""

    def __init__(self) -> None:
        super().__init__()
        self.config = ModelConfig(image_size=SIZE)
        self.seen: list[Tensor] = []
        self.answer = torch.rand(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(5))

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x)
        return self.answer.expand(len(x), 3, SIZE, SIZE)


def recorded(sigma: float, seed: int = 3) -> tuple[ScoringGraph, Recorder]:
    recorder = Recorder()
    return ScoringGraph(cast("Any", recorder), sigma, seed), recorder


def small_model() -> EncoderDecoder:
    torch.manual_seed(0)
    return EncoderDecoder(ModelConfig(image_size=SIZE, widths=(8, 8, 8), dim=16)).eval()


def images(count: int) -> Tensor:
    generator = torch.Generator().manual_seed(count)
    return torch.randint(0, 256, (count, SIZE, SIZE, 3), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("sigma", [0.0, 0.2])
def test_noise_is_added_before_normalisation_and_not_clamped(sigma: float) -> None:
    """The network sees ((X + sigma field) - mean) / std of X = image / 255, for each image of a batch."""
    graph, recorder = recorded(sigma)
    batch = images(2)
    graph(batch)
    clean = np.asarray(batch, np.float64) / 255.0
    generator = np.random.Generator(np.random.PCG64(3))
    field = np.asarray(generator.standard_normal((1, 3, SIZE, SIZE)), np.float64)
    noisy = clean + sigma * np.moveaxis(field, 1, -1)
    assert sigma == 0.0 or (noisy.min() < 0.0 and noisy.max() > 1.0)
    wanted = np.moveaxis((noisy - MEAN) / STD, -1, 1)
    np.testing.assert_allclose(recorder.seen[0].numpy(), wanted, atol=1e-5)


def test_residuals_are_against_the_clean_image() -> None:
    """The map is Eq. 7 of X without noise and the reconstruction; the score is its maximum."""
    graph, recorder = recorded(0.3)
    batch = images(2)
    amap, score, reconstruction = graph(batch)
    clean = batch.permute(0, 3, 1, 2).float() / 255.0
    torch.testing.assert_close(amap, anomaly_map(clean, recorder.answer.expand(2, -1, -1, -1)))
    assert torch.equal(score, amap.amax(dim=(1, 2)))
    wanted = (recorder.answer * 255.0).round().permute(0, 2, 3, 1).to(torch.uint8)
    assert torch.equal(reconstruction, wanted.expand(2, -1, -1, -1))


def test_outputs_have_the_contracts_shapes_and_types() -> None:
    """float32 [N, S, S], float32 [N] and uint8 [N, S, S, 3], whatever the network computes in."""
    graph = ScoringGraph(
        EncoderDecoder(ModelConfig(image_size=SIZE, widths=(8, 8, 8), dim=16)), 0.1, 1
    ).eval()
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        amap, score, reconstruction = graph(images(2))
    assert (amap.dtype, list(amap.shape)) == (torch.float32, [2, SIZE, SIZE])
    assert (score.dtype, list(score.shape)) == (torch.float32, [2])
    assert (reconstruction.dtype, list(reconstruction.shape)) == (torch.uint8, [2, SIZE, SIZE, 3])


def test_the_same_image_always_gets_the_same_score() -> None:
    """Two graphs of one model and seed agree to the last bit, and another seed gives another score."""
    model = small_model()
    image = images(1)
    with torch.inference_mode():
        first, again, other = (ScoringGraph(model, 0.2, seed)(image) for seed in (1, 1, 2))
    for one, two in zip(first, again, strict=True):
        assert torch.equal(one, two)
    assert float(first[1]) != float(other[1])


def test_the_noise_field_of_a_seed_is_the_same_on_any_machine() -> None:
    """Its bytes are pinned: another field would move every score of a class."""
    field = noise_field(SIZE, 7)
    assert (field.dtype, list(field.shape)) == (torch.float32, [1, 3, SIZE, SIZE])
    rounded = np.round(field.numpy() * 1000).astype("<i4")
    assert hashlib.sha256(rounded.tobytes()).hexdigest()[:16] == "606e90198100061c"
    assert abs(float(noise_field(128, 1).std()) - 1.0) < 0.02


def test_without_noise_the_graph_holds_no_field() -> None:
    """Sigma 0 is the ablation, and costs nothing."""
    assert "noise" not in recorded(0.0)[0].state_dict()
    assert "noise" in recorded(0.1)[0].state_dict()


@pytest.mark.parametrize("sigma", [-0.1, float("nan"), float("inf")])
def test_a_sigma_that_is_no_standard_deviation_is_refused(sigma: float) -> None:
    """The error names it."""
    with pytest.raises(ValueError, match=f"sigma {sigma}"):
        recorded(sigma)
