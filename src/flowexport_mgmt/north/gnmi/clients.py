"""Clients: a connection and the user that it speaks for are a session.

gRPC does not tell when a connection ends. A client that has had no RPC for a while is taken to be
gone, and one that asks for the place of an idle one gets it at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol

from flowexport_mgmt.datastore import Datastore, Session
from flowexport_mgmt.model.server import GnmiClient
from flowexport_mgmt.north.gnmi.refusals import Refusals
from flowexport_mgmt.north.gnmi.status import Code, RpcError

DOOR: Final = "gnmi"
IDLE: Final = 60.0
"""Seconds without an RPC after which a client is taken to be gone."""


class Waiting(Protocol):
    """Messages that wait for a client."""

    @property
    def octets(self) -> int:
        """Their size."""


@dataclass(eq=False, slots=True)
class Client:
    """A client, and what it has been sent."""

    session: Session
    active: int = 0
    idle_since: float = 0.0
    subscriptions: int = 0
    notifications: int = 0
    octets: int = 0
    coalesced: int = 0
    backlogs: set[Waiting] = field(default_factory=set)

    def count(self, message: bytes) -> None:
        """Count a notification that was sent."""
        self.notifications += 1
        self.octets += len(message)

    def state(self) -> GnmiClient:
        """Report the counters."""
        return GnmiClient(
            session=self.session.id,
            subscriptions=self.subscriptions,
            notifications=self.notifications,
            octets=self.octets,
            coalesced=self.coalesced,
            queued_octets=sum(backlog.octets for backlog in self.backlogs),
        )


class Clients:
    """The clients by connection and user; ``limit`` is how many there may be.

    ``on_kill`` is called with a client whose session another one has ended.
    """

    def __init__(
        self, datastore: Datastore, refusals: Refusals, on_kill: Callable[[Client], None]
    ) -> None:
        self._datastore = datastore
        self._refusals = refusals
        self._on_kill = on_kill
        self._clients: dict[tuple[str, str], Client] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.limit = 0

    def state(self) -> tuple[GnmiClient, ...]:
        """Report all of them."""
        return tuple(client.state() for client in self._clients.values())

    @contextlib.contextmanager
    def enter(self, source: str, user: str) -> Iterator[Client]:
        """Count an RPC of a client, who is active meanwhile.

        Raises:
            RpcError: RESOURCE_EXHAUSTED: there are as many clients at work as may be.
        """
        client = self._clients.get((source, user)) or self._open(source, user)
        client.active += 1
        client.session.in_rpcs += 1
        try:
            yield client
        except RpcError:
            client.session.out_rpc_errors += 1
            raise
        finally:
            client.active -= 1
            client.idle_since = asyncio.get_running_loop().time()
            self._arm()

    def _open(self, source: str, user: str) -> Client:
        if len(self._clients) >= self.limit:
            self._make_room()
        key = (source, user)

        def killed() -> None:
            client = self._clients.pop(key, None)
            if client is not None:
                self._on_kill(client)

        session = self._datastore.open_session(user, DOOR, source, killed)
        client = self._clients[key] = Client(session)
        return client

    def _make_room(self) -> None:
        idle = [key for key, client in self._clients.items() if not client.active]
        if not idle:
            self._refusals.sessions += 1
            self._datastore.rejected_sessions += 1
            message = f"there are {len(self._clients)} clients at work, as many as may be"
            raise RpcError(Code.RESOURCE_EXHAUSTED, message)
        self._close(min(idle, key=lambda key: self._clients[key].idle_since))

    def _close(self, key: tuple[str, str]) -> None:
        self._datastore.close_session(self._clients.pop(key).session)

    def _arm(self) -> None:
        if self._timer is None and self._clients:
            self._timer = asyncio.get_running_loop().call_later(IDLE / 4, self._sweep)

    def _sweep(self) -> None:
        """Close the sessions of those who are gone."""
        self._timer = None
        since = asyncio.get_running_loop().time() - IDLE
        for key, client in tuple(self._clients.items()):
            if not client.active and client.idle_since < since:
                self._close(key)
        self._arm()

    def stop(self) -> None:
        """Close every session."""
        if self._timer is not None:
            self._timer.cancel()
        for key in tuple(self._clients):
            self._close(key)
