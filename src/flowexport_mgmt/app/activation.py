"""Listening sockets that the service manager passes: sd_listen_fds(3), without a library.

So the daemon serves ports below 1024 without any privilege. Each socket is for the door that is
configured for the very same address and port; its name is for people.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from flowexport_mgmt.link.broker import TcpEndpoint

_FIRST: Final = 3  # SD_LISTEN_FDS_START
_MAX: Final = 64
_VARIABLES: Final = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")

_logger = logging.getLogger(__name__)


class Given(NamedTuple):
    """A listening socket, what it listens on, and what the service manager calls it."""

    name: str
    endpoint: TcpEndpoint
    listener: socket.socket


def take_sockets(environment: Mapping[str, str], first: int = _FIRST) -> tuple[Given, ...]:
    """Take the sockets that were passed to this process; any that is of no use is closed."""
    count = environment.get("LISTEN_FDS", "")
    if environment.get("LISTEN_PID") != str(os.getpid()) or not count.isdecimal():
        return ()
    names = environment.get("LISTEN_FDNAMES", "").split(":")
    numbers = range(min(int(count), _MAX))
    labels = [names[number] if number < len(names) else "unknown" for number in numbers]
    return tuple(_take(labels, first))


def without(environment: Mapping[str, str]) -> dict[str, str]:
    """Copy an environment for a child process, which is passed none of them."""
    return {name: value for name, value in environment.items() if name not in _VARIABLES}


def _take(labels: list[str], first: int) -> Iterator[Given]:
    for descriptor, name in enumerate(labels, first):
        try:
            listener = socket.socket(fileno=descriptor)
        except OSError as error:
            _logger.warning("the passed descriptor %s is no socket: %s", name, error.strerror)
            continue
        listener.set_inheritable(False)
        if _is_tcp_listener(listener):
            listener.setblocking(False)
            address, port = listener.getsockname()[:2]
            _logger.info("%s listens on port %d, passed by the service manager", name, port)
            yield Given(name, TcpEndpoint(address, port), listener)
        else:
            _logger.warning("the passed socket %s is none that TCP connections arrive at", name)
            listener.close()


def _is_tcp_listener(listener: socket.socket) -> bool:
    if listener.family not in {socket.AF_INET, socket.AF_INET6}:
        return False
    is_stream = listener.type == socket.SOCK_STREAM
    return is_stream and bool(listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
