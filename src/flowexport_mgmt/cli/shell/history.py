"""The history of lines: a file of this user's own, without what must not be read later."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from prompt_toolkit.history import FileHistory

_LONGEST: Final = 4096
_MOST: Final = 2000


def history_file() -> Path:
    """Find the file."""
    home = os.environ.get("XDG_STATE_HOME", "")
    parent = Path(home) if home.startswith("/") else Path.home() / ".local" / "state"
    return parent / "flowexport" / "cli-history"


class LineHistory(FileHistory):
    """Keeps lines, but for those that hold secrets; without a place to keep them none is kept.

    Args:
        path: the file.
        is_secret: tells whether a line holds what must not be kept.
    """

    def __init__(self, path: Path, is_secret: Callable[[str], bool]) -> None:
        self._is_secret = is_secret
        self._file = path
        super().__init__(str(path))

    def load_history_strings(self) -> Iterable[str]:
        """Read the lines, the latest first."""
        try:
            lines = list(super().load_history_strings())
        except OSError:
            return []
        return lines[:_MOST]

    def append_string(self, string: str) -> None:
        """Keep a line; one with a secret is not even kept for this session."""
        if not self._is_secret(string):
            super().append_string(string)

    def store_string(self, string: str) -> None:
        """Write a line to the file."""
        if len(string) > _LONGEST:
            return
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self._file.exists():
                self._file.touch(mode=0o600)
            super().store_string(string)
        except OSError:
            return
