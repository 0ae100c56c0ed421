"""Certificates and keys: PEM files by name, in the key folders and nowhere else."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from flowexport_mgmt.export.failure import EndpointError, describe_error
from flowexport_mgmt.model import flow_export as fe

_MAX_NAME: Final = 255


class KeyFolders:
    """The folders that may be read, in the order in which they are searched."""

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        self._folders = tuple(folders)

    def find(self, leaf: str, name: str) -> Path:
        """Find a file by its name.

        Raises:
            EndpointError: it is no name, or there is no such file.
        """
        if not _is_name(name):
            raise EndpointError(leaf, f"{leaf} {name!r} is not the name of a file in a key folder")
        for folder in self._folders:
            path = folder / name
            try:
                if path.is_file():
                    return path
            except OSError as error:
                raise _refusal(leaf, name, error) from error
        searched = " or ".join(map(str, self._folders)) or "any key folder (there is none)"
        raise EndpointError(leaf, f"{leaf} {name}: there is no such file in {searched}")


def _is_name(name: str) -> bool:
    is_plain = "/" not in name and "\0" not in name and name not in {".", ".."}
    return is_plain and 0 < len(name) <= _MAX_NAME


def make_context(settings: fe.CollectorTls, folders: KeyFolders) -> ssl.SSLContext:
    """Read the files that a TLS client needs, as they are now.

    TLS 1.2 is the least that is spoken. The peer is verified against ``ca``, or against the
    authorities that this host trusts.

    Raises:
        EndpointError: a file is missing, cannot be read, or does not hold what it should.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.ca is None:
        context.load_default_certs()
    else:
        _load_authorities(context, folders.find("tls/ca", settings.ca))
    if settings.certificate is not None:
        _load_own(context, settings, folders)
    return context


def _load_authorities(context: ssl.SSLContext, path: Path) -> None:
    try:
        context.load_verify_locations(path)
    except OSError as error:
        raise _refusal("tls/ca", path.name, error, "it holds no certificates") from error


def _load_own(context: ssl.SSLContext, settings: fe.CollectorTls, folders: KeyFolders) -> None:
    """Load our certificate, and its key from a file of its own or from the same."""
    name = settings.certificate or ""
    leaf = "tls/certificate" if settings.private_key is None else "tls/private-key"
    certificate = folders.find("tls/certificate", name)
    key = certificate
    if settings.private_key is not None:
        _check_certificate(certificate)
        key = folders.find(leaf, settings.private_key)

    def refuse() -> str:
        raise EndpointError(leaf, f"{leaf} {key.name}: it is encrypted, which no key here may be")

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
        raise _refusal("tls/certificate", path.name, error, "it holds no certificate") from error


def _refusal(leaf: str, name: str, error: OSError, words: str = "") -> EndpointError:
    """Word what is wrong with a file: TLS's own complaint says less than ``words``."""
    reason = words if isinstance(error, ssl.SSLError) else describe_error(error.errno or 0)
    return EndpointError(leaf, f"{leaf} {name}: {reason}")
