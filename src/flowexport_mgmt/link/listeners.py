"""Bind and listen: what the broker does for an endpoint."""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path

from flowexport_mgmt.link.broker import Endpoint, TcpEndpoint, UnixEndpoint

_BACKLOG = 128
SUN_PATH_MAX = 107
"""The longest path of a Unix socket in octets (``sun_path`` less its terminating zero)."""


def open_listener(endpoint: Endpoint) -> socket.socket:
    """Bind and listen on an endpoint; the socket is non-blocking and not inheritable.

    Raises:
        OSError: with the errno of what failed.
    """
    match endpoint:
        case TcpEndpoint(address=address, port=port):
            return _listen_tcp(address, port)
        case UnixEndpoint(path=path):
            return _listen_unix(path)


def _listen_tcp(address: str, port: int) -> socket.socket:
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV | socket.AI_PASSIVE
    try:
        found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=flags)
    except socket.gaierror as error:
        raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL)) from error
    family, kind, protocol, _, sockaddr = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(sockaddr)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def _listen_unix(path: str) -> socket.socket:
    if len(os.fsencode(path)) > SUN_PATH_MAX:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    umask = os.umask(0o177)
    try:
        listener.bind(path)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(umask)
    return listener


def _remove_stale(path: str) -> None:
    """Unlink a socket that nobody listens on any more; leave every other kind of file alone."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink(missing_ok=True)
        except FileNotFoundError:
            pass
        else:
            raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
