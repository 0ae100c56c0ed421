"""Requests to the kernel over netlink, one at a time, and what it answers (netlink(7))."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator
from typing import Final

HEADER: Final = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
ATTRIBUTE: Final = struct.Struct("=HH")

REQUEST, ACK, REPLACE, EXCLUSIVE, CREATE, DUMP = 0x1, 0x4, 0x100, 0x200, 0x400, 0x300

_ERROR, _DONE = 2, 3
_ERROR_CODE = struct.Struct("=i")
_MULTI, _CAPPED, _ACK_TLVS = 0x2, 0x100, 0x200
_DUMP_INTR = 0x10
_TEXT: Final = 1  # NLMSGERR_ATTR_MSG
_TYPE_MASK: Final = 0x3FFF
_SOL_NETLINK, _CAP_ACK, _EXT_ACK = 270, 10, 11
_BUFFER: Final = 1 << 16
_TIMEOUT_S: Final = 2.0
_MAX_MESSAGES: Final = 1 << 20
_ATTEMPTS: Final = 3


class Requests:
    """A netlink socket for questions and orders; not safe to use from two threads.

    Every method raises OSError, with the kernel's own words where it gives some. ``open_socket``
    opens the socket where it is not to be one of this process's own network.
    """

    def __init__(
        self, protocol: int, open_socket: Callable[[], socket.socket] | None = None
    ) -> None:
        self._open = open_socket or functools.partial(
            socket.socket, socket.AF_NETLINK, socket.SOCK_RAW, protocol
        )
        self._socket: socket.socket | None = None
        self._sequence = 0

    def call(self, kind: int, body: bytes, flags: int = 0) -> list[bytes]:
        """Ask for one thing, or order one: the bodies of the messages of the answer."""
        return self._ask(kind, body, REQUEST | ACK | flags)

    def dump(self, kind: int, body: bytes) -> list[bytes]:
        """Ask for all there is; a dump that was disturbed is repeated, three times at most."""
        for _ in range(_ATTEMPTS):
            with contextlib.suppress(InterruptedError):
                return self._ask(kind, body, REQUEST | DUMP)
        raise OSError(errno.EAGAIN, "what was asked for changed during each of three reads")

    def close(self) -> None:
        """Release the socket; the next request opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _ask(self, kind: int, body: bytes, flags: int) -> list[bytes]:
        self._sequence = self._sequence + 1 & 0xFFFFFFFF
        link = self._socket = self._socket or _prepare(self._open())
        try:
            link.send(HEADER.pack(HEADER.size + len(body), kind, flags, self._sequence, 0) + body)
            answers, refusal = self._collect(link)
        except OSError:
            self.close()  # so that no late answer is taken for one to the next question
            raise
        if refusal is not None:
            raise refusal
        return answers

    def _collect(self, link: socket.socket) -> tuple[list[bytes], OSError | None]:
        """Receive until the answer is complete; what the kernel refuses is complete too."""
        answers: list[bytes] = []
        disturbed = False
        deadline = time.monotonic() + _TIMEOUT_S
        while True:
            for kind, flags, sequence, body in _messages(_receive(link, deadline)):
                if sequence != self._sequence:
                    continue
                disturbed |= bool(flags & _DUMP_INTR)
                if kind in {_ERROR, _DONE}:
                    interrupted = InterruptedError(errno.EINTR, os.strerror(errno.EINTR))
                    return answers, _refusal(body, flags) or (interrupted if disturbed else None)
                answers.append(body)
            if len(answers) > _MAX_MESSAGES:
                raise OSError(errno.EMSGSIZE, "the answer does not end")


def pack(kind: int, value: bytes) -> bytes:
    """Lay out an attribute."""
    length = ATTRIBUTE.size + len(value)
    return ATTRIBUTE.pack(length, kind) + value + bytes(-length % 4)


def unpack(data: bytes, at: int = 0) -> dict[int, bytes]:
    """Take attributes apart; what does not fit the data ends them."""
    found: dict[int, bytes] = {}
    while at + ATTRIBUTE.size <= len(data):
        length, kind = ATTRIBUTE.unpack_from(data, at)
        if not ATTRIBUTE.size <= length <= len(data) - at:
            break
        found[kind & _TYPE_MASK] = data[at + ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3
    return found


def number(value: bytes | None, default: int = 0) -> int:
    """Read a native unsigned number of any width."""
    if not value:
        return default
    return int.from_bytes(value, "little" if struct.pack("=H", 1)[0] else "big")


def text(value: bytes | None) -> str:
    """Read a string that may end in zero octets."""
    return (value or b"").rstrip(b"\0").decode("utf-8", "replace")


def _prepare(link: socket.socket) -> socket.socket:
    try:
        for option in (_CAP_ACK, _EXT_ACK):
            with contextlib.suppress(OSError):  # before Linux 4.12 errors come without words
                link.setsockopt(_SOL_NETLINK, option, 1)
        link.bind((0, 0))
    except OSError:
        link.close()
        raise
    return link


def _receive(link: socket.socket, deadline: float) -> bytes:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
    link.settimeout(left)
    return link.recv(_BUFFER)


def _messages(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Yield type, flags, sequence and body of each message."""
    at = 0
    while at + HEADER.size <= len(data):
        length, kind, flags, sequence, _ = HEADER.unpack_from(data, at)
        if not HEADER.size <= length <= len(data) - at:
            raise OSError(errno.EBADMSG, "a netlink message ends outside of its datagram")
        yield kind, flags, sequence, data[at + HEADER.size : at + length]
        at += (length + 3) & ~3


def _refusal(body: bytes, flags: int) -> OSError | None:
    """Read what the last message of an answer says."""
    code = -_ERROR_CODE.unpack_from(body)[0] if len(body) >= _ERROR_CODE.size else 0
    if not code:
        return None
    words = ""
    if flags & _ACK_TLVS:
        at = _ERROR_CODE.size + HEADER.size
        if not flags & _CAPPED:
            at += (HEADER.unpack_from(body, _ERROR_CODE.size)[0] - HEADER.size + 3) & ~3
        words = text(unpack(body, at).get(_TEXT)).rstrip(".")
    return OSError(code, words or os.strerror(code))
