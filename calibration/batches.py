"""What a step trains on. Every random number follows from seed, position and the step's generator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from inspectd.calibration.synthetic import add_defects

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from inspectd.calibration.settings import Recipe


class Batches:
    """Composes batches from good images, uint8 [N, S, S, 3]: each once an epoch, in an order of its own."""

    def __init__(self, images: NDArray[np.uint8], recipe: Recipe, seed: int) -> None:
        self._images = images
        self._recipe = recipe
        self._seed = seed

    def compose(self, first: int, size: int, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Return clean images and those to be repaired, both float32 [size, 3, S, S] in [0, 1].

        `first` is how many images training has used before: epochs are counted in images, so that another
        batch size goes on where the one before was. `generator` is the step's.
        """
        count = len(self._images)
        clean = np.empty((size, *self._images.shape[1:]), np.float32)
        for slot, position in enumerate(range(first, first + size)):
            epoch, index = divmod(position, count)
            order = np.random.default_rng((self._seed, epoch)).permutation(count)
            clean[slot] = self._images[order[index]]
        clean /= 255
        if self._recipe.gain:
            gains = generator.uniform(1 - self._recipe.gain, 1 + self._recipe.gain, (size, 1, 1, 1))
            clean = np.minimum(clean * gains.astype(np.float32), np.float32(1))
        corrupted = np.array(clean, np.float32)
        for slot in range(size):
            if generator.random() < self._recipe.synthetic:
                corrupted[slot] = add_defects(clean[slot], generator)
        return to_tensor(clean), to_tensor(corrupted)


def to_tensor(images: NDArray[np.float32]) -> Tensor:
    """float32 [N, S, S, 3] -> [N, 3, S, S], in the memory order in which convolutions are quickest here."""
    return torch.from_numpy(images).permute(0, 3, 1, 2)
