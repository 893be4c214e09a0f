"""The encoder-decoder: the shapes of its parts, its equations, its size and its ablations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError
from torch import nn

from inspectd.inference.model import (
    Attention,
    ConvBlock,
    EncoderDecoder,
    ModelConfig,
    SpatialReductionAttention,
    parameter_count,
)

SMALL: dict[str, Any] = {"image_size": 32, "widths": (8, 16, 24), "dim": 32}


def small_model(**changes: Any) -> EncoderDecoder:
    """A model of the full structure, small enough to run in a millisecond."""
    torch.manual_seed(0)
    return EncoderDecoder(ModelConfig(**(SMALL | changes))).eval()


def array(module: nn.Module, name: str) -> NDArray[np.float64]:
    """A parameter as float64."""
    return np.asarray(module.get_parameter(name).detach(), np.float64)


def plain_linear(layer: nn.Linear, x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.einsum("li,oi->lo", x, array(layer, "weight")) + array(layer, "bias")


def plain_attention(
    layer: Attention, x: NDArray[np.float64], context: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Eq. 1, head by head: x [L, C], context [M, C] -> [L, C]."""
    q, k, v = (
        plain_linear(layer.query, x),
        plain_linear(layer.key, context),
        plain_linear(layer.value, context),
    )
    width = q.shape[1] // layer.heads
    heads: list[NDArray[np.float64]] = []
    for head in range(layer.heads):
        part = slice(head * width, (head + 1) * width)
        exponents = np.exp(np.einsum("ld,md->lm", q[:, part], k[:, part]) / np.sqrt(width))
        heads.append(np.einsum("lm,md->ld", exponents / exponents.sum(axis=1, keepdims=True), v[:, part]))
    return plain_linear(layer.out, np.concatenate(heads, axis=1))


@pytest.mark.parametrize("heads", [1, 2, 4])
def test_attention_is_equation_1(heads: int) -> None:
    """Softmax(Q K^T / sqrt(d_k)) V in each head, on linear projections, joined by one more."""
    torch.manual_seed(heads)
    layer = Attention(16, heads).eval()
    x, context = torch.randn(1, 10, 16), torch.randn(1, 6, 16)
    wanted = plain_attention(layer, np.asarray(x[0], np.float64), np.asarray(context[0], np.float64))
    np.testing.assert_allclose(layer(x, context)[0].detach().numpy(), wanted, atol=1e-5)


