"""The generative encoder-decoder of Mekhilef, Abbas and Hemam (2024); equations by the paper's numbers.

Shape comments give channels x height x width for the default configuration at 224 x 224.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from inspectd.inference.model_config import ModelConfig

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["EncoderDecoder", "ModelConfig", "parameter_count"]

CONVOLUTIONS = (2, 2, 4)
"""Convolutions in VGG19's blocks 1 to 3."""

HEAD_SCALE = 0.1


class ConvBlock(nn.Module):
    """VGG19 block: 3x3 convolutions with ReLU, then a 2x2 max pool. [N, c, H, W] -> [N, C, H/2, W/2]."""

    def __init__(self, channels_in: int, channels: int, count: int) -> None:
        super().__init__()
        widths = [channels_in] + [channels] * count
        self.convs = nn.ModuleList(
            nn.Conv2d(before, after, kernel_size=3, padding=1) for before, after in pairwise(widths)
        )

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = functional.relu(conv(x))
        return functional.max_pool2d(x, 2)


class PyramidBranch(nn.Module):
    """Joins the image at the block's scale to the block's output and projects back to C channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, channels, kernel_size=2)
        self.project = nn.Conv2d(2 * channels, channels, kernel_size=1)

    def forward(self, block: Tensor, image: Tensor) -> Tensor:
        """Fuse `block` [N, C, H, W] with `image` [N, 3, H, W], which is already average-pooled to H x W."""
        # A 2x2 window has no centre: one row and column below and to the right keep the size.
        features = functional.relu(self.conv(functional.pad(image, (0, 1, 0, 1))))
        return self.project(torch.cat((block, features), dim=1))


class Attention(nn.Module):
    """Multi-head attention, Eq. 1, of `x` [N, L, C] to `context` [N, M, C] -> [N, L, C]."""

    def __init__(self, channels: int, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.scale = (channels // heads) ** -0.5
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels)
        self.value = nn.Linear(channels, channels)
        self.out = nn.Linear(channels, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        q = self._split(self.query(x))  # N x heads x L x d
        k = self._split(
            self.key(context) * self.scale
        )  # N x heads x M x d; there are fewer keys than queries
        v = self._split(self.value(context))
        weights = self.dropout(torch.softmax(q @ k.transpose(-2, -1), dim=-1))  # N x heads x L x M
        return self.out((weights @ v).transpose(1, 2).flatten(2))

    def _split(self, tokens: Tensor) -> Tensor:
        return tokens.reshape(*tokens.shape[:-1], self.heads, -1).transpose(1, 2)


class SpatialReductionAttention(nn.Module):
    """Attention of every position of a map to the map reduced by R, Eq. 2 and 3. [N, C, H, W] -> the same."""

    def __init__(self, channels: int, heads: int, reduction: int) -> None:
        super().__init__()
        # Reshape to HW/R^2 x C R^2, then the projection W: together a convolution of size and stride R.
        self.reduce = nn.Conv2d(channels, channels, kernel_size=reduction, stride=reduction)
        self.norm = nn.LayerNorm(channels)
        self.attention = Attention(channels, heads)

    def forward(self, x: Tensor) -> Tensor:
        reduced = self.norm(to_tokens(self.reduce(x)))  # Eq. 2, Eq. 3: N x 196 x C
        return to_map(self.attention(to_tokens(x), reduced), x.shape[-1])


class SkipConnection(nn.Module):
    """Skip 1 or 2: attention with spatial reduction, 3x3 convolution, ReLU. [N, C, H, W] -> the same."""

    def __init__(self, channels: int, heads: int, reduction: int, *, residual: bool) -> None:
        super().__init__()
        self.residual = residual
        self.attention = SpatialReductionAttention(channels, heads, reduction)
        self.conv = nn.Conv2d(channels, channels, kernel_size=3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        attended = self.attention(x)
        return functional.relu(self.conv(x + attended if self.residual else attended))


class TransformerBlock(nn.Module):
    """The classic block, normalised before each sub-block. [N, L, D] -> [N, L, D]."""

    def __init__(self, dim: int, heads: int, mlp_ratio: int, dropout: float) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(dim)
        self.attention = Attention(dim, heads, dropout)
        self.norm_mlp = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(
            nn.Linear(dim, mlp_ratio * dim),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(mlp_ratio * dim, dim),
            nn.Dropout(dropout),
        )

    def forward(self, tokens: Tensor) -> Tensor:
        normed = self.norm_attention(tokens)
        tokens = tokens + self.attention(normed, normed)
        return tokens + self.mlp(self.norm_mlp(tokens))


class UpBlock(nn.Module):
    """Doubles a map, joins the skip and convolves. [N, c, H, W], [N, s, 2H, 2W] or None -> [N, C, 2H, 2W]."""

    def __init__(self, channels_in: int, channels_skip: int, channels: int, upsample: str) -> None:
        super().__init__()
        self.upsample = upsample
        self.conv = nn.Conv2d(channels_in + channels_skip, channels, kernel_size=3, padding=1)

    def forward(self, x: Tensor, skip: Tensor | None = None) -> Tensor:
        x = functional.interpolate(x, scale_factor=2.0, mode=self.upsample)
        if skip is not None:
            x = torch.cat((x, skip), dim=1)
        return functional.relu(self.conv(x))


class EncoderDecoder(nn.Module):
    """Reconstructs an image as if it were good: [N, 3, S, S] -> [N, 3, S, S] in (0, 1)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        first, second, third = config.widths
        widths = (3, *config.widths)
        self.blocks = nn.ModuleList(
            ConvBlock(before, after, count)
            for before, after, count in zip(widths[:-1], widths[1:], CONVOLUTIONS, strict=True)
        )
        self.branches = nn.ModuleList(PyramidBranch(width) for width in config.widths if config.pyramid)
        self.tokens = nn.Conv2d(third, config.dim, kernel_size=config.token_size, stride=config.token_size)
        self.positions = nn.Parameter(torch.zeros(1, config.token_grid**2, config.dim))
        self.transformer = nn.Sequential(
            *(
                TransformerBlock(config.dim, config.heads, config.mlp_ratio, config.dropout)
                for _ in range(config.depth)
            )
        )
        self.skips = nn.ModuleList(
            SkipConnection(width, heads, reduction, residual=config.skip_residual)
            for width, heads, reduction in zip(
                config.widths, config.skip_heads, config.reduction, strict=False
            )
            if config.skips == "attention"
        )
        joined = (0, 0, 0) if config.skips == "none" else config.widths
        self.restore = nn.Conv2d(config.dim, third, kernel_size=3, padding=1)
        self.up_blocks = nn.ModuleList(
            UpBlock(channels_in, channels_skip, channels, config.upsample)
            for channels_in, channels_skip, channels in (
                (third, joined[2], second),
                (second, joined[1], first),
                (first, joined[0], first // 2),
                (first // 2, 0, first // 4),
            )
        )
        self.head = nn.Conv2d(first // 4, 3, kernel_size=3, padding=1)
        self._initialise()
        if config.freeze_vgg:
            self.blocks.requires_grad_(requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruct `x` [N, 3, S, S], noisy and normalised by ImageNet's mean and spread."""
        maps = self.encode(x)
        return self.decode(self.embed(maps[2]), maps)

    def encode(self, x: Tensor) -> list[Tensor]:
        """Give the three blocks' maps for `x` [N, 3, S, S]: 64x112x112, 128x56x56, 256x28x28."""
        maps: list[Tensor] = []
        image = x
        for index, block in enumerate(self.blocks):
            x = block(x)
            if self.config.pyramid:
                image = functional.avg_pool2d(image, 2)
                x = self.branches[index](x, image)
            maps.append(x)
        return maps

    def embed(self, x: Tensor) -> Tensor:
        """Relate the tokens of the third map, 256x28x28, to each other: 512x14x14."""
        tokens = to_tokens(self.tokens(x)) + self.positions  # N x 196 x 512
        return to_map(self.transformer(tokens), self.config.token_grid)

    def decode(self, x: Tensor, maps: list[Tensor]) -> Tensor:
        """Build the image from the tokens' map, 512x14x14, and the blocks' maps: 3x224x224 in (0, 1)."""
        joined: list[Tensor | None] = [None, None, None, None]
        if self.config.skips != "none":
            joined = [maps[2], maps[1], maps[0], None]
        for index, skip in enumerate(self.skips):
            joined[2 - index] = skip(maps[index])
        x = functional.relu(self.restore(x))  # 256x14x14
        if self.config.token_size != 2:  # noqa: PLR2004  at P = 2 the first doubling already fits the third map
            x = functional.interpolate(x, size=(maps[2].shape[-1] // 2,) * 2, mode=self.config.upsample)
        for up_block, skip in zip(self.up_blocks, joined, strict=True):
            x = up_block(x, skip)  # 128x28x28, 64x56x56, 32x112x112, 16x224x224
        return torch.sigmoid(self.head(x))

    def _initialise(self) -> None:
        """Set the weights a training without pre-trained ones starts from."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):  # He's, for layers followed by ReLU
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(cast("Tensor", module.bias))
            elif isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
        nn.init.trunc_normal_(self.positions, std=0.02)
        with torch.no_grad():
            # Begin near grey: a head of full size makes first steps so large that narrow layers of ReLU die
            # (measured: with 24, 48, 96 channels the network stayed a constant, loss 0.37 after 120 steps; so
            # begun, 0.11 after 80).
            self.head.weight.mul_(HEAD_SCALE)
        for branch in cast("Iterable[PyramidBranch]", self.branches):
            # The block's channels pass unchanged at first: the next block meets what it was trained on.
            channels = branch.conv.out_channels
            with torch.no_grad():
                branch.project.weight[:, :channels, 0, 0] = torch.eye(channels)


def to_tokens(x: Tensor) -> Tensor:
    """[N, C, H, W] -> [N, HW, C]."""
    return x.flatten(2).transpose(1, 2)


def to_map(tokens: Tensor, width: int) -> Tensor:
    """[N, HW, C] -> [N, C, H, W] for W = `width`."""
    return tokens.transpose(1, 2).reshape(tokens.shape[0], tokens.shape[2], -1, width)


def parameter_count(model: nn.Module) -> int:
    """Give the number of weights, frozen ones included."""
    return sum(parameter.numel() for parameter in model.parameters())
