"""The key folders, and the only way to find a file in them."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from flowexport_mgmt.errors import FlowExportError

_MAX_NAME: Final = 255


class CredentialsError(FlowExportError):
    """A file that TLS needs will not do; ``leaf`` is the one that names it (``private-key``)."""

    def __init__(self, leaf: str, message: str) -> None:
        self.leaf = leaf
        super().__init__(message)


class KeyFolders:
    """The folders that may be read, in the order in which they are searched."""

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        self._folders = tuple(folders)

    def find(self, leaf: str, name: str) -> Path:
        """Find a file by its name.

        Raises:
            CredentialsError: it is no name, or there is no such file.
        """
        if not _is_name(name):
            raise CredentialsError(
                leaf, f"{leaf} {name!r} is not the name of a file in a key folder"
            )
        for folder in self._folders:
            path = folder / name
            try:
                if path.is_file():
                    return path
            except OSError as error:
                raise unreadable(leaf, name, error) from error
        searched = " or ".join(map(str, self._folders)) or "any key folder (there is none)"
        raise CredentialsError(leaf, f"{leaf} {name}: there is no such file in {searched}")


def _is_name(name: str) -> bool:
    is_plain = "/" not in name and "\0" not in name and name not in {".", ".."}
    return is_plain and 0 < len(name) <= _MAX_NAME


def unreadable(leaf: str, name: str, error: OSError) -> CredentialsError:
    """Word why a file cannot be read."""
    number = error.errno or 0
    symbol = errno.errorcode.get(number, f"errno {number}")
    return CredentialsError(leaf, f"{leaf} {name}: {os.strerror(number)} ({symbol})")
