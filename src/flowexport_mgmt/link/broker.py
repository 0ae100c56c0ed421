"""How a child process gets listening sockets: the face that the doors use.

The supervisor binds them, because it may hold the privilege for ports below 1024 and because a
listening socket must outlive the process that accepts on it. Asking again for an endpoint that
is held gives another descriptor of the same socket, so two doors can swap ports in one commit.
"""

from __future__ import annotations

import socket
from typing import Protocol

import msgspec


class TcpEndpoint(msgspec.Struct, frozen=True, tag="tcp"):
    """A local address (numeric, IPv6 may carry a zone) and a TCP port to listen on."""

    address: str
    port: int

    def __str__(self) -> str:
        """Write it as a person would: ``[::1]:830``."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}"


class UnixEndpoint(msgspec.Struct, frozen=True, tag="unix"):
    """The path of a Unix stream socket."""

    path: str

    def __str__(self) -> str:
        """Write the path."""
        return self.path


Endpoint = TcpEndpoint | UnixEndpoint


class Broker(Protocol):
    """Gives out listening sockets; every ``listen`` is matched by one ``release``.

    The sockets are bound, listening and non-blocking, and the caller owns its descriptor: it
    closes it and then releases the endpoint. A refused ``listen`` raises OSError with the real
    errno (EADDRINUSE, EADDRNOTAVAIL, EACCES, ...) and needs no release. Every call raises
    LinkError when the supervisor is gone.
    """

    async def listen_tcp(self, address: str, port: int) -> socket.socket:
        """Listen on a numeric IPv4 or IPv6 address, IPv6 with a zone where it needs one."""

    async def listen_unix(self, path: str) -> socket.socket:
        """Listen on a Unix stream socket that only its owner and root can connect to."""

    async def release_tcp(self, address: str, port: int) -> None:
        """Say that the caller no longer listens there."""

    async def release_unix(self, path: str) -> None:
        """Say that the caller no longer listens there."""
