"""Messages of BGP: how they are told apart in a stream, and the small ones whole (RFC 4271, 4)."""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from flowexport_mgmt.wire.bgp.errors import BgpError, ErrorCode

MARKER: Final = b"\xff" * 16
HEADER_SIZE: Final = 19
MOST_OCTETS: Final = 4096
_HEADER: Final = struct.Struct("!16sHB")
_REFRESH: Final = struct.Struct("!HBB")
_LENGTH: Final = struct.Struct("!H")


class MessageType(enum.IntEnum):
    """The types of messages (RFC 4271, section 4.1; RFC 2918)."""

    OPEN = 1
    UPDATE = 2
    NOTIFICATION = 3
    KEEPALIVE = 4
    ROUTE_REFRESH = 5


LEAST: Final = {
    MessageType.OPEN: 29,
    MessageType.UPDATE: 23,
    MessageType.NOTIFICATION: 21,
    MessageType.KEEPALIVE: 19,
    MessageType.ROUTE_REFRESH: 23,
}
_TYPES: Final = {int(kind): kind for kind in MessageType}


class Frame(NamedTuple):
    """A message without its header, and where it ends in the buffer."""

    kind: MessageType
    body: bytes
    end: int


class Notification(NamedTuple):
    """Why the peer ends the session."""

    error: int
    suberror: int
    data: bytes

    def __str__(self) -> str:
        """Name the codes."""
        return f"code {self.error}, subcode {self.suberror}"


class RouteRefresh(NamedTuple):
    """A request for routes, or a mark around those that answer one (RFC 7313, section 3.2)."""

    afi: int
    subtype: int
    safi: int


def split(data: bytes | bytearray, most: int = MOST_OCTETS, *, begin: int = 0) -> Iterator[Frame]:
    """Yield the whole messages that are in a buffer from ``begin`` on.

    Raises:
        BgpError: a header that ends the session (RFC 4271, section 6.1).
    """
    at = begin
    while len(data) - at >= HEADER_SIZE:
        marker, length, number = _HEADER.unpack_from(data, at)
        kind = _TYPES.get(number)
        if marker != MARKER:
            raise BgpError(ErrorCode.HEADER, 1, "marker", "the marker is not all ones")
        if kind is None:
            raise BgpError(
                ErrorCode.HEADER,
                3,
                "message-type",
                f"there is no type {number}",
                data=bytes([number]),
            )
        if not LEAST[kind] <= length <= most or (kind is MessageType.KEEPALIVE and length != 19):
            raise BgpError(
                ErrorCode.HEADER,
                2,
                "message-length",
                f"{kind.name} of {length} octets",
                data=_LENGTH.pack(length),
            )
        if len(data) - at < length:
            return
        yield Frame(kind, bytes(data[at + HEADER_SIZE : at + length]), at + length)
        at += length


def encode(kind: MessageType, body: bytes = b"") -> bytes:
    """Make a message."""
    return _HEADER.pack(MARKER, HEADER_SIZE + len(body), kind) + body


def encode_keepalive() -> bytes:
    """Make a KEEPALIVE."""
    return encode(MessageType.KEEPALIVE)


def encode_notification(error: int, suberror: int, data: bytes = b"") -> bytes:
    """Make a NOTIFICATION."""
    room = MOST_OCTETS - HEADER_SIZE - 2
    return encode(MessageType.NOTIFICATION, bytes([error, suberror]) + data[:room])


def encode_route_refresh(afi: int, safi: int = 1) -> bytes:
    """Ask for all routes of a family (RFC 2918)."""
    return encode(MessageType.ROUTE_REFRESH, _REFRESH.pack(afi, 0, safi))


def decode_notification(body: bytes) -> Notification:
    """Decode the body of a NOTIFICATION, which `split` has seen to be long enough."""
    return Notification(body[0], body[1], body[2:])


def decode_route_refresh(body: bytes) -> RouteRefresh:
    """Decode the body of a ROUTE-REFRESH.

    Raises:
        BgpError: its length is another one (RFC 7313, section 5).
    """
    if len(body) != _REFRESH.size:
        raise BgpError(
            ErrorCode.ROUTE_REFRESH, 1, "route-refresh-length", f"{len(body)} octets", data=body
        )
    return RouteRefresh(*_REFRESH.unpack(body))
