"""The socket broker: listening sockets that outlive the process that accepts on them."""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections.abc import Iterable
from pathlib import Path

from flowexport_mgmt.app.activation import Given
from flowexport_mgmt.link.broker import Endpoint, UnixEndpoint
from flowexport_mgmt.link.listeners import open_listener

_MAX_SOCKETS = 64

_logger = logging.getLogger(__name__)


class _Held:
    """A listening socket and how often the child asked for it without a release."""

    def __init__(self, listener: socket.socket, name: str = "") -> None:
        self.listener = listener
        self.name = name
        """What the service manager that passed it calls it; such a socket is never closed."""
        self.holders = 0


class SocketBroker:
    """Binds sockets with the supervisor's privilege and keeps them by endpoint.

    ``unix_path`` is the one Unix socket that may be asked for, if any; it is given to ``owner``
    (uid and gid), so that the child that serves it and root are the ones who can connect.
    """

    def __init__(self, unix_path: Path | None, owner: tuple[int, int] | None = None) -> None:
        self._unix_path = None if unix_path is None else str(unix_path)
        self._owner = owner
        self._held: dict[Endpoint, _Held] = {}

    def adopt(self, given: Iterable[Given]) -> None:
        """Keep the sockets that the service manager passed, for whoever asks for their ports."""
        for name, endpoint, listener in given:
            if endpoint in self._held:
                listener.close()
            else:
                self._held[endpoint] = _Held(listener, name)

    def listen(self, endpoint: Endpoint) -> socket.socket:
        """Return the listening socket of an endpoint, which stays the broker's own.

        Raises:
            OSError: it cannot be bound, or is none that a child may ask for.
        """
        held = self._held.get(endpoint)
        if held is None:
            self._check(endpoint)
            held = _Held(self._open(endpoint))
            self._held[endpoint] = held
            _logger.debug("listening on %s", endpoint)
        held.holders += 1
        return held.listener

    def release(self, endpoint: Endpoint) -> None:
        """Close an endpoint once every listen is matched by a release."""
        held = self._held.get(endpoint)
        if held is None or held.holders == 0:
            _logger.warning("%s was released without being held", endpoint)
            return
        held.holders -= 1
        if held.holders == 0 and not held.name:
            self._close(endpoint)

    def child_gone(self) -> None:
        """Keep the sockets of a child that ended for the one that follows it."""
        for held in self._held.values():
            held.holders = 0

    def child_ready(self) -> None:
        """Close what the child that ended held and its follower did not ask for."""
        for endpoint, held in [(e, held) for e, held in self._held.items() if not held.holders]:
            if held.name:
                _logger.warning("no door is configured for %s (%s)", endpoint, held.name)
            else:
                self._close(endpoint)

    def close(self) -> None:
        """Close everything."""
        for endpoint in list(self._held):
            self._close(endpoint)

    def _check(self, endpoint: Endpoint) -> None:
        if len(self._held) >= _MAX_SOCKETS:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        if isinstance(endpoint, UnixEndpoint):
            allowed = endpoint.path == self._unix_path
        else:
            allowed = 0 < endpoint.port < 65536
        if not allowed:
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    def _open(self, endpoint: Endpoint) -> socket.socket:
        listener = open_listener(endpoint, [held.listener for held in self._held.values()])
        if isinstance(endpoint, UnixEndpoint) and self._owner is not None:
            try:
                os.chown(endpoint.path, *self._owner, follow_symlinks=False)
            except OSError:
                listener.close()
                raise
        return listener

    def _close(self, endpoint: Endpoint) -> None:
        self._held.pop(endpoint).listener.close()
        if isinstance(endpoint, UnixEndpoint):
            Path(endpoint.path).unlink(missing_ok=True)
        _logger.debug("no longer listening on %s", endpoint)
