"""`inspectd opcua user`."""

import io
from pathlib import Path

import pytest
from command import Inspectd
from station_files import STATION, write_station

from inspectd.io.opcua_users import password_fits

SERVER = "outputs:\n  - {kind: opcua, host: 127.0.0.1, folder: opcua}\n"


def type_in(patch: pytest.MonkeyPatch, text: str) -> None:
    patch.setattr("sys.stdin", io.StringIO(text))


def test_user_is_written_where_the_station_looks(
    tmp_path: Path, inspectd: Inspectd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a pipe; the password stands nowhere in what is printed."""
    config = write_station(tmp_path, text=STATION + SERVER)
    type_in(monkeypatch, "a good password\n")
    done = inspectd("opcua", "user", config, "anna")
    assert (done.status, done.err) == (0, "")
    assert str(tmp_path / "opcua" / "users") in done.out
    assert "good" not in done.out
    assert password_fits(tmp_path / "opcua", "anna", "a good password")


def test_what_cannot_be_is_refused(
    tmp_path: Path, inspectd: Inspectd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password too short, and a station without such a server."""
    type_in(monkeypatch, "short\n")
    config = write_station(tmp_path, text=STATION + SERVER)
    assert inspectd("opcua", "user", config, "anna").refuses(1, "8 to 256")
    config = write_station(tmp_path)
    assert inspectd("opcua", "user", config, "anna").refuses(1, "has no output of kind opcua")


def test_two_passwords_that_differ_change_nothing(
    tmp_path: Path, inspectd: Inspectd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal it is asked for twice."""
    answers = iter(["a good password", "a good pasword", "a good password", "a good password"])

    def answer(_prompt: str) -> str:
        return next(answers)

    monkeypatch.setattr("getpass.getpass", answer)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    config = write_station(tmp_path, text=STATION + SERVER)
    assert inspectd("opcua", "user", config, "anna").refuses(1, "differ")
    assert not (tmp_path / "opcua").exists()
    assert inspectd("opcua", "user", config, "anna").status == 0
    assert password_fits(tmp_path / "opcua", "anna", "a good password")
