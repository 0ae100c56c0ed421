"""Times as they are written in requests: 5s, 1m30s, 500ms."""

from __future__ import annotations

import re
from typing import Final

_PARTS: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|us|ns|h|m|s)", re.ASCII)
_MILLISECONDS: Final = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1, "us": 1e-3, "ns": 1e-6}


def read_duration(text: str) -> int:
    """Read a duration as milliseconds.

    Raises:
        ValueError: it is none.
    """
    total, at = 0.0, 0
    while at < len(text) and (part := _PARTS.match(text, at)) is not None:
        total += float(part[1]) * _MILLISECONDS[part[2]]
        at = part.end()
    if not text or at < len(text):
        raise ValueError(f"{text[:64]!r} is not a duration")
    return round(total)


def write_duration(milliseconds: int) -> str:
    """Write milliseconds such that they can be read again."""
    seconds, rest = divmod(milliseconds, 1000)
    return f"{milliseconds}ms" if rest else f"{seconds}s"
