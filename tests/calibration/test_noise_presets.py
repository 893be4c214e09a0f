"""The paper's noise rates: all 16 are there, each with where it stands, and a class finds its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.noise_presets import load_presets, named_preset, preset_of

# Copied by hand from section 4B, apart from the file.
PAPER = {
    "bottle": 0.1,
    "cable": 0.25,
    "capsule": 0.2,
    "hazelnut": 0.2,
    "metal_nut": 0.3,
    "pill": 0.09,
    "screw": 0.2,
    "toothbrush": 0.3,
    "transistor": 0.3,
    "zipper": 0.1,
    "carpet": 0.4,
    "grid": 0.16,
    "leather": 0.1,
    "tile": 0.11,
    "wood": 0.09,
    "button": 0.09,
}


def test_all_classes_of_the_paper_are_there() -> None:
    """The number, and where it stands with the number as the paper prints it."""
    presets = load_presets()
    assert {name: preset.sigma for name, preset in presets.items()} == PAPER
    for name, preset in presets.items():
        assert preset.class_name == name
        assert preset.source.startswith(f"section 4B: {preset.sigma:g} for '")
        assert preset.source.endswith(f"{name.replace('_', ' ')}'")


@pytest.mark.parametrize("name", ["metal_nut", "Metal nut", "metal-nut", " METAL  NUT "])
def test_a_class_is_found_however_it_is_spelt(name: str) -> None:
    """Folders are called `metal_nut`, people write "Metal nut"."""
    preset = preset_of(name)
    assert preset is not None
    assert preset.sigma == 0.3


def test_a_class_that_the_paper_does_not_have_has_no_preset() -> None:
    """Nothing is guessed from a similar name; asked for by name, it is an error that lists what there is."""
    assert preset_of("screws") is None
    with pytest.raises(CalibrationError, match=r"screws: .*bottle, .*, screw, "):
        named_preset("screws")


@pytest.mark.parametrize(
    "content",
    ["classes: {bottle: {sigma: 2.0, source: x}}", "classes: [", "{}", "classes: {a: {sigma: 0.1}}"],
)
def test_a_damaged_file_is_refused(tmp_path: Path, content: str) -> None:
    """A rate out of range, or one of which nobody knows where it comes from, never reaches a training."""
    file = tmp_path / "presets.yaml"
    file.write_text(content)
    with pytest.raises(CalibrationError, match=r"presets\.yaml: cannot be read"):
        load_presets(file)
