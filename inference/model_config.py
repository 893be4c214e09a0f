"""The model's configuration, apart from the model so that a line PC without torch can read a manifest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import ConfigDict

VGG19_WIDTHS = (64, 128, 256)
SMALLEST_IMAGE = 32


@dataclass(frozen=True)
class ModelConfig:
    """Shape of the encoder-decoder; the defaults are the paper's values, or a reading where it is silent.

    Raises ValueError where the fields do not fit together.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")  # where it is read from a manifest

    image_size: int = 224
    """S, px; the input is [N, 3, S, S]; divisible by 8 x token_size and by 2 x and 4 x the reductions."""
    widths: tuple[int, int, int] = VGG19_WIDTHS
    """Channels of the three convolution blocks. Pre-trained weights fit the defaults alone."""
    dim: int = 512
    """D, the length of a token's vector."""
    depth: int = 1
    """Transformer blocks."""
    heads: int = 4
    """Attention heads of a transformer block."""
    token_size: int = 2
    """P: a token covers P x P positions of the third block's map."""
    mlp_ratio: int = 4
    """Hidden width of a transformer block's MLP, in units of dim."""
    dropout: float = 0.25
    """In the MLP and the attention of the transformer blocks, while training."""
    skip_heads: tuple[int, int] = (1, 2)
    """Attention heads of skip 1 and skip 2."""
    reduction: tuple[int, int] = (8, 4)
    """R of Eq. 2 for skip 1 and skip 2."""
    skips: Literal["attention", "plain", "none"] = "attention"
    """The ablation of the skip connections: as in the paper, plain ones throughout, or none at all."""
    skip_residual: bool = False
    """Add the block's map to the attention's output before the convolution; the paper shows no such path."""
    pyramid: bool = True
    """Join a reduced image to each block's output (the ablation takes it away)."""
    upsample: Literal["nearest", "bilinear"] = "nearest"
    """How the decoder doubles a map."""
    freeze_vgg: bool = False
    """Leave the convolution blocks as they were loaded while the rest is trained."""

    def __post_init__(self) -> None:
        """Check that the parts fit together."""
        if self.image_size < SMALLEST_IMAGE:
            raise ValueError(f"image_size {self.image_size} is too small: at least {SMALLEST_IMAGE}")
        steps = {8 * self.token_size, 2 * self.reduction[0], 4 * self.reduction[1]}
        for step in sorted(steps):
            if self.image_size % step:
                raise ValueError(f"image_size {self.image_size} is not a multiple of {step}")
        for name, width, heads in (
            ("dim", self.dim, self.heads),
            ("widths[0]", self.widths[0], self.skip_heads[0]),
            ("widths[1]", self.widths[1], self.skip_heads[1]),
        ):
            if heads < 1 or width < 1 or width % heads:
                raise ValueError(f"{name} {width} is not a multiple of its {heads} heads")
        if self.widths[0] % 4:
            raise ValueError(
                f"widths[0] {self.widths[0]} is not a multiple of 4 (the decoder ends at a quarter)"
            )
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"dropout {self.dropout} is not in [0, 1)")

    @property
    def token_grid(self) -> int:
        """Tokens along one side: S / (8 P)."""
        return self.image_size // (8 * self.token_size)
