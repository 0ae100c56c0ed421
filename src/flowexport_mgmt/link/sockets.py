"""How the exporter gets sockets in network namespaces, which only the supervisor may enter.

::

    exporter -> supervisor                       supervisor -> exporter
    OpenSocket(request, namespace, family, kind) Opened(request, error) [+ descriptor]

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

_FAMILIES: Final = frozenset((socket.AF_INET, socket.AF_INET6))
_KINDS: Final = frozenset((socket.SOCK_DGRAM, socket.SOCK_STREAM))


class OpenSocket(msgspec.Struct, frozen=True, tag=True):
    """Open an unconnected socket in a named network namespace."""

    request: int
    namespace: str
    family: int
    kind: int

    @property
    def is_allowed(self) -> bool:
        """Whether it asks for UDP or TCP over IPv4 or IPv6 in what can be a namespace."""
        return self.family in _FAMILIES and self.kind in _KINDS and is_name(self.namespace)


class Opened(msgspec.Struct, frozen=True, tag=True):
    """The answer: the socket rides along, or ``error`` is an errno."""

    request: int
    error: int = 0


requests: Final = msgspec.msgpack.Decoder(OpenSocket)
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
            return self._await(self._last_request)

    def close(self) -> None:
        """Release the socket to the supervisor."""
        self._link.close()

    def _await(self, request: int) -> socket.socket:
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
        if passed is None:
            raise OSError(answer.error, os.strerror(answer.error))
        return passed

    def _pause(self, seconds: float) -> None:
        poll = select.poll()
        poll.register(self._link, select.POLLIN)
        if seconds <= 0 or not poll.poll(seconds * 1000):
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
