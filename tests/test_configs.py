"""Every example of a line loads, keeps every rule, and runs the bundle that is shipped with it."""

from pathlib import Path

import pytest

from inspectd.agent.checks import find_problems, load_checked
from inspectd.inference.bundle import load_bundle
from inspectd.io.camera_settings import SimulatedCameraSettings

CONFIGS = Path(__file__).parent.parent / "configs"
PRESETS = "noise-presets"
"""No station: tests/calibration/test_noise_presets.py."""
EXAMPLES = sorted(path for path in CONFIGS.glob("*.yaml") if path.stem != PRESETS)
REPORTS_ONLY = {"rtsp-report-only"}


def test_examples_are_there() -> None:
    """One for each way to connect a camera or a PLC, the demonstration, and a station with other outputs."""
    names = {path.stem for path in EXAMPLES}
    cameras = {"usb-camera", "folder-replay", "rtsp-report-only", "free-running"}
    assert names == cameras | {"demo", "outputs", "modbus-server", "modbus-rtu"}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_keeps_every_rule(path: Path) -> None:
    """What a user begins with is right; only a source that can never accept carries a warning."""
    settings = load_checked(path)
    assert settings.name == path.stem
    assert bool(find_problems(settings)) == (path.stem in REPORTS_ONLY)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_names_the_shipped_bundle(path: Path) -> None:
    """The bundle beside the examples loads, with limits for the example's runtime and precision."""
    settings = load_checked(path)
    for entry in settings.classes:
        assert entry.bundle == CONFIGS / "bundles" / "buttons"
        limits = load_bundle(entry.bundle).limits(settings.engine.name, settings.engine.precision)
        assert limits.low_limit < limits.threshold


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_explains_itself(path: Path) -> None:
    """Each begins with what it is for."""
    assert path.read_text().startswith("# ")


def test_demonstration_shows_frames_of_the_bundles_size() -> None:
    """Frames of another size than at calibration would all be UNKNOWN/33."""
    settings = load_checked(CONFIGS / "demo.yaml")
    camera = settings.camera
    assert isinstance(camera, SimulatedCameraSettings)
    manifest = load_bundle(settings.classes[0].bundle).manifest
    assert manifest.preparation.camera_size == (camera.size, camera.size)
