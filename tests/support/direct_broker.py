"""A broker for tests of the doors: the supervisor's own binding, without the supervisor."""

from __future__ import annotations

import socket

from flowexport_mgmt.link.broker import Endpoint, TcpEndpoint, UnixEndpoint
from flowexport_mgmt.link.listeners import open_listener


class DirectBroker:
    """Binds in this process and keeps a socket while somebody holds its endpoint."""

    def __init__(self) -> None:
        self._held: dict[Endpoint, tuple[socket.socket, int]] = {}

    async def listen_tcp(self, address: str, port: int) -> socket.socket:
        return self._listen(TcpEndpoint(address, port))

    async def listen_unix(self, path: str) -> socket.socket:
        return self._listen(UnixEndpoint(path))

    async def release_tcp(self, address: str, port: int) -> None:
        self._release(TcpEndpoint(address, port))

    async def release_unix(self, path: str) -> None:
        self._release(UnixEndpoint(path))

    def _listen(self, endpoint: Endpoint) -> socket.socket:
        ours = [listener for listener, _ in self._held.values()]
        listener, holders = self._held.get(endpoint) or (open_listener(endpoint, ours), 0)
        self._held[endpoint] = (listener, holders + 1)
        return listener.dup()

    def _release(self, endpoint: Endpoint) -> None:
        listener, holders = self._held.pop(endpoint)
        if holders > 1:
            self._held[endpoint] = (listener, holders - 1)
        else:
            listener.close()

    def close(self) -> None:
        for listener, _ in self._held.values():
            listener.close()
        self._held.clear()
