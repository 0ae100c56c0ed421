"""Netlink messages of a datagram and the attributes of a message (netlink(7))."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from flowexport_mgmt.errors import DecodeError

HEADER: Final = struct.Struct("=IHHII")
"""nlmsghdr: length, type, flags, sequence, port."""

_ATTRIBUTE: Final = struct.Struct("=HH")
_TYPE_MASK: Final = 0x3FFF  # without the flags for nested and network byte order


class Message(NamedTuple):
    """Head of a message and where it stands: octets ``begin`` to ``end``, the header included."""

    kind: int
    flags: int
    sequence: int
    begin: int
    end: int


def split(data: bytes) -> Iterator[Message]:
    """Yield the messages of a datagram.

    Raises:
        DecodeError: a message is shorter than its header or ends outside of the datagram.
    """
    at = 0
    while at + HEADER.size <= len(data):
        length, kind, flags, sequence, _ = HEADER.unpack_from(data, at)
        if not HEADER.size <= length <= len(data) - at:
            raise DecodeError("message-length", f"a netlink message of {length} octets", at)
        yield Message(kind, flags, sequence, at, at + length)
        at += (length + 3) & ~3


def iterate_attributes(data: bytes, at: int = 0) -> Iterator[tuple[int, int, int]]:
    """Yield type, begin and end of each attribute's value, up to one that does not fit."""
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if not _ATTRIBUTE.size <= length <= len(data) - at:
            return
        yield kind & _TYPE_MASK, at + _ATTRIBUTE.size, at + length
        at += (length + 3) & ~3


def read_attributes(data: bytes, at: int = 0) -> dict[int, bytes]:
    """Give the values of the attributes from ``at`` on, by type."""
    return {kind: data[begin:end] for kind, begin, end in iterate_attributes(data, at)}


def number(value: bytes) -> int:
    """Read an unsigned number of up to 64 bits in the machine's byte order; 0 for no octets."""
    return int.from_bytes(value, "little" if struct.pack("=H", 1)[0] else "big")
