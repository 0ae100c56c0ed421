"""Which user a certificate is, by the rules of RFC 7407."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from tests.support.certificates import Authority, fingerprint

from flowexport_mgmt.credentials.cert_names import is_known_fingerprint, user_of
from flowexport_mgmt.model.server import NetconfTlsCertToName

SHA1_OF_RFC_7407 = "02:DC:CD:4B:67:D4:1D:2C:B0:59:38:4B:E0:2C:7C:A1:F6:C8:AA:9F:8C"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("certificates")
    authority = Authority(made)
    authority.issue("ann")
    authority.issue("mixed", "Ann.B@Example.COM", "Host.Example.COM", "192.0.2.1", "2001:db8::1")
    authority.issue("dns", "Host.Example.COM", "Ann.B@Example.COM")
    authority.issue("address", "2001:db8::1")
    return made


def chain(folder: Path, name: str) -> list[x509.Certificate]:
    files = [folder / f"{name}.pem", folder / "ca.pem"]
    return [x509.load_pem_x509_certificate(file.read_bytes()) for file in files]


def entry(folder: Path, number: int, of: str, kind: str, name: str = "") -> NetconfTlsCertToName:
    return NetconfTlsCertToName(
        id=number,
        fingerprint=fingerprint(folder / f"{of}.pem"),
        map_type=f"ietf-x509-cert-to-name:{kind}",
        name=name or None,
    )


@pytest.mark.parametrize(
    ("certificate", "kind", "user"),
    [
        ("ann", "common-name", "ann"),
        ("ann", "san-any", None),
        ("mixed", "san-rfc822-name", "Ann.B@example.com"),
        ("mixed", "san-dns-name", "host.example.com"),
        ("mixed", "san-ip-address", "192.0.2.1"),
        ("mixed", "san-any", "Ann.B@example.com"),
        ("mixed", "common-name", "mixed"),
        ("dns", "san-any", "host.example.com"),
        ("dns", "san-ip-address", None),
        ("address", "san-ip-address", "20010db8000000000000000000000001"),
        ("address", "san-any", "20010db8000000000000000000000001"),
    ],
)
@pytest.mark.parametrize("of", ["certificate itself", "ca"])
def test_names_as_the_map_types_say(
    folder: Path, certificate: str, kind: str, user: str | None, of: str
) -> None:
    matched = "ca" if of == "ca" else certificate
    assert user_of(chain(folder, certificate), [entry(folder, 1, matched, kind)]) == user


def test_entries_are_tried_in_the_order_of_their_ids(folder: Path) -> None:
    entries = [
        entry(folder, 30, "ca", "common-name"),
        entry(folder, 20, "ann", "specified", "boss"),
        entry(folder, 10, "ca", "san-any"),  # matches, and gives no name
        entry(folder, 5, "dns", "specified", "somebody"),
    ]
    assert user_of(chain(folder, "ann"), entries) == "boss"
    assert user_of(chain(folder, "ann"), entries[:1]) == "ann"
    assert user_of(chain(folder, "ann"), entries[3:]) is None
    assert user_of(chain(folder, "ann"), []) is None


def test_the_sha_1_fingerprint_of_rfc_7407_is_understood(folder: Path) -> None:
    assert is_known_fingerprint(SHA1_OF_RFC_7407)
    assert is_known_fingerprint(fingerprint(folder / "ca.pem"))
    own = NetconfTlsCertToName(
        id=1, fingerprint=SHA1_OF_RFC_7407, map_type="ietf-x509-cert-to-name:common-name"
    )
    assert user_of(chain(folder, "ann"), [own]) is None


@pytest.mark.parametrize("text", ["04", "04:00", "01" + ":00" * 16, "09" + ":00" * 32])
def test_what_can_never_match_is_known(text: str) -> None:
    assert not is_known_fingerprint(text)
