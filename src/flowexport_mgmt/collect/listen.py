"""Receiving datagrams on any number of ports."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Final, NamedTuple

from flowexport_mgmt.collect.output import render_source
from flowexport_mgmt.errors import ExitCode, StartError
from flowexport_mgmt.wire.decoder import Decoder
from flowexport_mgmt.wire.messages import Message, Source

Receive = Callable[[int, Message], None]
"""Takes the port and what was decoded."""

_BUFFER: Final = 4 << 20  # the kernel gives what net.core.rmem_max allows


class Endpoint(NamedTuple):
    """Where to listen; port 0 lets the kernel choose."""

    host: str
    port: int

    def __str__(self) -> str:
        """Write it as it is given on the command line."""
        return render_source(self)


def parse_endpoint(text: str) -> Endpoint:
    """Read ``HOST:PORT``, ``[IPV6]:PORT`` or ``PORT``, which is on the loopback address.

    Raises:
        ValueError: it is none of these.
    """
    host, _, port = text.rpartition(":")
    if not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise ValueError(f"{text!r} has no port from 0 to 65535; write HOST:PORT")
    return Endpoint(host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port))


def bind(endpoint: Endpoint) -> socket.socket:
    """Open a socket.

    Raises:
        StartError: it cannot be had; the message says why.
    """
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            endpoint.host, endpoint.port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, proto)
    except OSError as error:
        raise _explain(endpoint, error) from error
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        sock.setblocking(False)
        sock.bind(address)
    except OSError as error:
        sock.close()
        raise _explain(endpoint, error) from error
    return sock


def _explain(endpoint: Endpoint, error: OSError) -> StartError:
    denied = error.errno in {errno.EACCES, errno.EPERM}
    code = ExitCode.PERMISSION if denied else ExitCode.RESOURCE_MISSING
    return StartError(f"cannot listen on {endpoint}: {error.strerror}", code)


class _Protocol(asyncio.DatagramProtocol):
    def __init__(self, port: int, receive: Receive) -> None:
        self._port = port
        self._receive = receive
        self._decoder = Decoder()

    def datagram_received(self, data: bytes, addr: Source) -> None:
        source = (addr[0], addr[1])  # IPv6 adds flow label and scope
        self._receive(self._port, self._decoder.receive(data, source, time.time_ns()))


@contextlib.asynccontextmanager
async def listening(
    sockets: Iterable[socket.socket], receive: Receive
) -> AsyncIterator[list[Endpoint]]:
    """Decode what bound sockets receive while the context lasts; yields where they listen."""
    loop = asyncio.get_running_loop()
    transports = []
    endpoints = []
    try:
        for sock in sockets:
            host, port = sock.getsockname()[:2]
            endpoints.append(Endpoint(host, port))
            protocol = functools.partial(_Protocol, port, receive)
            transport, _ = await loop.create_datagram_endpoint(protocol, sock=sock)
            transports.append(transport)
        yield endpoints
    finally:
        for transport in transports:
            transport.close()
