from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from tests.support.certificates import Authority

from flowexport_mgmt.export.credentials import KeyFolders, make_context
from flowexport_mgmt.export.failure import EndpointError
from flowexport_mgmt.model.flow_export import CollectorTls


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("keys")
    authority = Authority(made)
    authority.issue("client")
    authority.issue("other")
    authority.issue("locked", password="secret")
    both = (made / "client.pem").read_bytes() + (made / "client.key").read_bytes()
    (made / "both.pem").write_bytes(both)
    (made / "empty.pem").touch()
    (made / "folder.pem").mkdir()
    return made


def test_the_first_folder_that_has_the_file_is_taken(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for place in (first, second):
        place.mkdir()
        (place / "a.pem").touch()
    (second / "b.pem").touch()
    folders = KeyFolders([tmp_path / "missing", first, second])
    assert folders.find("ca", "a.pem") == first / "a.pem"
    assert folders.find("ca", "b.pem") == second / "b.pem"


@pytest.mark.parametrize("name", ["../a.pem", "/etc/passwd", "x/a.pem", "..", ".", "", "a\0b"])
def test_a_path_is_no_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.pem").touch()
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a.pem").touch()
    with pytest.raises(EndpointError, match="not the name of a file in a key folder"):
        KeyFolders([tmp_path / "x", tmp_path]).find("tls/ca", name)


def test_what_is_missing_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(EndpointError) as caught:
        KeyFolders([tmp_path / "a", tmp_path / "b"]).find("tls/ca", "x.pem")
    assert caught.value.leaf == "tls/ca"
    assert caught.value.message == (
        f"tls/ca x.pem: there is no such file in {tmp_path}/a or {tmp_path}/b"
    )
    with pytest.raises(EndpointError, match="no such file in any key folder"):
        KeyFolders().find("tls/ca", "x.pem")


@pytest.mark.parametrize(
    ("settings", "leaf", "words"),
    [
        ({"ca": "none.pem"}, "tls/ca", "there is no such file"),
        ({"ca": "empty.pem"}, "tls/ca", "it holds no certificates"),
        ({"ca": "folder.pem"}, "tls/ca", "there is no such file"),
        ({"certificate": "client.pem"}, "tls/certificate", "it holds no private key"),
        ({"certificate": "none.pem"}, "tls/certificate", "there is no such file"),
        (
            {"certificate": "client.pem", "private_key": "none.key"},
            "tls/private-key",
            "there is no such file",
        ),
        (
            {"certificate": "client.pem", "private_key": "other.key"},
            "tls/private-key",
            "it does not belong to certificate client.pem",
        ),
        (
            {"certificate": "client.key", "private_key": "client.key"},
            "tls/certificate",
            "it holds no certificate",
        ),
        (
            {"certificate": "client.pem", "private_key": "client.pem"},
            "tls/private-key",
            "it holds no private key",
        ),
        (
            {"certificate": "locked.pem", "private_key": "locked.key"},
            "tls/private-key",
            "it is encrypted",
        ),
    ],
)
def test_files_that_do_not_do(
    folder: Path, settings: dict[str, str], leaf: str, words: str
) -> None:
    with pytest.raises(EndpointError, match=words) as caught:
        make_context(CollectorTls(**settings), KeyFolders([folder]))
    assert (caught.value.leaf, caught.value.transient) == (leaf, False)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"ca": "ca.pem"},
        {"certificate": "both.pem"},
        {"certificate": "client.pem", "private_key": "client.key", "ca": "ca.pem"},
    ],
)
def test_what_does_is_strict(folder: Path, settings: dict[str, str]) -> None:
    context = make_context(CollectorTls(**settings), KeyFolders([folder]))
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    subjects = [found["subject"] for found in context.get_ca_certs()]
    assert (((("commonName", "ca"),),) in subjects) is ("ca" in settings)


def test_a_key_that_may_not_be_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read everything, so the refusal is made up."""

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", refuse)
    with pytest.raises(EndpointError, match=r"tls/ca ca.pem: Permission denied \(EACCES\)"):
        make_context(CollectorTls(ca="ca.pem"), KeyFolders([folder]))
