"""SSH keys: the host's, made at the first start and then kept, and those that users log in with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import asyncssh

from flowexport_mgmt.credentials.kept import KeptFile
from flowexport_mgmt.datastore.public_keys import read_public_key
from flowexport_mgmt.model.server import User

HOST_KEY_FILE: Final = "ssh_host_ed25519_key"
_FORBIDDEN: Final = 0o077

_FILE: Final = KeptFile("netconf.host-key")

UserKeys = Mapping[str, frozenset[bytes]]
"""The public keys of each user, as SSH encodes them."""


class HostKeyError(Exception):
    """The host key cannot be used; the message says which file and what to do."""


def load_host_key(folder: Path) -> asyncssh.SSHKey:
    """Read the host key of a state folder, or make it where there is none.

    Raises:
        HostKeyError: it cannot be read, is no key, or others may read it. It is never replaced:
            clients would take the new one for an attack.
    """
    path = folder / HOST_KEY_FILE
    try:
        if not path.exists():
            _make_host_key(path)
        if path.stat().st_mode & _FORBIDDEN:
            raise HostKeyError(f"others may read the host key {path}: chmod 600 {path}")
        return asyncssh.read_private_key(path)
    except OSError as error:
        raise HostKeyError(f"cannot use the host key {path}: {error.strerror}") from error
    except asyncssh.KeyImportError as error:
        message = f"{path} is no private key ({error}): restore it, or remove it to have one made"
        raise HostKeyError(message) from error


def fingerprint(key: asyncssh.SSHKey) -> str:
    """Give the SHA-256 fingerprint as ssh-keygen shows it."""
    return key.get_fingerprint("sha256")


def _make_host_key(path: Path) -> None:
    _FILE.write(path, asyncssh.generate_private_key("ssh-ed25519").export_private_key())


def read_user_keys(users: Iterable[User]) -> UserKeys:
    """Read the authorized keys, which the datastore has checked."""
    return {
        user.name: frozenset(read_public_key(line) for line in user.authorized_key)
        for user in users
    }
