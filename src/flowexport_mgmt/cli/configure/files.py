"""Files that are loaded: from a path, or from the lines that follow (``terminal``, ``-``)."""

from __future__ import annotations

import sys
from pathlib import Path

from flowexport_mgmt.cli.config.load import LARGEST
from flowexport_mgmt.cli.grammar.words import UsageError


def read_file(name: str) -> str:
    """Read a text; ``-`` and ``terminal`` are standard input to its end.

    Raises:
        UsageError: it cannot be read, is no text, or is too large.
    """
    try:
        if name in ("-", "terminal"):
            return sys.stdin.read(LARGEST)
        path = Path(name).expanduser()
        if path.stat().st_size > LARGEST:
            raise UsageError(f"{name}: larger than {LARGEST} octets")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{name}: {getattr(error, 'strerror', None) or error}") from error
