from __future__ import annotations

from pathlib import Path

import asyncssh
import pytest

from flowexport_mgmt.model.server import User
from flowexport_mgmt.north.netconf.keys import (
    HOST_KEY_FILE,
    HostKeyError,
    fingerprint,
    load_host_key,
    read_user_keys,
)


def test_the_host_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    first = load_host_key(tmp_path)
    assert (tmp_path / HOST_KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert first.get_algorithm() == "ssh-ed25519"
    assert fingerprint(load_host_key(tmp_path)) == fingerprint(first)
    assert fingerprint(first).startswith("SHA256:")
    assert [path.name for path in tmp_path.iterdir()] == [HOST_KEY_FILE]


def test_a_host_key_that_was_half_written_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / f"{HOST_KEY_FILE}.new").write_text("half")
    assert load_host_key(tmp_path).get_algorithm() == "ssh-ed25519"


def test_a_damaged_host_key_is_refused_with_its_path_and_kept(tmp_path: Path) -> None:
    path = tmp_path / HOST_KEY_FILE
    path.write_text("no key")
    path.chmod(0o600)
    with pytest.raises(HostKeyError, match=f"{path} is no private key"):
        load_host_key(tmp_path)
    assert path.read_text() == "no key"


def test_a_host_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    load_host_key(tmp_path)
    (tmp_path / HOST_KEY_FILE).chmod(0o640)
    with pytest.raises(HostKeyError, match="chmod 600"):
        load_host_key(tmp_path)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(HostKeyError, match="No such file or directory"):
        load_host_key(tmp_path / "nowhere")


def test_authorized_keys_are_read_with_their_comments() -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    line = key.export_public_key().decode().strip()
    keys = read_user_keys([User(name="ann", authorized_key=(f"{line} ann@host",))])
    assert keys == {"ann": frozenset([key.public_data])}
