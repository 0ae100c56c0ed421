"""Small files of /proc and /sys."""

from __future__ import annotations

import os
from typing import Final

_MAX_OCTETS: Final = 4 << 20


def read_text(path: str, limit: int = _MAX_OCTETS) -> str:
    """Read a file of at most ``limit`` octets, without the white space around it.

    Empty where there is none: no such file, no permission, or a driver that refuses.
    """
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a hundredth of Path's work
            return _read(file.fileno(), limit).decode("ascii", "replace").strip()
    except OSError:
        return ""


def _read(descriptor: int, limit: int) -> bytes:
    chunks = []
    while limit > 0 and (chunk := os.read(descriptor, min(limit, 1 << 16))):
        chunks.append(chunk)
        limit -= len(chunk)
    return b"".join(chunks)
