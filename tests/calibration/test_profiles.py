"""The profiles: `paper` is section 4B of the paper; the others fit what they are for."""

from __future__ import annotations

from pathlib import Path

import pytest

from inspectd.calibration.data import split_good
from inspectd.calibration.settings import PROFILES, TrainSettings


def test_paper_is_the_paper_s_training() -> None:
    """224 px, Adam at 1e-4, batches of 8, dropout 0.25, 2000 epochs, early stopping from 800 by 300."""
    paper = PROFILES["paper"]
    assert (paper.image_size, paper.widths, paper.dim) == (224, (64, 128, 256), 512)
    assert (paper.learning_rate, paper.decay, paper.batch, paper.dropout) == (1e-4, False, 8, 0.25)
    assert (paper.epochs, paper.stop_after_epochs, paper.patience_epochs) == (2000, 800, 300)
    assert (paper.minutes, paper.average, paper.synthetic, paper.gain) == (None, False, 0.0, 0.0)
    assert (paper.skips, paper.pyramid, paper.borders, paper.test_noise) == ("attention", True, True, 1.0)
    network = paper.network()
    assert (network.heads, network.skip_heads, network.reduction) == (4, (1, 2), (8, 4))


def test_four_fifths_of_the_images_are_trained_with() -> None:
    """80/20, and of the 20 a part stops the training and the rest is for the threshold."""
    split = split_good(300, seed=0)
    assert (len(split.train), len(split.stopping), len(split.threshold)) == (240, 15, 45)


@pytest.mark.parametrize(("profile", "most"), [("quick", 8.0), ("standard", 8.0)])
def test_short_profiles_leave_time_for_the_bundle(profile: str, most: float) -> None:
    """Ten minutes with everything, at 224 px."""
    minutes = PROFILES[profile].minutes
    assert minutes is not None
    assert minutes <= most
    assert PROFILES[profile].image_size == 224


def test_a_class_is_named_after_its_data(tmp_path: Path) -> None:
    """The folder's name, or the list's without its suffix, as for a noise study; unless another is given."""
    (tmp_path / "screw.csv").touch()
    for data, given, name in (("disk", None, "disk"), ("screw.csv", None, "screw"), ("disk", "ring", "ring")):
        own = {"data": tmp_path / data, "out": tmp_path / "b", "class_name": given}
        assert TrainSettings.model_validate(own).product_class == name


def test_every_profile_can_be_asked_for(tmp_path: Path) -> None:
    """The table and the settings name the same ones; a value of its own goes before the profile's."""
    for name, profile in PROFILES.items():
        own = TrainSettings.model_validate({"data": tmp_path, "out": tmp_path / "b", "profile": name})
        assert own.recipe() == profile
        changed = own.model_copy(update={"epochs": 3, "skips": "none", "pyramid": False}).recipe()
        assert changed == profile.model_copy(update={"epochs": 3, "skips": "none", "pyramid": False})
        assert changed.network().skips == "none"
        assert not changed.network().pyramid
