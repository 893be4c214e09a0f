"""The file of users: hashed, for its owner's eyes, and refused when it is not."""

import os
import stat
from pathlib import Path

import pytest

from inspectd.io.errors import DeviceError
from inspectd.io.opcua_users import FILE_NAME, check_users, password_fits, set_user


def test_user_with_the_right_password_is_known(tmp_path: Path) -> None:
    """Each with their own, and with the newest; nothing of it can be read from the file."""
    folder = tmp_path / "opcua"
    set_user(folder, "anna", "first word")
    set_user(folder, "bert", "second word")
    file = set_user(folder, "anna", "third word")
    assert password_fits(folder, "anna", "third word")
    assert password_fits(folder, "bert", "second word")
    assert not password_fits(folder, "anna", "first word")
    assert not password_fits(folder, "bert", "third word")
    assert not password_fits(folder, "carl", "third word")
    assert not password_fits(folder, "anna", "")
    assert not password_fits(folder, "anna", "third word" * 100)
    assert len(file.read_text().splitlines()) == 2
    assert "word" not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert check_users(folder) == ""


@pytest.mark.parametrize("name", ["", "a:b", "a\nb"])
def test_name_that_would_break_the_file_is_refused(name: str, tmp_path: Path) -> None:
    """A colon or a line's end would make another user of it."""
    with pytest.raises(DeviceError, match="user name"):
        set_user(tmp_path, name, "long enough")
    assert not (tmp_path / FILE_NAME).exists()


@pytest.mark.parametrize("password", ["", "1234567", "x" * 257])
def test_password_too_short_or_too_long_is_refused(password: str, tmp_path: Path) -> None:
    """Eight characters at least."""
    with pytest.raises(DeviceError, match="8 to 256"):
        set_user(tmp_path, "anna", password)


def test_file_that_cannot_be_trusted_lets_nobody_in(tmp_path: Path) -> None:
    """Missing, empty, readable by others, or with a line that is no user: the remedy is told."""
    assert "missing" in check_users(tmp_path)
    file = set_user(tmp_path, "anna", "long enough")
    good = file.read_text()
    file.chmod(0o644)
    assert "chmod 600" in check_users(tmp_path)
    assert not password_fits(tmp_path, "anna", "long enough")
    file.chmod(0o600)
    for text, told in (
        ("", "holds no user"),
        (f"{good}bert:plain\n", f"{FILE_NAME}:2"),
        (good.replace("16384", "1073741824"), f"{FILE_NAME}:1"),
        (good.rsplit(":", 1)[0] + ":\n", f"{FILE_NAME}:1"),
    ):
        file.write_text(text)
        assert told in check_users(tmp_path)
        assert not password_fits(tmp_path, "anna", "long enough")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_root_makes_the_file_for_the_folders_owner(tmp_path: Path) -> None:
    """The agent's user shall read what root has written in its folder."""
    os.chown(tmp_path, 65534, 65534)
    assert set_user(tmp_path / "opcua", "anna", "long enough").stat().st_uid == 65534
