"""A private key that is made once and then kept: a file that is whole or not there."""

from __future__ import annotations

import os
from pathlib import Path

from flowexport_mgmt.observe import crash


class KeptFile:
    """How files of one kind are written; its crash points are ``NAME.before-write`` and so on."""

    def __init__(self, name: str) -> None:
        self._before_write = crash.declare(f"{name}.before-write")
        self._before_fsync = crash.declare(f"{name}.before-fsync")
        self._before_rename = crash.declare(f"{name}.before-rename")

    def write(self, path: Path, text: bytes) -> None:
        """Write a file that only its owner may read; on return it survives a crash.

        Raises:
            OSError: it could not be written, and ``path`` is as it was.
        """
        new = path.with_suffix(".new")
        new.unlink(missing_ok=True)
        crash.point(self._before_write)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(text)
            file.flush()
            crash.point(self._before_fsync)
            os.fsync(file.fileno())
        crash.point(self._before_rename)
        new.rename(path)
        _fsync(path.parent)


def _fsync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
