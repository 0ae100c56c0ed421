"""A dump of all network interfaces from the kernel (rtnetlink(7), RTM_GETLINK)."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
import time
from collections.abc import Callable
from typing import Final, NamedTuple

_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_REQUEST = struct.Struct("=BxHiIIHHI")  # ifinfomsg, then the attribute IFLA_EXT_MASK
_ERROR_CODE = struct.Struct("=i")
_RTM_NEWLINK = 16
_RTM_GETLINK = 18
_NLMSG_ERROR = 2
_NLMSG_DONE = 3
_NLM_F_REQUEST_DUMP = 0x301
_NLM_F_DUMP_INTR = 0x10
_IFLA_EXT_MASK = 29
_SKIP_STATS = 8  # leaves out the IPv6 counters of each interface; IFLA_STATS64 stays
_SOL_NETLINK = 270
_STRICT_CHECK = 12

_BUFFER = 1 << 16  # the kernel puts at most 32 KiB of a dump into one datagram
_TIMEOUT_S = 0.5
_ATTEMPTS = 3
_MAX_OCTETS: Final = 256 << 20
"""What one dump may come to, some 200,000 interfaces."""


class Dump(NamedTuple):
    """All messages of one dump: the octets, and begin and end of each interface's message."""

    data: bytes
    spans: list[tuple[int, int]]


class LinkSocket:
    """Asks the kernel for all interfaces of the network namespace that the process is in.

    Raises OSError from `dump` and nothing else; after an error the next dump uses a new socket, so
    that no late answer is taken for one to the next question.
    """

    def __init__(self, open_socket: Callable[[], socket.socket] | None = None) -> None:
        self._open = open_socket or _open
        self._socket: socket.socket | None = None
        self._sequence = 0

    def dump(self) -> Dump:
        """Read every interface; an interrupted dump is repeated (three times at most).

        Raises:
            OSError: the kernel did not answer in time, refused, or lost a part.
        """
        for _ in range(_ATTEMPTS):
            try:
                whole, dump = self._ask()
            except OSError:
                self.close()
                raise
            if whole:
                return dump
        raise OSError(errno.EAGAIN, "the interfaces changed during each of three reads")

    def close(self) -> None:
        """Release the socket; the next dump opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _ask(self) -> tuple[bool, Dump]:
        if self._socket is None:
            self._socket = self._open()
        self._sequence = (self._sequence + 1) & 0xFFFFFFFF
        size = _HEADER.size + _REQUEST.size
        header = _HEADER.pack(size, _RTM_GETLINK, _NLM_F_REQUEST_DUMP, self._sequence, 0)
        self._socket.send(header + _REQUEST.pack(0, 0, 0, 0, 0, 8, _IFLA_EXT_MASK, _SKIP_STATS))
        return self._collect(self._socket)

    def _collect(self, link: socket.socket) -> tuple[bool, Dump]:
        """Receive until the dump is done; tell whether it is of one piece."""
        reader = _Reader(self._sequence)
        deadline = time.monotonic() + 10 * _TIMEOUT_S
        while not reader.done:
            if time.monotonic() > deadline:
                raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
            try:
                reader.take(link.recv(_BUFFER))
            except BlockingIOError as error:  # what SO_RCVTIMEO gives
                raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)) from error
        return not reader.interrupted, Dump(b"".join(reader.chunks), reader.spans)


class _Reader:
    """Puts the datagrams of a dump together."""

    def __init__(self, sequence: int) -> None:
        self.chunks: list[bytes] = []
        self.spans: list[tuple[int, int]] = []
        self.done = False
        self.interrupted = False
        self._sequence = sequence
        self._size = 0

    def take(self, chunk: bytes) -> None:
        at = 0
        while at + _HEADER.size <= len(chunk) and not self.done:
            length, kind, flags, sequence, _ = _HEADER.unpack_from(chunk, at)
            if not _HEADER.size <= length <= len(chunk) - at:
                raise OSError(errno.EBADMSG, "a netlink message ends outside of its datagram")
            if sequence == self._sequence:
                self._take_message(chunk, at, length, kind)
                self.interrupted |= bool(flags & _NLM_F_DUMP_INTR)
            at += (length + 3) & ~3
        self.chunks.append(chunk)
        self._size += len(chunk)
        if self._size > _MAX_OCTETS:
            raise OSError(errno.EMSGSIZE, f"the interfaces take more than {_MAX_OCTETS} octets")

    def _take_message(self, chunk: bytes, at: int, length: int, kind: int) -> None:
        if kind == _RTM_NEWLINK:
            self.spans.append((self._size + at, self._size + at + length))
        elif kind in (_NLMSG_DONE, _NLMSG_ERROR):
            self.done = True
            code = -_ERROR_CODE.unpack_from(chunk, at + _HEADER.size)[0] if length >= 20 else 0
            if code:
                raise OSError(code, os.strerror(code))


def _open() -> socket.socket:
    """Open a route socket with a time limit on every wait."""
    link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    try:
        seconds, rest = divmod(_TIMEOUT_S, 1)
        timeout = struct.pack("@ll", int(seconds), int(rest * 1e6))
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeout)
        with contextlib.suppress(OSError):  # before Linux 4.20 requests are taken as they come
            link.setsockopt(_SOL_NETLINK, _STRICT_CHECK, 1)
        link.bind((0, 0))
    except OSError:
        link.close()
        raise
    return link
