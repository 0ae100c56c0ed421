"""From a client's certificate to the name of a user (RFC 7407 and RFC 7589, section 7)."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv6Address
from typing import Any, Final, Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

_HASHES: Final[Mapping[int, Callable[[], hashes.HashAlgorithm]]] = {
    2: hashes.SHA1,
    3: hashes.SHA224,
    4: hashes.SHA256,
    5: hashes.SHA384,
    6: hashes.SHA512,
}
"""The algorithms of the first octet of a fingerprint (RFC 5246, section 7.4.1.4.1)."""

Chain = Sequence[x509.Certificate]
"""A verified chain: the peer's own certificate first, then the authorities up to the root."""


class CertToName(Protocol):
    """An entry of the list cert-to-name, whichever server has it."""

    @property
    def id(self) -> int:
        """The place of the entry in the order."""

    @property
    def fingerprint(self) -> str:
        """The octet of the algorithm, and the digest, in hexadecimal with colons."""

    @property
    def map_type(self) -> str:
        """How the name is found."""

    @property
    def name(self) -> str | None:
        """The name, where it is given here."""


_Names = Callable[[x509.Certificate], Iterator[str]]


def user_of(chain: Chain, entries: Iterable[CertToName]) -> str | None:
    """Derive the user's name; None where no entry gives one.

    An entry counts when its fingerprint is that of any certificate of the chain; one that matches
    and gives no name lets the next have its turn.
    """
    for entry in sorted(entries, key=lambda entry: entry.id):
        if not any(_matches(certificate, entry.fingerprint) for certificate in chain):
            continue
        name = _name(chain[0], entry)
        if name:
            return name
    return None


def verified_chain(tls: ssl.SSLObject) -> Chain:
    """Give the chain by which a peer's certificate was verified."""
    give = getattr(tls, "get_verified_chain", None)  # Python 3.13 and later
    if give is not None:
        return [x509.load_der_x509_certificate(octets) for octets in give()]
    inner: Any = getattr(tls, "_sslobj")  # noqa: B009 - the same call, before it was made public
    return [
        x509.load_pem_x509_certificate(certificate.public_bytes().encode())
        for certificate in inner.get_verified_chain()
    ]


def _matches(certificate: x509.Certificate, fingerprint: str) -> bool:
    octets = bytes.fromhex(fingerprint.replace(":", ""))
    algorithm = _HASHES.get(octets[0])
    return algorithm is not None and certificate.fingerprint(algorithm()) == octets[1:]


def is_known_fingerprint(fingerprint: str) -> bool:
    """Tell whether a fingerprint can match: by an algorithm that is known, and of its length."""
    octets = bytes.fromhex(fingerprint.replace(":", ""))
    algorithm = _HASHES.get(octets[0])
    return algorithm is not None and len(octets) == 1 + algorithm().digest_size


def _name(certificate: x509.Certificate, entry: CertToName) -> str | None:
    kind = entry.map_type.rpartition(":")[2]
    if kind == "specified":
        return entry.name
    try:
        return next(_MAPS[kind](certificate), None)
    except ValueError:  # an extension that does not hold what it should
        return None


def _alternatives(certificate: x509.Certificate) -> Iterator[x509.GeneralName]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return
    yield from found.value


def _mail(name: x509.GeneralName) -> str | None:
    if not isinstance(name, x509.RFC822Name):
        return None
    local, at, host = name.value.rpartition("@")
    return f"{local}{at}{host.lower()}"


def _dns(name: x509.GeneralName) -> str | None:
    return name.value.lower() if isinstance(name, x509.DNSName) else None


def _address(name: x509.GeneralName) -> str | None:
    if not isinstance(name, x509.IPAddress):
        return None
    return name.value.packed.hex() if isinstance(name.value, IPv6Address) else str(name.value)


def _any(name: x509.GeneralName) -> str | None:
    return _mail(name) or _dns(name) or _address(name)


def _alternative(convert: Callable[[x509.GeneralName], str | None]) -> _Names:
    def names(certificate: x509.Certificate) -> Iterator[str]:
        return filter(None, map(convert, _alternatives(certificate)))

    return names


def _common_names(certificate: x509.Certificate) -> Iterator[str]:
    for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME):
        yield str(attribute.value)


_MAPS: Final[Mapping[str, _Names]] = {
    "san-rfc822-name": _alternative(_mail),
    "san-dns-name": _alternative(_dns),
    "san-ip-address": _alternative(_address),
    "san-any": _alternative(_any),
    "common-name": _common_names,
}
