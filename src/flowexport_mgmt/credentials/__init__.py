"""Certificates and private keys: PEM files by name, in the key folders and nowhere else."""

from flowexport_mgmt.credentials.contexts import TlsFiles, client_context, server_context
from flowexport_mgmt.credentials.folders import CredentialsError, KeyFolders
from flowexport_mgmt.credentials.pem import Pem, read_pem

__all__ = [
    "CredentialsError",
    "KeyFolders",
    "Pem",
    "TlsFiles",
    "client_context",
    "read_pem",
    "server_context",
]
