"""The configuration of a station: what is read, and from where its paths are taken."""

import os
from pathlib import Path

import pytest
from pydantic import BaseModel
from station_files import write_station

from inspectd.agent.config import ClassSettings, LineSettings, RecordSettings, load_config
from inspectd.agent.errors import ConfigError
from inspectd.io.camera_settings import FolderCameraSettings, VideoCameraSettings


def test_relative_paths_are_taken_from_the_files_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bundle, record and images are found beside the file, wherever the agent is started."""
    config = write_station(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    settings = load_config(Path(os.path.relpath(config)))
    assert settings.classes[0].bundle == tmp_path / "bundles" / "buttons"
    assert settings.record.folder == tmp_path / "record"
    assert isinstance(settings.camera, FolderCameraSettings)
    assert settings.camera.path == tmp_path / "images"


def test_absolute_and_home_paths_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An absolute path is left alone, and ~ is the home of the user."""
    monkeypatch.setenv("HOME", "/home/operator")
    config = write_station(tmp_path, ("bundles/buttons", "/opt/buttons"), ("folder: record", "folder: ~/r"))
    settings = load_config(config)
    assert settings.classes[0].bundle == Path("/opt/buttons")
    assert settings.record.folder == Path("/home/operator/r")


@pytest.mark.parametrize("source", ["clips/run.mp4", "'0'", "/dev/video0", "rtsp://cam/stream"])
def test_only_a_video_file_is_a_path(source: str, tmp_path: Path) -> None:
    """A device or a stream is no file and stays as it was written."""
    config = write_station(tmp_path, ("kind: folder", "kind: video"), ("path: images", f"source: {source}"))
    camera = load_config(config).camera
    assert isinstance(camera, VideoCameraSettings)
    assert camera.source == (str(tmp_path / source) if source.endswith(".mp4") else source.strip("'"))


def test_paths_through_a_link_are_taken_from_the_linked_file(tmp_path: Path) -> None:
    """A linked configuration finds its bundle beside the file that it links to."""
    (tmp_path / "real").mkdir()
    config = write_station(tmp_path / "real")
    link = tmp_path / "linked.yaml"
    link.symlink_to(config)
    assert load_config(link).classes[0].bundle == tmp_path / "real" / "bundles" / "buttons"


def test_unknown_home_is_an_error_with_its_line(tmp_path: Path) -> None:
    """A ~name that is no user of this machine is told like any other mistake."""
    config = write_station(tmp_path, ("path: images", "path: ~nobody-of-this-name/images"))
    with pytest.raises(ConfigError, match=r"station.yaml:17: cameras.0.path: .*write the whole path"):
        load_config(config)


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    """Engine and rotation need not be written; the precision is explicit all the same."""
    settings = load_config(write_station(tmp_path))
    assert (settings.engine.name, settings.engine.precision) == ("openvino", "float32")
    assert settings.line.shadow is False
    assert settings.record.keep == 20


def test_settings_cannot_be_changed_afterwards(tmp_path: Path) -> None:
    """What was checked is what runs."""
    settings = load_config(write_station(tmp_path))
    with pytest.raises(ValueError, match="frozen"):
        settings.line.deadline_ms = 1.0  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("section", [LineSettings, ClassSettings, RecordSettings])
def test_every_key_says_what_it_means(section: type[BaseModel]) -> None:
    """Each key of the agent's own sections has a description: errors about missing keys quote it."""
    silent = [name for name, field in section.model_fields.items() if not field.description]
    assert silent == []
