"""Certificates and private keys: PEM files by name, in the key folders and nowhere else."""

from flowexport_mgmt.credentials.contexts import TlsFiles, client_context, server_context
from flowexport_mgmt.credentials.folders import CredentialsError, KeyFolders

__all__ = ["CredentialsError", "KeyFolders", "TlsFiles", "client_context", "server_context"]
