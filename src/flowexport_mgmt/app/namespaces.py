"""Sockets in named network namespaces for the exporter, which may not enter them itself."""

from __future__ import annotations

import errno
import logging
import socket

from flowexport_mgmt.app.loop import Loop
from flowexport_mgmt.errors import LinkError
from flowexport_mgmt.link import control
from flowexport_mgmt.link.namespaces import make_namespace, open_in_namespace
from flowexport_mgmt.link.sockets import MakeNamespace, Opened, OpenSocket, Request, requests

_AT_ONCE = 64
"""Requests that are answered before others have their turn."""

_logger = logging.getLogger(__name__)


class NamespaceBroker:
    """Opens what one child at a time asks for; it keeps no socket that it gave away."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._ours: socket.socket | None = None

    def renew(self) -> socket.socket:
        """Make the end that the next child asks by, and forget the one before."""
        self.close()
        self._ours, theirs = control.pair()
        self._loop.watch(self._ours, self._read)
        return theirs

    def close(self) -> None:
        """Answer nobody."""
        if self._ours is not None:
            self._loop.unwatch(self._ours)
            self._ours.close()
            self._ours = None

    def _read(self) -> None:
        try:
            for _ in range(_AT_ONCE):
                if self._ours is None:
                    return
                received = control.receive(self._ours, requests)
                if received is None:
                    return
                request, passed = received
                if passed is not None:
                    passed.close()  # a child has nothing to give
                self._answer(self._ours, request)
        except LinkError as error:
            _logger.debug("sockets in namespaces: %s", error)
            self.close()

    def _answer(self, link: socket.socket, request: Request) -> None:
        if isinstance(request, MakeNamespace):
            _make(link, request)
        else:
            self._open(link, request)

    def _open(self, link: socket.socket, request: OpenSocket) -> None:
        if not request.is_allowed:
            control.send(link, Opened(request.request, errno.EINVAL))
            return
        try:
            made = open_in_namespace(request.namespace, request.family, request.kind)
        except OSError as error:
            control.send(link, Opened(request.request, error.errno or errno.EINVAL))
            return
        with made:
            control.send(link, Opened(request.request), made.fileno())


def _make(link: socket.socket, request: MakeNamespace) -> None:
    try:
        make_namespace(request.namespace)
    except OSError as error:
        control.send(link, Opened(request.request, error.errno or errno.EINVAL))
        return
    control.send(link, Opened(request.request))
