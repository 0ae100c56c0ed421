"""How a message breaks the protocol, with what a NOTIFICATION says of it."""

from __future__ import annotations

import enum

from flowexport_mgmt.errors import DecodeError


class ErrorCode(enum.IntEnum):
    """The error codes of a NOTIFICATION (RFC 4271, section 4.5; RFC 7313, section 5)."""

    HEADER = 1
    OPEN = 2
    UPDATE = 3
    HOLD_TIMER = 4
    STATE_MACHINE = 5
    CEASE = 6
    ROUTE_REFRESH = 7


class BgpError(DecodeError):
    """A message that ends the session: ``error`` and ``suberror`` go into the NOTIFICATION."""

    def __init__(
        self, error: ErrorCode, suberror: int, code: str, message: str, *, data: bytes = b""
    ) -> None:
        super().__init__(code, message)
        self.error = error
        self.suberror = suberror
        self.data = data
