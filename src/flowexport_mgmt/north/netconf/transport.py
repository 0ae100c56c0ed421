"""What carries a session."""

from __future__ import annotations

from typing import Protocol


class Transport(Protocol):
    """What carries a session: a stream in both directions."""

    def write(self, data: bytes) -> None:
        """Send octets; never blocks."""

    def close(self) -> None:
        """Send what is left, then close."""

    def abort(self) -> None:
        """Close at once."""

    def pause_reading(self) -> None:
        """Take nothing more from the client for now."""

    def resume_reading(self) -> None:
        """Go on reading."""
