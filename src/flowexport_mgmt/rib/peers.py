"""Sessions of BGP over sockets: who may connect, what is heard, and what becomes of it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from flowexport_mgmt.rib import session as bgp
from flowexport_mgmt.rib.base import Rib
from flowexport_mgmt.rib.session import Session, SessionSettings, State
from flowexport_mgmt.rib.sources import Identity, Kind, Source
from flowexport_mgmt.wire.bgp import Update, UpdateColumns

READ_SIZE: Final = 1 << 17
_SEND_PATIENCE_S: Final = 20.0

Told = Callable[[str, bool, str | None], None]
"""Called with the name of a session, whether it is up, and why it is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbor:
    """Who may connect, and as what."""

    address: str
    peer_as: int
    local_as: int
    router_id: int | None
    password: str | None = None


@dataclass(slots=True)
class NeighborReport:
    """How the sessions of a neighbor fare."""

    state: str = "idle"
    sessions: int = 0
    identifier: int | None = None
    hold_time: int | None = None
    last_error: str | None = None


class _Peer:
    """A neighbor and its connection, if there is one."""

    def __init__(self, neighbor: Neighbor) -> None:
        self.neighbor = neighbor
        self.report = NeighborReport()
        self.session: Session | None = None
        self.task: asyncio.Task[None] | None = None
        self.parting: tuple[int, str] | None = None
        """Why we end the session."""
        self.wake = asyncio.Event()


class Peers:
    """All neighbors; only for the thread of the event loop."""

    def __init__(self, rib: Rib, told: Told) -> None:
        self._rib = rib
        self._told = told
        self._peers: dict[str, _Peer] = {}
        self.refused = 0
        """Connections of strangers."""

    def configure(self, neighbors: dict[str, Neighbor]) -> None:
        """Expect these neighbors; sessions of those that changed or went are ended."""
        for address, peer in list(self._peers.items()):
            if neighbors.get(address) != peer.neighbor:
                del self._peers[address]
                self._part(peer, bgp.CEASE_DECONFIGURED, "the configuration changed")
        for address, neighbor in neighbors.items():
            if address not in self._peers:
                self._peers[address] = _Peer(neighbor)
        for source in list(self._rib.sources.values()):
            is_gone = source.identity.router not in neighbors
            if source.identity.kind is Kind.IBGP and is_gone:
                self._rib.forget(source, time.monotonic())

    def take(self, connection: socket.socket, address: str) -> None:
        """Serve a connection, or close it if it is nobody's."""
        peer = self._peers.get(normalise(address))
        if peer is None:
            self.refused += 1
            connection.close()
            return
        before = peer.task
        self._part(peer, bgp.CEASE_REPLACED, "the neighbor connected again")
        peer.parting = None
        peer.task = asyncio.get_running_loop().create_task(self._run(peer, connection, before))

    def refresh(self, address: str | None) -> str | None:
        """Ask a neighbor, or all, for all routes; say why that is not possible, if so."""
        wanted = None if address is None else normalise(address)
        asked = [peer for key, peer in self._peers.items() if wanted in (None, key)]
        if not asked:
            return f"there is no neighbor {address}" if address else "there is no neighbor"
        done = [peer for peer in asked if peer.session and peer.session.request_refresh()]
        for peer in done:
            peer.wake.set()
        return None if done else "no such session is established, or the neighbor cannot"

    def reports(self) -> dict[str, NeighborReport]:
        """Report every neighbor by its address."""
        return {address: peer.report for address, peer in self._peers.items()}

    async def stop(self) -> None:
        """End all sessions in order."""
        tasks = [peer.task for peer in self._peers.values() if peer.task is not None]
        for peer in self._peers.values():
            self._part(peer, bgp.CEASE_SHUTDOWN, "this process ends")
        if tasks:
            await asyncio.wait(tasks, timeout=1)

    def _part(self, peer: _Peer, suberror: int, reason: str) -> None:
        if peer.task is not None and not peer.task.done():
            peer.parting = (suberror, reason)
            peer.wake.set()

    async def _run(
        self, peer: _Peer, connection: socket.socket, before: asyncio.Task[None] | None
    ) -> None:
        """Serve one connection from its begin to its end, once the one before has ended."""
        with connection:
            connection.setblocking(False)
            if before is not None and not before.done():
                before.cancel()
                await asyncio.wait([before])
            neighbor = peer.neighbor
            settings = SessionSettings(
                local_as=neighbor.local_as,
                peer_as=neighbor.peer_as,
                identifier=neighbor.router_id or _own_identifier(connection),
            )
            peer.session = session = Session(settings, time.monotonic())
            connected = _Connection(self._rib, peer, session, connection, self._told)
            await connected.serve()


