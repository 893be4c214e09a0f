"""Who may read the OPC UA server: a file of users with hashed passwords that only its owner may read.

One line a user: `NAME:scrypt:N:R:P:SALT:HASH`, salt and hash in hexadecimal (RFC 7914).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from inspectd.io.errors import DeviceError

FILE_NAME = "users"
_N, _R, _P = 2**14, 8, 1
_SALT_BYTES, _HASH_BYTES = 16, 32
_LONGEST_PASSWORD = 256
SHORTEST_PASSWORD = 8
_FIELDS = 7
_OTHERS = 0o077


def set_user(folder: Path, name: str, password: str) -> Path:
    """Add a user or change a password; returns the file. Raises DeviceError if that cannot be."""
    if not name or ":" in name or not name.isprintable():
        raise DeviceError(f"user name {name!r}: take printable characters without a colon")
    if not SHORTEST_PASSWORD <= len(password) <= _LONGEST_PASSWORD:
        raise DeviceError(
            f"the password has {len(password)} characters; take {SHORTEST_PASSWORD} to {_LONGEST_PASSWORD}"
        )
    salt = secrets.token_bytes(_SALT_BYTES)
    line = f"{name}:scrypt:{_N}:{_R}:{_P}:{salt.hex()}:{_hash(password, salt, _N, _R, _P).hex()}"
    file = folder / FILE_NAME
    try:
        _make_folder(folder)
        others = [kept for kept in _lines(file) if kept.split(":")[0] != name] if file.exists() else []
        fresh = file.with_name(f"{FILE_NAME}.new")
        fresh.unlink(missing_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write("\n".join([*others, line]) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        _give_to_owner_of(folder, fresh)  # root may have called; the agent's user shall be able to read it
        fresh.replace(file)
    except OSError as error:
        raise DeviceError(f"{file}: {error.strerror}; call this as a user who may write there") from error
    return file


def check_users(folder: Path) -> str:
    """Say what is wrong with the file of users; empty if it can be used."""
    file = folder / FILE_NAME
    try:
        mode = file.stat().st_mode
        lines = _lines(file)
    except FileNotFoundError:
        return f"{file} is missing; make it with `inspectd opcua user`"
    except OSError as error:
        return f"{file}: {error.strerror}; make the agent's user its owner"
    if mode & _OTHERS:
        return f"{file} can be read by others; type: chmod 600 {file}"
    if not lines:
        return f"{file} holds no user; add one with `inspectd opcua user`"
    broken = [number for number, line in enumerate(lines, 1) if _parsed(line) is None]
    if broken:
        return f"{file}:{broken[0]}: is no user; remove the line and add the user with `inspectd opcua user`"
    return ""


def password_fits(folder: Path, name: str, password: str) -> bool:
    """Whether this user has this password. Takes about 50 ms, for an unknown user too."""
    if len(password) > _LONGEST_PASSWORD or check_users(folder):
        return False
    known = (_parsed(line) for line in _lines(folder / FILE_NAME) if line.split(":")[0] == name)
    salt, expected, n, r, p = next(known, None) or (b"", b"", _N, _R, _P)
    return hmac.compare_digest(_hash(password, salt, n, r, p), expected)


def _make_folder(folder: Path) -> None:
    if not folder.exists():
        folder.mkdir(parents=True, mode=0o755)
        _give_to_owner_of(folder.parent, folder)


def _give_to_owner_of(above: Path, below: Path) -> None:
    owner = above.stat()
    if owner.st_uid != below.stat().st_uid:
        os.chown(below, owner.st_uid, owner.st_gid)


def _lines(file: Path) -> list[str]:
    return [line for line in file.read_text().splitlines() if line.strip()]


def _parsed(line: str) -> tuple[bytes, bytes, int, int, int] | None:
    fields = line.split(":")
    if len(fields) != _FIELDS or fields[1] != "scrypt":
        return None
    try:
        n, r, p = map(int, fields[2:5])
        salt, expected = map(bytes.fromhex, fields[5:])
    except ValueError:
        return None
    # What another wrote must not make one login cost more memory than a line PC has.
    return (salt, expected, n, r, p) if (n, r, p) == (_N, _R, _P) and len(expected) == _HASH_BYTES else None


def _hash(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, dklen=_HASH_BYTES)
