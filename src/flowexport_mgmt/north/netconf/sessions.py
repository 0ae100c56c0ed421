"""All sessions of the NETCONF server, however they came in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from flowexport_mgmt.datastore import Datastore
from flowexport_mgmt.north.netconf.engine import Engine
from flowexport_mgmt.north.netconf.notifications.service import Subscriptions
from flowexport_mgmt.north.netconf.peer import Peer
from flowexport_mgmt.north.netconf.reading import Reader
from flowexport_mgmt.north.netconf.refusals import Reason, Refusals
from flowexport_mgmt.north.netconf.statistics import Statistics
from flowexport_mgmt.north.netconf.transport import Transport

_LAST_REQUEST: Final = 2.0
"""Seconds that a request may still run when the server stops."""


class Sessions:
    """Opens sessions up to a limit, and ends them all.

    ``max_sessions``, ``hello_timeout`` and ``idle_timeout`` (seconds, 0 for none) follow the
    configuration. The first two count for the connections that come after a change, the last for
    all at once.
    """

    def __init__(
        self,
        datastore: Datastore,
        statistics: Statistics,
        capabilities: Sequence[str],
        *,
        reader: Reader,
        subscriptions: Subscriptions,
    ) -> None:
        self._datastore = datastore
        self._statistics = statistics
        self._engine = Engine(datastore, statistics, reader, subscriptions)
        self._subscriptions = subscriptions
        self._capabilities = capabilities
        self._peers: set[Peer] = set()
        self.refusals = Refusals()
        self.max_sessions = 0
        self.hello_timeout = 0
        self._idle_timeout = 0

    @property
    def is_full(self) -> bool:
        """Whether there are as many sessions as may be."""
        return len(self._peers) >= self.max_sessions

    @property
    def idle_timeout(self) -> int:
        """How long a session may be without a request, in seconds; 0 is for ever."""
        return self._idle_timeout

    @idle_timeout.setter
    def idle_timeout(self, seconds: int) -> None:
        self._idle_timeout = seconds
        for peer in self._peers:
            peer.limit_idleness(seconds)

    def refuse(self, reason: Reason) -> None:
        """Count a connection that was refused."""
        self.refusals.count(reason)
        self._datastore.rejected_sessions += 1

    def hello_by(self) -> float:
        """Tell by when, on the event loop's clock, a new connection must have said hello."""
        return asyncio.get_running_loop().time() + self.hello_timeout

    def open(
        self,
        transport: Transport,
        user: str,
        door: str,
        source: str,
        hello_by: float,
        *,
        recovery: bool = False,
    ) -> Peer:
        """Open a session; the transport then tells the peer what happens to it."""
        peer = Peer(
            transport,
            self._datastore,
            self._engine,
            self._statistics,
            refusals=self.refusals,
            on_end=self._ended,
        )
        peer.open(user, door, source, self._capabilities, hello_by, recovery=recovery)
        peer.limit_idleness(self._idle_timeout)
        self._peers.add(peer)
        return peer

    async def stop(self, chosen: Callable[[Peer], bool] = lambda _: True) -> None:
        """End sessions, each after the request that runs."""
        peers = [peer for peer in self._peers if chosen(peer)]
        for peer in peers:
            peer.stop()
        if peers:
            ends = [asyncio.ensure_future(peer.ended()) for peer in peers]
            await asyncio.wait(ends, timeout=_LAST_REQUEST)

    async def release(self) -> None:
        """Release what the sessions shared, after the last one."""
        await self._engine.stop()

    def _ended(self, peer: Peer) -> None:
        self._subscriptions.end_session(peer.session)
        self._peers.discard(peer)
