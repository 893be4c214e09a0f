"""`inspectd model`: install, list, rollback as a technician types them, and what they refuse."""

import json
import shutil
from pathlib import Path

import pytest
from command import ROOT, Inspectd
from station_files import write_station

from inspectd.agent.cli import adjust, model
from inspectd.inference.bundle import adjust_limits, load_bundle
from inspectd.inference.manifest import Limits
from inspectd.inference.model_store import ModelStore

BUNDLE = ROOT / "configs" / "bundles" / "buttons"
KEY = "float32/openvino/float32"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def provisional(tmp_path: Path) -> Path:
    """The shipped bundle with half its threshold, provisional."""
    folder = Path(shutil.copytree(BUNDLE, tmp_path / "provisional"))
    limits = load_bundle(folder).decision.limits[KEY]
    changed = Limits(threshold=limits.threshold / 2, low_limit=limits.low_limit)
    adjust_limits(folder, {KEY: changed}, how="by hand", why="test", by="me", provisional="12 parts are few")
    return folder


def without_golden_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    def pass_over(_store: ModelStore, _folder: Path) -> None:
        """Test nothing."""

    monkeypatch.setattr(ModelStore, "_test", pass_over)


def test_from_install_to_rollback(inspectd: Inspectd, models: Path, provisional: Path) -> None:
    """Each says what is in force now, what the limits were before, and what a station's file needs."""
    first = inspectd("model", "install", BUNDLE, "--models", models, "--why", "new camera", "--by", "anna")
    assert first.status == 0, first.err
    assert first.out.startswith("buttons: version 1 in force (before: none)\n")
    assert f"`bundle: {models}/buttons/current`" in first.out
    assert "golden frames on openvino float32" in first.err
    second = inspectd("model", "install", provisional, "--models", models)
    limits = load_bundle(BUNDLE).decision.limits[KEY]
    assert f"threshold: {limits.threshold / 2:.6g}  (before: {limits.threshold:.6g})" in second.out
    assert "PROVISIONAL: 12 parts are few" in second.out
    listed = inspectd("model", "list", "--models", models)
    assert listed.status == 0
    assert "\n    1  bundle " in listed.out
    assert "\n  * 2  bundle " in listed.out
    assert "install 1 by anna: new camera" in listed.out
    assert "PROVISIONAL: 12 parts are few" in listed.out
    back = inspectd("model", "rollback", "buttons", "--models", models, "--why", "missed chips")
    assert back.out.startswith("buttons: version 1 in force (before: 2)\n")
    last = inspectd("model", "rollback", "buttons", "--models", models)
    assert last.refuses(1, "no version was in force before. Name one with --to, or install.")


