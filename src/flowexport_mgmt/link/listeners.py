"""Bind and listen: what the broker does for an endpoint."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterable
from pathlib import Path

from flowexport_mgmt.link.broker import Endpoint, TcpEndpoint, UnixEndpoint

_BACKLOG = 512
SUN_PATH_MAX = 107
"""The longest path of a Unix socket in octets (``sun_path`` less its terminating zero)."""


def open_listener(endpoint: Endpoint, ours: Iterable[socket.socket] = ()) -> socket.socket:
    """Bind and listen on an endpoint; the socket is non-blocking and not inheritable.

    ``ours`` are listening sockets of this process that the new one may overlap with: a door that
    moves from one address to all of them, or back, listens on both for a moment.

    Raises:
        OSError: with the errno of what failed.
    """
    match endpoint:
        case TcpEndpoint():
            return _listen_tcp_beside(endpoint, ours)
        case UnixEndpoint(path=path):
            return _listen_unix(path)


def _listen_tcp_beside(endpoint: TcpEndpoint, ours: Iterable[socket.socket]) -> socket.socket:
    try:
        return _listen_tcp(endpoint)
    except OSError as error:
        same = [listener for listener in ours if _port(listener) == endpoint.port]
        if error.errno != errno.EADDRINUSE or not same:
            raise
    try:
        for listener in same:
            _share_port(listener, share=True)
        opened = _listen_tcp(endpoint, share=True)
        _share_port(opened, share=False)
    finally:
        for listener in same:
            _share_port(listener, share=False)
    return opened


def _port(listener: socket.socket) -> int:
    is_tcp = listener.family in {socket.AF_INET, socket.AF_INET6}
    return int(listener.getsockname()[1]) if is_tcp else 0


def _share_port(listener: socket.socket, *, share: bool) -> None:
    """Let another socket that says the same bind to the port; somebody else's never does."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, share)


def _listen_tcp(endpoint: TcpEndpoint, *, share: bool = False) -> socket.socket:
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV | socket.AI_PASSIVE
    try:
        found = socket.getaddrinfo(
            endpoint.address, endpoint.port, type=socket.SOCK_STREAM, flags=flags
        )
    except socket.gaierror as error:
        raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL)) from error
    family, kind, protocol, _, sockaddr = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        _share_port(listener, share=share)
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