class _Connection:
    """A session, its socket, and its source of routes."""

    def __init__(
        self, rib: Rib, peer: _Peer, session: Session, connection: socket.socket, told: Told
    ) -> None:
        self._rib = rib
        self._peer = peer
        self._session = session
        self._socket = connection
        self._told = told
        self._source: Source | None = None
        self._name = f"ibgp {peer.neighbor.address}"
        self._end = "the connection was replaced"

    async def serve(self) -> None:
        """Talk until the session is over."""
        reader = asyncio.get_running_loop().create_task(self._receive())
        try:
            await self._talk(reader)
        except OSError as error:
            self._end = error.strerror or str(error)
        finally:
            reader.cancel()
            self._leave()

    async def _talk(self, reader: asyncio.Task[bytes]) -> None:
        waker = asyncio.get_running_loop().create_task(self._peer.wake.wait())
        try:
            while True:
                self._peer.report.state = self._session.state.value
                await self._send()
                if self._session.state is State.CLOSED:
                    return
                pause = max(0.0, min(self._session.timer - time.monotonic(), 3600.0))
                await asyncio.wait(
                    (reader, waker), timeout=pause, return_when=asyncio.FIRST_COMPLETED
                )
                if waker.done():
                    self._peer.wake.clear()
                    waker = asyncio.get_running_loop().create_task(self._peer.wake.wait())
                events = self._step(reader.result() if reader.done() else None)
                await self._take(events)
                if reader.done():
                    reader = asyncio.get_running_loop().create_task(self._receive())
        finally:
            waker.cancel()
            reader.cancel()

    async def _receive(self) -> bytes:
        return await asyncio.get_running_loop().sock_recv(self._socket, READ_SIZE)

    def _step(self, data: bytes | None) -> list[bgp.Event]:
        now = time.monotonic()
        if self._peer.parting is not None:
            return self._session.cease(*self._peer.parting)
        events = self._session.tick(now)
        return events + ([] if data is None else self._session.receive(data, now))

    async def _send(self) -> None:
        data = self._session.data_to_send()
        if data:
            async with asyncio.timeout(_SEND_PATIENCE_S):
                await asyncio.get_running_loop().sock_sendall(self._socket, data)

    async def _take(self, events: list[bgp.Event]) -> None:
        updates: list[Update | UpdateColumns] = []
        for event in events:
            if isinstance(event, Update | UpdateColumns):
                updates.append(event)
                continue
            await self._learn(updates)
            updates = []
            now = time.monotonic()
            match event:
                case bgp.Established(peer=told):
                    self._begin(told.identifier, told.asn)
                case bgp.RefreshBegins(version=version) if self._source is not None:
                    self._rib.begin_table(self._source, version, now)
                case bgp.RefreshEnds(version=version) if self._source is not None:
                    self._rib.complete(self._source, version, told=True)
                case bgp.Closed(reason=reason):
                    self._end = reason
        await self._learn(updates)

    def _begin(self, identifier: int, asn: int) -> None:
        report = self._peer.report
        report.sessions += 1
        report.identifier, report.hold_time = identifier, int(self._session.hold_time)
        identity = Identity(Kind.IBGP, self._peer.neighbor.address)
        self._source = self._rib.open_source(identity, identifier)
        if self._source is not None:
            self._source.peer_address, self._source.peer_as = self._peer.neighbor.address, asn
            self._rib.begin(self._source, time.monotonic(), time.time_ns())
        self._told(self._name, True, None)

    async def _learn(self, updates: list[Update | UpdateColumns]) -> None:
        if updates and self._source is not None:
            for _ in self._rib.take(self._source, updates, time.monotonic(), time.time_ns()):
                await asyncio.sleep(0)

    def _leave(self) -> None:
        report = self._peer.report
        report.state, report.last_error = "idle", self._end
        if self._peer.session is self._session:
            self._peer.session = None
        if self._source is not None:
            self._rib.lose(self._source, time.monotonic(), keep=True)
            self._told(self._name, False, self._end)


def normalise(address: str) -> str:
    """Write an address in the one form that it is compared in."""
    host, _, zone = address.partition("%")
    with contextlib.suppress(ValueError):
        host = str(ip_address(host))
    return f"{host}%{zone}" if zone else host


def _own_identifier(connection: socket.socket) -> int:
    """Make a BGP identifier of our end of a connection."""
    own = ip_address(connection.getsockname()[0].partition("%")[0])
    return (int(own) & 0xFFFFFFFF) or 1
