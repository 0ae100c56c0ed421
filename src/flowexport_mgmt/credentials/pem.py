"""The content of PEM files, for a library of TLS that takes octets and reads no files."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from flowexport_mgmt.credentials.contexts import TlsFiles, load_authorities, load_own
from flowexport_mgmt.credentials.folders import KeyFolders, unreadable
from flowexport_mgmt.credentials.self_signed import self_signed


@dataclass(frozen=True, slots=True)
class Pem:
    """What a server needs: ``ca`` is empty where clients are not asked for a certificate."""

    certificate: bytes
    private_key: bytes
    ca: bytes = b""

    @property
    def expiry(self) -> datetime | None:
        """When the certificate expires; one that only TLS can read does not tell."""
        try:
            return x509.load_pem_x509_certificates(self.certificate)[0].not_valid_after_utc
        except ValueError:
            return None


def read_pem(files: TlsFiles, folders: KeyFolders, own: Path) -> Pem:
    """Read what a configuration names, or without a certificate our own at ``own``.

    Raises:
        CredentialsError: a file is missing, cannot be read, or does not hold what it should.
    """
    probe = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca = b""
    if files.ca is not None:
        path = folders.find("ca", files.ca)
        load_authorities(probe, path)
        ca = _read("ca", path)
    if files.certificate is None:
        pair = self_signed(own)
        return Pem(pair, pair, ca)
    load_own(probe, files.certificate, files.private_key, folders)
    certificate = _read("certificate", folders.find("certificate", files.certificate))
    if files.private_key is None:
        return Pem(certificate, certificate, ca)
    key = _read("private-key", folders.find("private-key", files.private_key))
    return Pem(certificate, key, ca)


def _read(leaf: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise unreadable(leaf, path.name, error) from error
