"""From the files that a configuration names to what TLS works with, as the files are now.

TLS 1.2 is the least that is spoken, and the peer is always verified.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Protocol

from flowexport_mgmt.credentials.folders import CredentialsError, KeyFolders, unreadable


class TlsFiles(Protocol):
    """The names of the files, as in the grouping tls-credentials; None where there is none."""

    @property
    def certificate(self) -> str | None:
        """Our certificate and those of the authorities between it and the root."""

    @property
    def private_key(self) -> str | None:
        """The key of our certificate, where it is in a file of its own."""

    @property
    def ca(self) -> str | None:
        """The authorities that the peer's certificate is verified against."""


def client_context(files: TlsFiles, folders: KeyFolders) -> ssl.SSLContext:
    """Make the context of a client, which verifies the server's name too.

    Without ``ca`` the authorities are those that this host trusts.

    Raises:
        CredentialsError: a file is missing, cannot be read, or does not hold what it should.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if files.ca is None:
        context.load_default_certs()
    else:
        load_authorities(context, folders.find("ca", files.ca))
    if files.certificate is not None:
        load_own(context, files.certificate, files.private_key, folders)
    return context


def server_context(files: TlsFiles, folders: KeyFolders) -> ssl.SSLContext:
    """Make the context of a server that lets in only who has a certificate of ``ca``.

    Raises:
        CredentialsError: as `client_context`, and where certificate or ca are not given.
    """
    for leaf, name in (("certificate", files.certificate), ("ca", files.ca)):
        if name is None:
            raise CredentialsError(leaf, f"{leaf}: a server needs one")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.verify_mode = ssl.CERT_REQUIRED
    load_authorities(context, folders.find("ca", files.ca or ""))
    load_own(context, files.certificate or "", files.private_key, folders)
    return context


def load_authorities(context: ssl.SSLContext, path: Path) -> None:
    """Load the authorities that a peer is verified against.

    Raises:
        CredentialsError: the file holds none.
    """
    try:
        context.load_verify_locations(path)
    except OSError as error:
        raise _refusal("ca", path.name, error, "it holds no certificates") from error


def load_own(
    context: ssl.SSLContext, name: str, private_key: str | None, folders: KeyFolders
) -> None:
    """Load our certificate, and its key from a file of its own or from the same."""
    leaf = "certificate" if private_key is None else "private-key"
    certificate = folders.find("certificate", name)
    key = certificate
    if private_key is not None:
        _check_certificate(certificate)
        key = folders.find(leaf, private_key)

    def refuse() -> str:
        words = "it is encrypted, which no key here may be"
        raise CredentialsError(leaf, f"{leaf} {key.name}: {words}")

    try:
        context.load_cert_chain(certificate, key, refuse)
    except OSError as error:
        words = "it holds no private key"
        if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
            words = f"it does not belong to certificate {name}"
        raise _refusal(leaf, key.name, error, words) from error


def _check_certificate(path: Path) -> None:
    """Say that it is the certificate's file that is wrong, and not the key's."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError as error:
        raise _refusal("certificate", path.name, error, "it holds no certificate") from error


def _refusal(leaf: str, name: str, error: OSError, words: str) -> CredentialsError:
    """Word what is wrong with a file: TLS's own complaint says less than ``words``."""
    if isinstance(error, ssl.SSLError):
        return CredentialsError(leaf, f"{leaf} {name}: {words}")
    return unreadable(leaf, name, error)
