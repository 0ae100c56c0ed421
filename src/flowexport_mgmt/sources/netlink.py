"""Dumps from the kernel over netlink(7), first of all of its interfaces (rtnetlink(7))."""

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


class DumpSocket:
    """Asks the kernel for everything of a kind.

    Raises OSError from `dump` and nothing else; after an error the next dump uses a new socket, so
    that no late answer is taken for one to the next question.
    """

    def __init__(self, open_socket: Callable[[], socket.socket]) -> None:
        self._open = open_socket
        self._socket: socket.socket | None = None
        self._sequence = 0

    def dump(self, request: int, answer: int, body: bytes) -> Dump:
        """Ask for a dump; one that was interrupted is repeated (three times at most).

        Args:
            request: the type of the message that asks.
            answer: the type of those that are the dump.
            body: what follows the header in the message that asks.

        Raises:
            OSError: the kernel did not answer in time, refused, or lost a part.
        """
        for _ in range(_ATTEMPTS):
            try:
                whole, dump = self._ask(request, answer, body)
            except OSError:
                self.close()
                raise
            if whole:
                return dump
        raise OSError(errno.EAGAIN, "what was asked for changed during each of three reads")

    def close(self) -> None:
        """Release the socket; the next dump opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _ask(self, request: int, answer: int, body: bytes) -> tuple[bool, Dump]:
        if self._socket is None:
            self._socket = self._open()
        self._sequence = (self._sequence + 1) & 0xFFFFFFFF
        size = _HEADER.size + len(body)
        header = _HEADER.pack(size, request, _NLM_F_REQUEST_DUMP, self._sequence, 0)
        self._socket.send(header + body)
        return self._collect(self._socket, answer)

    def _collect(self, link: socket.socket, answer: int) -> tuple[bool, Dump]:
        """Receive until the dump is done; tell whether it is of one piece."""
        reader = _Reader(self._sequence, answer)
        deadline = time.monotonic() + 10 * _TIMEOUT_S
        while not reader.done:
            if time.monotonic() > deadline:
                raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
            try:
                reader.take(link.recv(_BUFFER))
            except BlockingIOError as error:  # what SO_RCVTIMEO gives
                raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)) from error
        return not reader.interrupted, Dump(b"".join(reader.chunks), reader.spans)


class LinkSocket:
    """Asks the kernel for all interfaces of the network namespace that the process is in."""

    def __init__(self, open_socket: Callable[[], socket.socket] | None = None) -> None:
        self._dumps = DumpSocket(open_socket or _open_route)

    def dump(self) -> Dump:
        """Read every interface, as `DumpSocket.dump` does."""
        body = _REQUEST.pack(0, 0, 0, 0, 0, 8, _IFLA_EXT_MASK, _SKIP_STATS)
        return self._dumps.dump(_RTM_GETLINK, _RTM_NEWLINK, body)

    def close(self) -> None:
        """Release the socket; the next dump opens another."""
        self._dumps.close()


class _Reader:
    """Puts the datagrams of a dump together."""

    def __init__(self, sequence: int, answer: int) -> None:
        self.chunks: list[bytes] = []
        self.spans: list[tuple[int, int]] = []
        self.done = False
        self.interrupted = False
        self._sequence = sequence
        self._answer = answer
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
            raise OSError(errno.EMSGSIZE, f"a dump takes more than {_MAX_OCTETS} octets")

    def _take_message(self, chunk: bytes, at: int, length: int, kind: int) -> None:
        if kind == self._answer:
            self.spans.append((self._size + at, self._size + at + length))
        elif kind in (_NLMSG_DONE, _NLMSG_ERROR):
            self.done = True
            code = -_ERROR_CODE.unpack_from(chunk, at + _HEADER.size)[0] if length >= 20 else 0
            if code:
                raise OSError(code, os.strerror(code))


def open_netlink(family: int) -> socket.socket:
    """Open a socket of a netlink family with a time limit on every wait."""
    link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, family)
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


def _open_route() -> socket.socket:
    return open_netlink(socket.NETLINK_ROUTE)
