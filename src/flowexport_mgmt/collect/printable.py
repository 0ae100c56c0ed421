"""Text of strangers on a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """Write control characters as escapes, so that a terminal takes no orders from a sender."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
