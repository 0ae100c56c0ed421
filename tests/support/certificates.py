"""Certificates for tests: an authority, and what it signs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_PEM = serialization.Encoding.PEM
_FORMAT = serialization.PrivateFormat.PKCS8


class Authority:
    """Signs certificates and writes them as PEM files into a folder: NAME.pem and NAME.key."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        certificate = _builder(self._name, self._name, self._key).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        _write(folder / f"{name}.pem", certificate.sign(self._key, hashes.SHA256()))

    def issue(self, name: str, *alternatives: str, password: str = "", days: int = 1) -> None:
        """Write a certificate for these DNS names, mail addresses and hosts, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name(name), self._name, key, days)
        if alternatives:
            names = x509.SubjectAlternativeName([_general(text) for text in alternatives])
            builder = builder.add_extension(names, critical=False)
        _write(self.folder / f"{name}.pem", builder.sign(self._key, hashes.SHA256()))
        encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if password:
            encryption = serialization.BestAvailableEncryption(password.encode())
        octets = key.private_bytes(_PEM, _FORMAT, encryption)
        (self.folder / f"{name}.key").write_bytes(octets)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int = 1
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + timedelta(days=days))
    )


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _general(text: str) -> x509.GeneralName:
    if "@" in text:
        return x509.RFC822Name(text)
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def fingerprint(path: Path) -> str:
    """Write the SHA-256 fingerprint of a certificate as RFC 7407 has it."""
    certificate = x509.load_pem_x509_certificates(path.read_bytes())[0]
    return (b"\x04" + certificate.fingerprint(hashes.SHA256())).hex(":")


def _write(path: Path, certificate: x509.Certificate) -> None:
    path.write_bytes(certificate.public_bytes(_PEM))
