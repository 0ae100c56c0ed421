"""Routers that tell of their tables over BMP: their connections, and their sources of routes."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

from flowexport_mgmt.rib.base import Rib
from flowexport_mgmt.rib.peers import READ_SIZE, Told
from flowexport_mgmt.rib.sources import Identity, Kind, Source
from flowexport_mgmt.rib.station import (
    Ended,
    Event,
    Learned,
    PeerLost,
    PeerName,
    Station,
    StripLocalAs,
)
from flowexport_mgmt.wire.bgp import Update, UpdateColumns

_MOST_ROUTERS: Final = 256
_KEEPALIVE: Final = ((socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 3))


@dataclass(frozen=True, slots=True)
class RouterReport:
    """How a connection fares."""

    name: str
    description: str
    peers: int
    messages: int
    faults: int
    last_fault: str | None
    since_ns: int


class Routers:
    """All connections; only for the thread of the event loop."""

    def __init__(self, rib: Rib, told: Told) -> None:
        self._rib = rib
        self._told = told
        self._strip: StripLocalAs = "auto"
        self._connections: dict[_Connection, asyncio.Task[None]] = {}
        self.refused = 0
        """Connections beyond what is served at a time."""

    @property
    def local_as(self) -> int:
        """The AS of a router that is connected; 0 when none has told it."""
        return next((each.station.local_as for each in self._connections if each.sources), 0)

    def configure(self, strip_local_as: StripLocalAs) -> None:
        """Treat paths so from now on."""
        self._strip = strip_local_as
        for connection in self._connections:
            connection.station.strip_local_as = strip_local_as

    def take(self, connection: socket.socket, address: str) -> None:
        """Serve a connection."""
        if len(self._connections) >= _MOST_ROUTERS:
            self.refused += 1
            connection.close()
            return
        served = _Connection(self._rib, connection, address, self._strip, self._told)
        task = asyncio.get_running_loop().create_task(self._run(served))
        self._connections[served] = task

    def reports(self) -> list[RouterReport]:
        """Report every connection."""
        return [connection.report() for connection in self._connections]

    async def stop(self, *, keep: bool) -> None:
        """End all connections; their routes are kept for a while, or forgotten."""
        tasks = list(self._connections.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1)
        if not keep:
            for source in list(self._rib.sources.values()):
                if source.identity.kind is not Kind.IBGP:
                    self._rib.forget(source, time.monotonic())

    async def _run(self, served: _Connection) -> None:
        try:
            await served.serve(self._replace)
        finally:
            self._connections.pop(served, None)

    def _replace(self, newer: _Connection) -> None:
        """End an older connection of the same router."""
        for connection, task in list(self._connections.items()):
            if connection is not newer and connection.name == newer.name:
                connection.sources.clear()  # they are the newer one's
                task.cancel()


class _Connection:
    """A station, its socket, and its sources of routes."""

    def __init__(
        self, rib: Rib, sock: socket.socket, address: str, strip: StripLocalAs, told: Told
    ) -> None:
        self._rib = rib
        self._socket = sock
        self._address = address
        self._told = told
        self._since_ns = time.time_ns()
        self.station = Station(strip)
        self.sources: dict[tuple[Kind, Hashable], Source] = {}

    @property
    def name(self) -> str:
        """What the router is called: its address, and its own name if it told one."""
        return f"{self._address} {self.station.name}".rstrip()

    def report(self) -> RouterReport:
        """Say how it fares."""
        station = self.station
        return RouterReport(
            self.name,
            station.description,
            station.peers,
            station.messages,
            station.faults,
            station.last_fault,
            self._since_ns,
        )

    async def serve(self, replace) -> None:  # type: ignore[no-untyped-def]
        """Listen to the router until it has nothing more to say."""
        reason, is_told = "the connection was closed", False
        with self._socket:
            self._keep_alive()
            try:
                while True:
                    loop = asyncio.get_running_loop()
                    data = await loop.sock_recv(self._socket, READ_SIZE)
                    events = self.station.receive(data)
                    if not is_told and self.station.messages:
                        is_told = True
                        replace(self)
                        self._told(f"bmp {self.name}", True, None)
                    await self._take(events)
                    if events and isinstance(events[-1], Ended):
                        reason = events[-1].reason
                        return
            except OSError as error:
                reason = error.strerror or str(error)
            finally:
                for source in self.sources.values():
                    self._rib.lose(source, time.monotonic(), keep=True)
                if is_told:
                    self._told(f"bmp {self.name}", False, reason)

    def _keep_alive(self) -> None:
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE:
            self._socket.setsockopt(socket.IPPROTO_TCP, option, value)

    async def _take(self, events: list[Event]) -> None:
        """Take routes, those of each table together, and what else happened, in its order."""
        waiting: dict[tuple[Kind, Hashable], tuple[PeerName, list[Update | UpdateColumns]]] = {}
        for event in events:
            if isinstance(event, Learned):
                key = event.kind, event.peer.key
                waiting.setdefault(key, (event.peer, []))[1].append(event.update)
            elif isinstance(event, PeerLost):
                await self._learn(waiting)
                waiting = {}
                self._lose(event.peer)
        await self._learn(waiting)

    async def _learn(
        self, waiting: dict[tuple[Kind, Hashable], tuple[PeerName, list[Update | UpdateColumns]]]
    ) -> None:
        for (kind, key), (peer, updates) in waiting.items():
            source = self.sources.get((kind, key)) or self._open(kind, peer)
            if source is not None:
                for _ in self._rib.take(source, updates, time.monotonic(), time.time_ns()):
                    await asyncio.sleep(0)

    def _open(self, kind: Kind, peer: PeerName) -> Source | None:
        identity = Identity(kind, self.name, peer.key)
        source = self._rib.open_source(identity, peer.identifier)
        if source is not None:
            source.peer_address, source.peer_as = peer.address, peer.asn
            self._rib.begin(source, time.monotonic(), time.time_ns())
            self.sources[kind, peer.key] = source
        return source

    def _lose(self, peer: PeerName) -> None:
        """Forget the routes of a peer that the router has no session with any more."""
        for kind in (Kind.LOC_RIB, Kind.POST_POLICY, Kind.PRE_POLICY):
            source = self.sources.pop((kind, peer.key), None)
            if source is not None:
                self._rib.forget(source, time.monotonic())
