"""The two doors by which routes come in, and how sockets for them are had and kept."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable
from typing import Final, NamedTuple

from flowexport_mgmt.errors import LinkError
from flowexport_mgmt.link.broker import Broker
from flowexport_mgmt.observe.log import LimitedLogger

_LOG = LimitedLogger(logging.getLogger(__name__))

_RETRY_S: Final = 5.0
_PAUSE_S: Final = 1.0

Take = Callable[[socket.socket, str], None]
"""Takes a connection and the address that it comes from."""


class Endpoint(NamedTuple):
    """Where to listen."""

    address: str
    port: int


class Listener:
    """Listens on one endpoint at a time; a new one is had before the old one is given up."""

    def __init__(self, broker: Broker, take: Take, ready: Callable[[socket.socket], None]) -> None:
        """``take`` gets connections, ``ready`` each socket before it accepts any."""
        self._broker = broker
        self._take = take
        self._ready = ready
        self._endpoint: Endpoint | None = None
        self._prepared: tuple[Endpoint, socket.socket] | None = None
        self._wanted: Endpoint | None = None
        self._task: asyncio.Task[None] | None = None
        self.socket: socket.socket | None = None
        self.error: str | None = None
        """Why it does not listen though it should."""

    async def prepare(self, wanted: Endpoint | None) -> str | None:
        """Get a socket for an endpoint if it is a new one; say why there is none, if so."""
        self._wanted = wanted
        if wanted is None or wanted == self._endpoint:
            return None
        try:
            self._prepared = wanted, await self._broker.listen_tcp(*wanted)
        except (OSError, LinkError) as error:
            return f"cannot listen on {wanted.address} port {wanted.port}: {_explain(error)}"
        return None

    async def apply(self) -> None:
        """Listen where `prepare` was told to, and nowhere else; what failed is tried again."""
        prepared, self._prepared = self._prepared, None
        if self._wanted == self._endpoint:
            return
        await self._close()
        self._endpoint, self.error = self._wanted, None
        if self._endpoint is not None:
            sock = None if prepared is None else prepared[1]
            self._task = asyncio.get_running_loop().create_task(self._run(self._endpoint, sock))

    async def abort(self) -> None:
        """Give up what `prepare` got."""
        prepared, self._prepared = self._prepared, None
        if prepared is not None:
            prepared[1].close()
            await self._broker.release_tcp(*prepared[0])

    async def stop(self) -> None:
        """Listen no more."""
        await self.abort()
        await self._close()
        self._endpoint = None

    async def _close(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _run(self, endpoint: Endpoint, sock: socket.socket | None) -> None:
        while sock is None:
            sock = await self._retry(endpoint)
        try:
            with sock:
                self.socket, self.error = sock, None
                self._ready(sock)
                await self._accept(sock)
        finally:
            self.socket = None
            with contextlib.suppress(LinkError):
                await self._broker.release_tcp(*endpoint)

    async def _retry(self, endpoint: Endpoint) -> socket.socket | None:
        try:
            return await self._broker.listen_tcp(*endpoint)
        except (OSError, LinkError) as error:
            self.error = (
                f"cannot listen on {endpoint.address} port {endpoint.port}: {_explain(error)}"
            )
            await asyncio.sleep(_RETRY_S)
            return None

    async def _accept(self, sock: socket.socket) -> None:
        while True:
            try:
                connection, address = await asyncio.get_running_loop().sock_accept(sock)
            except OSError as error:
                _LOG.log(logging.WARNING, "accept", "no connection is taken: %s", error)
                await asyncio.sleep(_PAUSE_S)
                continue
            self._take(connection, str(address[0]))


def _explain(error: OSError | LinkError) -> str:
    return os.strerror(error.errno or 0) if isinstance(error, OSError) else str(error)
