"""A certificate of our own making, for a server that was given none."""

from __future__ import annotations

import datetime as dt
import socket
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from flowexport_mgmt.credentials.folders import CredentialsError
from flowexport_mgmt.credentials.kept import KeptFile

_YEARS: Final = 10

_FILE: Final = KeptFile("credentials.self-signed")


def self_signed(path: Path) -> bytes:
    """Read a private key and its certificate from one PEM file, or make it where there is none.

    Raises:
        CredentialsError: it can be neither read nor made.
    """
    try:
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _FILE.write(path, _make())
        return path.read_bytes()
    except OSError as error:
        message = f"certificate {path.name}: {error.strerror}"
        raise CredentialsError("certificate", message) from error


def _make() -> bytes:
    from cryptography import x509  # noqa: PLC0415 - needed once in the life of a state folder
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - as above
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID  # noqa: PLC0415 - as above

    key = ec.generate_private_key(ec.SECP256R1())
    host = socket.gethostname()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64] or "flowexport")])
    names: list[x509.GeneralName] = [x509.DNSName("localhost")]
    if host and host.isascii() and host != "localhost":
        names.append(x509.DNSName(host))
    names += [x509.IPAddress(ip_address(text)) for text in ("127.0.0.1", "::1")]
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=365 * _YEARS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)