@pytest.mark.parametrize(("reduction", "heads"), [(8, 1), (4, 2), (2, 4)])
def test_spatial_reduction_is_equations_2_and_3(reduction: int, heads: int) -> None:
    """Keys and values: patches of R x R x C reshaped to one row each, projected back to C, normalised."""
    torch.manual_seed(reduction)
    channels, height, width = 8, 16, 24
    layer = SpatialReductionAttention(channels, heads, reduction).eval()
    nn.init.normal_(layer.norm.weight)
    nn.init.normal_(layer.norm.bias)
    x = torch.randn(1, channels, height, width)

    plain = np.asarray(x[0], np.float64)
    projection = array(layer.reduce, "weight").reshape(channels, -1)  # the transpose of W(C R^2, C)
    rows: list[NDArray[np.float64]] = []
    for top in range(0, height, reduction):
        for left in range(0, width, reduction):
            patch = plain[:, top : top + reduction, left : left + reduction]
            rows.append(np.einsum("oi,i->o", projection, patch.reshape(-1)) + array(layer.reduce, "bias"))
    reduced = np.stack(rows)
    assert reduced.shape == (height * width // reduction**2, channels)
    centred = reduced - reduced.mean(axis=1, keepdims=True)
    spread = np.sqrt((centred**2).mean(axis=1, keepdims=True) + layer.norm.eps)
    normed = centred / spread * array(layer.norm, "weight") + array(layer.norm, "bias")
    tokens = np.moveaxis(plain, 0, -1).reshape(-1, channels)
    wanted = plain_attention(layer.attention, tokens, normed).reshape(height, width, channels)

    given = np.asarray(layer(x)[0].detach(), np.float64)
    np.testing.assert_allclose(np.moveaxis(given, 0, -1), wanted, atol=1e-4)


def test_default_model_has_the_papers_shapes_and_size() -> None:
    """Each part's shape at 224 x 224, 196 keys in both reduced attentions, and 9.0 M parameters."""
    torch.manual_seed(0)
    model = EncoderDecoder(ModelConfig()).eval()
    shapes: dict[str, list[int]] = {}

    def note(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: torch.Tensor) -> None:
            shapes[name] = list(output.shape[1:])

        return hook

    for name, module in cast("Iterator[tuple[str, nn.Module]]", model.named_modules()):
        module.register_forward_hook(note(name))
    with torch.inference_mode():
        y = model(torch.randn(1, 3, 224, 224))

    blocks = [shapes[f"blocks.{index}"] for index in range(3)]
    assert blocks == [[64, 112, 112], [128, 56, 56], [256, 28, 28]]
    assert [shapes[f"branches.{index}"] for index in range(3)] == blocks
    assert shapes["tokens"] == [512, 14, 14]
    assert shapes["transformer"] == [196, 512]
    assert [shapes[f"skips.{index}"] for index in range(2)] == blocks[:2]
    assert [shapes[f"skips.{index}.attention.norm"] for index in range(2)] == [[196, 64], [196, 128]]
    assert shapes["restore"] == [256, 14, 14]
    assert [shapes[f"up_blocks.{index}"] for index in range(4)] == [
        [128, 28, 28],
        [64, 56, 56],
        [32, 112, 112],
        [16, 224, 224],
    ]
    assert list(y.shape) == [1, 3, 224, 224]
    assert 0.0 < float(y.min()) < float(y.max()) < 1.0
    convolutions = [len(cast("ConvBlock", block).convs) for block in model.blocks]
    assert convolutions == [2, 2, 4]
    assert model.config.heads == 4
    assert model.config.skip_heads == (1, 2)
    assert parameter_count(model) == 9_032_803


@pytest.mark.parametrize("size", [32, 128, 208])
def test_any_image_size_that_16_divides(size: int) -> None:
    """The reconstruction has the input's size."""
    model = small_model(image_size=size)
    with torch.inference_mode():
        assert model(torch.randn(2, 3, size, size)).shape == (2, 3, size, size)


@pytest.mark.parametrize(
    "changes",
    [
        {"skips": "none"},
        {"skips": "plain"},
        {"pyramid": False},
        {"skip_residual": True},
        {"upsample": "bilinear"},
        {"depth": 3},
        {"token_size": 1},
        {"token_size": 4},
    ],
)
def test_each_choice_of_the_config_is_another_model(changes: dict[str, Any]) -> None:
    """Every field that the paper leaves open, and every ablation, changes what comes out."""
    x = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        usual, changed = small_model()(x), small_model(**changes)(x)
    assert changed.shape == usual.shape
    assert not torch.allclose(changed, usual, atol=1e-4)


def test_ablations_leave_parts_out() -> None:
    """Without skips or pyramid there are no weights for them."""
    names = {name.split(".")[0] for name, _ in small_model(skips="none", pyramid=False).named_parameters()}
    assert names == {"blocks", "tokens", "positions", "transformer", "restore", "up_blocks", "head"}
    assert not any(name.startswith("skips") for name, _ in small_model(skips="plain").named_parameters())


@pytest.mark.parametrize("frozen", [True, False])
def test_frozen_blocks_are_left_out_of_training(*, frozen: bool) -> None:
    """freeze_vgg keeps gradients from the convolution blocks and from nothing else."""
    model = small_model(freeze_vgg=frozen).train()
    model(torch.randn(1, 3, 32, 32)).mean().backward()
    without = {name for name, parameter in model.named_parameters() if parameter.grad is None}
    blocks = {name for name, _ in model.named_parameters() if name.startswith("blocks.")}
    assert without == (blocks if frozen else set())


def test_dropout_acts_in_training_alone() -> None:
    """The same image differs from run to run while training and never afterwards."""
    model = small_model()
    x = torch.randn(1, 3, 32, 32)
    assert torch.equal(model(x), model(x))
    model.train()
    assert not torch.equal(model(x), model(x))


def test_pyramid_starts_as_a_pass_for_the_blocks_channels() -> None:
    """Pre-trained features reach the next block unchanged: the image's part is added to them."""
    branch = small_model().branches[0]
    block, image = torch.rand(1, 8, 16, 16), torch.zeros(1, 3, 16, 16)
    torch.testing.assert_close(branch(block, image), block)


def test_a_config_survives_a_manifest() -> None:
    """To JSON and back it is the same, and a field that this version does not know is refused."""
    adapter = TypeAdapter(ModelConfig)
    config = ModelConfig(image_size=128, widths=(24, 48, 96), dim=192, skips="plain", upsample="bilinear")
    assert adapter.validate_json(adapter.dump_json(config)) == config
    with pytest.raises(ValidationError, match="colour"):
        adapter.validate_python({"colour": True})


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"image_size": 200}, "image_size 200"),
        ({"image_size": 16}, "image_size 16"),
        ({"dim": 510}, "dim 510"),
        ({"widths": (30, 64, 64)}, r"widths\[0\] 30"),
        ({"widths": (32, 65, 64)}, r"widths\[1\] 65"),
        ({"skip_heads": (0, 2)}, "0 heads"),
        ({"dropout": 1.0}, "dropout 1.0"),
    ],
)
def test_a_config_that_does_not_fit_together_is_refused(changes: dict[str, Any], named: str) -> None:
    """The error names the field and its value."""
    with pytest.raises(ValueError, match=named):
        ModelConfig(**changes)
