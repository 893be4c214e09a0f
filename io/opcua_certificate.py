"""The OPC UA server's own certificate: self-signed, made at the first start, kept since clients trust it."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import socket
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from inspectd.io.errors import DeviceError

CERTIFICATE, KEY = "certificate.der", "key.pem"
_KEY_BITS = 2048  # the shortest that Basic256Sha256 takes, and what every client takes
_YEARS = 20  # a line PC runs for long, and nobody thinks of a certificate at night
_EARLIER = dt.timedelta(days=1)  # clocks of line PCs differ


def own_certificate(folder: Path, uri: str, host: str) -> tuple[Path, Path]:
    """Give certificate and private key, made if there are none. Raises DeviceError if that cannot be.

    `uri` is the application's, `host` the address that clients will use; both stand in the certificate. What
    is there is never made anew: clients have been told to trust it. Put your own in its place if you like.
    """
    certificate, key = folder / CERTIFICATE, folder / KEY
    try:
        if not (certificate.exists() and key.exists()):
            folder.mkdir(parents=True, exist_ok=True)
            _make(certificate, key, uri, host)
    except OSError as error:
        raise DeviceError(
            f"{folder}: the certificate cannot be made: {error.strerror}; let the agent's user write there"
        ) from error
    return certificate, key


def _make(certificate: Path, key: Path, uri: str, host: str) -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "inspectd")])
    now = dt.datetime.now(dt.timezone.utc)
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=True,
        data_encipherment=True,
        key_agreement=False,
        key_cert_sign=True,  # it is its own authority
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLIER)
        .not_valid_after(now + dt.timedelta(days=365 * _YEARS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName(_names(uri, host)), critical=False)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(private, hashes.SHA256())
    )
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(key, pem, 0o600)
    _write(certificate, made.public_bytes(serialization.Encoding.DER), 0o644)


def _names(uri: str, host: str) -> list[x509.GeneralName]:
    names: list[x509.GeneralName] = [
        x509.UniformResourceIdentifier(uri),
        x509.DNSName(socket.gethostname()),
    ]
    try:
        names.append(x509.IPAddress(ipaddress.ip_address(host)))
    except ValueError:
        names.append(x509.DNSName(host))
    return names


def _write(path: Path, data: bytes, mode: int) -> None:
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(path)
