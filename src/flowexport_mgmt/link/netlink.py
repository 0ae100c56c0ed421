"""Dumps from the kernel over netlink(7), and sockets that hear of changes."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
import time
from array import array
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_ERROR_CODE = struct.Struct("=i")
_NLMSG_ERROR = 2
_NLMSG_DONE = 3
_NLM_F_REQUEST_DUMP = 0x301
_NLM_F_DUMP_INTR = 0x10
_SOL_NETLINK = 270
_ADD_MEMBERSHIP = 1
_STRICT_CHECK = 12
_SO_RCVBUFFORCE = 33

_BUFFER = 1 << 16  # the kernel puts at most 32 KiB of a dump into one datagram
_TIMEOUT_S = 0.5
_PATIENCE_S: Final = 10 * _TIMEOUT_S
_MOST_OCTETS: Final = 256 << 20
"""What one dump may come to, some 200,000 interfaces."""
ATTEMPTS: Final = 3
"""Questions until an answer of one piece, at most."""

OpenSocket = Callable[[], socket.socket]


class Dump(NamedTuple):
    """All messages of one dump: the octets, and begin and end of each."""

    data: bytes
    spans: list[tuple[int, int]]


class Answer(NamedTuple):
    """What came of one question: octets, and begins and ends of the messages.

    ``whole`` is False when the kernel's table changed meanwhile.
    """

    data: bytes
    begins: array[int]
    ends: array[int]
    whole: bool


class DumpSocket:
    """Asks the kernel for everything of a kind.

    Raises OSError from `ask` and `dump` and nothing else; after an error the next one uses a new
    socket, so that no late answer is taken for one to the next question.
    """

    def __init__(
        self,
        open_socket: OpenSocket,
        *,
        patience: float = _PATIENCE_S,
        most_octets: int = _MOST_OCTETS,
    ) -> None:
        """Set how long a dump may take in seconds, and how many octets it may come to."""
        self._open = open_socket
        self._patience = patience
        self._most_octets = most_octets
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
        for _ in range(ATTEMPTS):
            found = self.ask(request, answer, body)
            if found.whole:
                return Dump(found.data, list(zip(found.begins, found.ends, strict=True)))
        raise OSError(errno.EAGAIN, "what was asked for changed during each of three reads")

    def ask(self, request: int, answer: int, body: bytes) -> Answer:
        """Ask once, as `dump` does, and take what comes."""
        try:
            return self._ask(request, answer, body)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Release the socket; the next question opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _ask(self, request: int, answer: int, body: bytes) -> Answer:
        if self._socket is None:
            self._socket = self._open()
        self._sequence = (self._sequence + 1) & 0xFFFFFFFF
        size = _HEADER.size + len(body)
        header = _HEADER.pack(size, request, _NLM_F_REQUEST_DUMP, self._sequence, 0)
        self._socket.send(header + body)
        reader = _Reader(answer, self._sequence, self._most_octets)
        self._collect(self._socket, reader)
        return Answer(b"".join(reader.chunks), reader.begins, reader.ends, not reader.interrupted)

    def _collect(self, link: socket.socket, reader: _Reader) -> None:
        """Receive until the dump is done."""
        deadline = time.monotonic() + self._patience
        while not reader.done:
            if time.monotonic() > deadline:
                raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
            try:
                reader.take(link.recv(_BUFFER))
            except BlockingIOError as error:  # what SO_RCVTIMEO gives
                raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)) from error


class _Reader:
    """Puts the datagrams of a dump together."""

    def __init__(self, answer: int, sequence: int, most_octets: int) -> None:
        self.chunks: list[bytes] = []
        self.begins = array("q")
        self.ends = array("q")
        self.done = False
        self.interrupted = False
        self._answer = answer
        self._sequence = sequence
        self._most_octets = most_octets
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
        if self._size > self._most_octets:
            raise OSError(errno.EMSGSIZE, f"a dump takes more than {self._most_octets} octets")

    def _take_message(self, chunk: bytes, at: int, length: int, kind: int) -> None:
        if kind == self._answer:
            self.begins.append(self._size + at)
            self.ends.append(self._size + at + length)
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


def open_route() -> socket.socket:
    """Open a socket for questions about interfaces and routes (rtnetlink(7))."""
    return open_netlink(socket.NETLINK_ROUTE)


def open_monitor(family: int, groups: Iterable[int], buffer: int) -> socket.socket:
    """Open a socket that hears of changes and never waits.

    ``groups`` are numbers of multicast groups; of ``buffer`` octets as many as the system allows
    are had.
    """
    link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, family)
    try:
        link.setblocking(False)
        try:
            link.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, buffer)
        except PermissionError:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        link.bind((0, 0))
        for group in groups:
            link.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)
    except OSError:
        link.close()
        raise
    return link