def test_reports_as_json(
    inspectd: Inspectd, models: Path, provisional: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One object each, with what a program needs to go on."""
    without_golden_frames(monkeypatch)
    report = inspectd("model", "install", provisional, "--models", models, "--json").report
    bundle = load_bundle(provisional)
    assert (report["class"], report["version"], report["before"], report["changed"]) == (
        "buttons",
        1,
        0,
        True,
    )
    assert (report["bundle_id"], report["decision_id"]) == (bundle.bundle_id, bundle.decision_id)
    assert report["provisional"] == "12 parts are few"
    assert report["limits"][KEY]["threshold"] == bundle.decision.limits[KEY].threshold
    again = inspectd("model", "install", provisional, "--models", models, "--json").report
    assert (again["version"], again["changed"]) == (1, False)
    (entry,) = inspectd("model", "list", "--models", models, "--json").report["classes"]
    assert (entry["class"], entry["in_force"], entry["warnings"]) == ("buttons", 1, [])
    assert entry["versions"][0]["decision_version"] == bundle.decision.version
    assert [change["action"] for change in entry["history"]] == ["install"]
    inspectd("model", "install", BUNDLE, "--models", models)
    back = inspectd("model", "rollback", "buttons", "--models", models, "--json").report
    assert (back["version"], back["before"]) == (1, 2)


def test_list_tells_what_is_wrong(
    inspectd: Inspectd, models: Path, provisional: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A damaged version, one in force that is damaged (exit status 1), and a switch that was cut off."""
    without_golden_frames(monkeypatch)
    for bundle in (BUNDLE, provisional):
        inspectd("model", "install", bundle, "--models", models)
    (models / "buttons" / "1" / "float32.onnx").write_bytes(b"")
    done = inspectd("model", "list", "--models", models)
    assert done.status == 0
    assert "    1  DAMAGED: " in done.out
    (models / "buttons" / "current").unlink()
    (models / "buttons" / "current").symlink_to("1")
    done = inspectd("model", "list", "--models", models)
    assert done.status == 1
    assert "warning: the switch to version 2 was cut off" in done.out
    (models / "buttons" / "current").unlink()
    report = json.loads(inspectd("model", "list", "--models", models, "--json").out)
    assert report["ok"] is False
    assert "no version is in force; run `inspectd model rollback buttons --to VERSION`" in str(report)


def test_nothing_installed(inspectd: Inspectd, models: Path) -> None:
    done = inspectd("model", "list", "--models", models)
    assert (done.status, done.out) == (0, f"models folder {models}: nothing is installed\n")
    assert inspectd("model", "rollback", "buttons", "--models", models).refuses(
        1, f"{models}/buttons: no such class. Installed: none."
    )
    assert not models.exists()


def test_what_is_refused(inspectd: Inspectd, models: Path, tmp_path: Path) -> None:
    """One message each, with its remedy; wrong options end with exit status 2."""
    assert inspectd("model", "install", tmp_path / "no", "--models", models).refuses(
        1, "no such bundle folder"
    )
    exotic = inspectd("model", "install", BUNDLE, "--class", "../up", "--models", models)
    assert exotic.refuses(1, "class '../up'", "Give it such a name with --class")
    half = inspectd("model", "install", BUNDLE, "--precision", "half", "--models", models)
    assert half.refuses(2, "--precision: must be 'float32' or 'bfloat16', is the text 'half'")
    other = inspectd("model", "install", BUNDLE, "--runtime", "onnx", "--models", models)
    assert other.refuses(2, "--runtime: must be 'openvino' or 'torch', is the text 'onnx'")
    config = write_station(tmp_path)
    both = inspectd("model", "install", BUNDLE, "--station", config, "--runtime", "torch", "--models", models)
    assert both.refuses(2, "--station names runtime and precision")
    assert not models.exists()


def test_the_stations_runtime_is_tested(
    inspectd: Inspectd, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its limits are looked for at least: a bundle without them is not for this station."""
    asked: list[str] = []

    def ask(store: ModelStore, _folder: Path) -> None:
        asked.append(f"{store._runtime.name} {store._runtime.precision}")  # pyright: ignore[reportPrivateUsage]

    monkeypatch.setattr(ModelStore, "_test", ask)
    engine = "engine:\n  precision: bfloat16\nrecord:"
    config = write_station(tmp_path, ("record:", engine))
    inspectd("model", "install", BUNDLE, "--station", config, "--models", models)
    assert asked == ["openvino bfloat16"]


@pytest.mark.parametrize(
    ("uid", "data", "folder"),
    [
        (0, "/somewhere", Path("/var/lib/inspectd/models")),
        (1000, "", Path.home() / ".local/share/inspectd/models"),
        (1000, "/somewhere", Path("/somewhere/inspectd/models")),
        (1000, "relative", Path.home() / ".local/share/inspectd/models"),
    ],
)
def test_the_models_folder(uid: int, data: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root's is where the stations of systemd find it; that of a user needs no right."""
    monkeypatch.setattr(model.os, "geteuid", lambda: uid)
    monkeypatch.setenv("XDG_DATA_HOME", data)
    assert model.models_folder(None) == folder
    assert model.models_folder(Path("here")) == Path("here")


def test_history_and_decision_name_who_called_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root alone says nothing in an audit; nobody else can put on another's name."""
    monkeypatch.setattr(adjust.os, "geteuid", lambda: 0)
    monkeypatch.setenv("SUDO_USER", "anna")
    assert adjust.login_user() == "anna"
    monkeypatch.setattr(adjust.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(adjust.getpass, "getuser", lambda: "ben")
    assert adjust.login_user() == "ben"


def test_check_takes_the_version_in_force(
    inspectd: Inspectd, models: Path, provisional: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A station names the folder's link; that its decision is provisional is a warning, no error."""
    without_golden_frames(monkeypatch)
    (tmp_path / "images").mkdir()
    config = write_station(tmp_path, ("bundles/buttons", "models/buttons/current"))
    assert inspectd("check", config).status == 1
    inspectd("model", "install", BUNDLE, "--models", models)
    assert inspectd("check", config, "--json").report["warnings"] == []
    inspectd("model", "install", provisional, "--models", models)
    report = inspectd("check", config, "--json").report
    (warning,) = report["warnings"]
    assert (
        "classes.0.bundle: the decision is provisional: 12 parts are few; the station shows Degraded"
        in warning
    )
    assert report["ok"]
