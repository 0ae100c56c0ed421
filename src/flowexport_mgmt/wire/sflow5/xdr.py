"""Reading XDR (RFC 4506) within bounds."""

from __future__ import annotations

import struct

from flowexport_mgmt.errors import DecodeError


class Reader:
    """Walks over a part of a datagram; offsets in errors are those of the whole datagram."""

    def __init__(self, data: bytes, at: int = 0, end: int | None = None) -> None:
        self._data = data
        self.at = at
        self._end = len(data) if end is None else end

    @property
    def left(self) -> int:
        """Octets that are left to read."""
        return self._end - self.at

    def unsigned(self, count: int) -> tuple[int, ...]:
        """Read unsigned integers of 32 bits."""
        begin = self._take(4 * count)
        return struct.unpack_from(f">{count}I", self._data, begin)

    def octets(self, length: int) -> bytes:
        """Read opaque data of fixed length, and the octets that fill its last word."""
        begin = self._take((length + 3) & ~3)
        return self._data[begin : begin + length]

    def part(self, length: int, code: str) -> Reader:
        """Split off the next ``length`` octets.

        Raises:
            DecodeError: with ``code``, when it is no whole number of words or too long.
        """
        if length % 4 or length > self.left:
            raise DecodeError(code, f"length {length} with {self.left} octets left", self.at - 4)
        begin = self._take(length)
        return Reader(self._data, begin, begin + length)

    def unpack(self, layout: struct.Struct) -> tuple[int, ...]:
        """Read a fixed structure of integers."""
        return layout.unpack_from(self._data, self._take(layout.size))

    def finish(self, code: str, message: str) -> None:
        """Make sure that everything was read.

        Raises:
            DecodeError: with ``code``, when octets are left.
        """
        if self.left:
            raise DecodeError(code, f"{self.left} octets follow {message}", self.at)

    def _take(self, length: int) -> int:
        if length > self.left:
            raise DecodeError(
                "truncated", f"{length} octets are needed, {self.left} are left", self.at
            )
        begin = self.at
        self.at += length
        return begin
