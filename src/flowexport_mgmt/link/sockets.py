"""How the exporter gets sockets in network namespaces, which only the supervisor may enter.

::

    exporter -> supervisor                       supervisor -> exporter
    OpenSocket(request, namespace, family, kind) Opened(request, error) [+ descriptor]
    MakeNamespace(request, namespace)            Opened(request, error)

They have a SEQPACKET socket of their own for it, because the exporter asks from several threads and
waits for the answer.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import threading
import time
from typing import Final

import msgspec

from flowexport_mgmt.link import control
from flowexport_mgmt.link.namespaces import is_name

PATIENCE_S: Final = 2.0

_FAMILIES: Final = (socket.AF_INET, socket.AF_INET6)
_KINDS: Final = (socket.SOCK_DGRAM, socket.SOCK_STREAM)
_ALLOWED: Final = frozenset(
    ((socket.AF_NETLINK, socket.SOCK_RAW), *((f, k) for f in _FAMILIES for k in _KINDS))
)


class OpenSocket(msgspec.Struct, frozen=True, tag=True):
    """Open an unconnected socket in a named network namespace."""

    request: int
    namespace: str
    family: int
    kind: int

    @property
    def is_allowed(self) -> bool:
        """Whether it asks for UDP, TCP or rtnetlink(7) in what can be a namespace."""
        return (self.family, self.kind) in _ALLOWED and is_name(self.namespace)


class MakeNamespace(msgspec.Struct, frozen=True, tag=True):
    """Make a network namespace, unless there is one of that name."""

    request: int
    namespace: str


class Opened(msgspec.Struct, frozen=True, tag=True):
    """The answer: done, a socket riding along where one was asked for, or ``error`` is an errno."""

    request: int
    error: int = 0


Request = OpenSocket | MakeNamespace
requests: Final[msgspec.msgpack.Decoder[Request]] = msgspec.msgpack.Decoder(Request)
_answers: Final = msgspec.msgpack.Decoder(Opened)


class SocketClient:
    """The exporter's end; safe to use from any thread."""

    def __init__(self, link: socket.socket) -> None:
        link.setblocking(False)
        self._link = link
        self._lock = threading.Lock()
        self._last_request = 0

    def open_in_namespace(self, name: str, family: int, kind: int) -> socket.socket:
        """Have a socket opened; it is non-blocking and the caller's own.

        Raises:
            OSError: it cannot be had, with the errno of what failed.
            LinkError: the supervisor is gone.
        """
        with self._lock:
            self._last_request += 1
            control.send(self._link, OpenSocket(self._last_request, name, family, kind))
            passed = self._await(self._last_request)
        if passed is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return passed

    def make_namespace(self, name: str) -> None:
        """Have a namespace made, unless there is one of that name.

        Raises:
            OSError: it cannot be had, with the errno of what failed.
            LinkError: the supervisor is gone.
        """
        with self._lock:
            self._last_request += 1
            control.send(self._link, MakeNamespace(self._last_request, name))
            self._await(self._last_request)

    def close(self) -> None:
        """Release the socket to the supervisor."""
        self._link.close()

    def _await(self, request: int) -> socket.socket | None:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            received = control.receive(self._link, _answers)
            if received is None:
                self._pause(deadline - time.monotonic())
                continue
            answer, passed = received
            if answer.request == request:
                break
            if passed is not None:  # the answer to a request that was given up
                passed.close()
        if answer.error:
            raise OSError(answer.error, os.strerror(answer.error))
        return passed if isinstance(passed, socket.socket) else None

    def _pause(self, seconds: float) -> None:
        poll = select.poll()
        poll.register(self._link, select.POLLIN)
        if seconds <= 0 or not poll.poll(seconds * 1000):
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
