"""One training without a bundle, as folds and the search for a noise rate use it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import disk

from inspectd.calibration.fit import Fitted, fit
from inspectd.calibration.settings import Recipe
from inspectd.calibration.trainer import CHECK_STEPS
from inspectd.inference.model import EncoderDecoder

RECIPE = Recipe(
    image_size=32, widths=(8, 8, 8), dim=16, batch=4, epochs=30, learning_rate=1e-3, sigma=0.1, decay=False
)
IMAGES = np.stack([disk(seed)[8:40, 8:40] for seed in range(14)])


def run(**options: object) -> Fitted:
    return fit(RECIPE, IMAGES[:12], IMAGES[12:], 3, "none", **options)  # pyright: ignore[reportArgumentType]


def enough(_step: int, _model: EncoderDecoder) -> bool:
    """End a training at the first look."""
    return True


def test_looking_at_the_weights_changes_nothing() -> None:
    """A look is given every CHECK_STEPS steps a model ready to score with; the training stays the same."""
    seen: list[tuple[int, bool]] = []

    def look(step: int, model: EncoderDecoder) -> bool:
        seen.append((step, model.training))
        return False

    looked_at, alone = run(look=look), run()
    assert seen == [(CHECK_STEPS, False), (2 * CHECK_STEPS, False)]
    assert looked_at.trainer.losses == alone.trainer.losses
    for name, tensor in alone.model.state_dict().items():
        assert torch.equal(looked_at.model.state_dict()[name], tensor)


def test_a_look_ends_a_poor_training() -> None:
    """True ends it at that very step; the model holds the best weights until then."""
    stopped = run(look=enough)
    assert stopped.trainer.step == CHECK_STEPS
    assert not stopped.model.training


def test_what_it_began_with_is_told(tmp_path: Path) -> None:
    """Also where nothing was loaded."""
    assert run(look=enough).weights.loaded == ()
    with pytest.raises(Exception, match="widths"):
        fit(RECIPE, IMAGES[:12], IMAGES[12:], 3, tmp_path / "vgg19.safetensors")
