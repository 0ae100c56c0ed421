from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from tests.support.certificates import Authority

from flowexport_mgmt.credentials import (
    CredentialsError,
    KeyFolders,
    client_context,
    server_context,
)
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
    with pytest.raises(CredentialsError, match="not the name of a file in a key folder"):
        KeyFolders([tmp_path / "x", tmp_path]).find("ca", name)


def test_what_is_missing_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError) as caught:
        KeyFolders([tmp_path / "a", tmp_path / "b"]).find("ca", "x.pem")
    assert caught.value.leaf == "ca"
    assert str(caught.value) == (f"ca x.pem: there is no such file in {tmp_path}/a or {tmp_path}/b")
    with pytest.raises(CredentialsError, match="no such file in any key folder"):
        KeyFolders().find("ca", "x.pem")


@pytest.mark.parametrize(
    ("settings", "leaf", "words"),
    [
        ({"ca": "none.pem"}, "ca", "there is no such file"),
        ({"ca": "empty.pem"}, "ca", "it holds no certificates"),
        ({"ca": "folder.pem"}, "ca", "there is no such file"),
        ({"certificate": "client.pem"}, "certificate", "it holds no private key"),
        ({"certificate": "none.pem"}, "certificate", "there is no such file"),
        (
            {"certificate": "client.pem", "private_key": "none.key"},
            "private-key",
            "there is no such file",
        ),
        (
            {"certificate": "client.pem", "private_key": "other.key"},
            "private-key",
            "it does not belong to certificate client.pem",
        ),
        (
            {"certificate": "client.key", "private_key": "client.key"},
            "certificate",
            "it holds no certificate",
        ),
        (
            {"certificate": "client.pem", "private_key": "client.pem"},
            "private-key",
            "it holds no private key",
        ),
        (
            {"certificate": "locked.pem", "private_key": "locked.key"},
            "private-key",
            "it is encrypted",
        ),
    ],
)
def test_files_that_do_not_do(
    folder: Path, settings: dict[str, str], leaf: str, words: str
) -> None:
    with pytest.raises(CredentialsError, match=words) as caught:
        client_context(CollectorTls(**settings), KeyFolders([folder]))
    assert caught.value.leaf == leaf


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
    context = client_context(CollectorTls(**settings), KeyFolders([folder]))
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
    with pytest.raises(CredentialsError, match=r"ca ca.pem: Permission denied \(EACCES\)"):
        client_context(CollectorTls(ca="ca.pem"), KeyFolders([folder]))


def test_a_server_lets_in_only_who_has_a_certificate(folder: Path) -> None:
    files = CollectorTls(certificate="client.pem", private_key="client.key", ca="ca.pem")
    context = server_context(files, KeyFolders([folder]))
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    ("settings", "leaf"),
    [
        ({"ca": "ca.pem"}, "certificate"),
        ({"certificate": "both.pem"}, "ca"),
        ({"certificate": "both.pem", "ca": "empty.pem"}, "ca"),
        ({"certificate": "both.pem", "private_key": "other.key", "ca": "ca.pem"}, "private-key"),
    ],
)
def test_a_server_needs_a_certificate_and_an_authority(
    folder: Path, settings: dict[str, str], leaf: str
) -> None:
    with pytest.raises(CredentialsError) as caught:
        server_context(CollectorTls(**settings), KeyFolders([folder]))
    assert caught.value.leaf == leaf
