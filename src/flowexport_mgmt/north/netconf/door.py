"""The NETCONF server as a part of the transaction and as a provider of state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import msgspec

from flowexport_mgmt.credentials import KeyFolders
from flowexport_mgmt.datastore import Datastore, Refusal
from flowexport_mgmt.link.broker import Broker
from flowexport_mgmt.model.configuration import Configuration
from flowexport_mgmt.model.server import (
    Netconf,
    NetconfCallHomeTransport,
    NetconfState,
    Server,
    ServerState,
)
from flowexport_mgmt.north.again import Again
from flowexport_mgmt.north.listener import RETRY_AFTER, Stop
from flowexport_mgmt.north.netconf.call_home import FIRST_WAIT, CallHome
from flowexport_mgmt.north.netconf.entrance import Entrance
from flowexport_mgmt.north.netconf.hello import capabilities
from flowexport_mgmt.north.netconf.monitoring import Monitoring
from flowexport_mgmt.north.netconf.notifications.service import Subscriptions
from flowexport_mgmt.north.netconf.notifications.state import SubscriptionState
from flowexport_mgmt.north.netconf.reading import Reader
from flowexport_mgmt.north.netconf.refusals import Refusals
from flowexport_mgmt.north.netconf.sessions import Sessions
from flowexport_mgmt.north.netconf.ssh import SshServer
from flowexport_mgmt.north.netconf.ssh_door import SshDoor
from flowexport_mgmt.north.netconf.statistics import Statistics
from flowexport_mgmt.north.netconf.tls import TlsServer
from flowexport_mgmt.north.netconf.tls_door import TlsDoor
from flowexport_mgmt.north.netconf.unix import UnixServer


class _Door(Protocol):
    """A way in over the network; `SshDoor` says what each does."""

    @property
    def is_short(self) -> bool: ...

    async def prepare(
        self, old: Server | None, new: Server, *, strict: bool
    ) -> Sequence[Refusal]: ...

    async def apply(self) -> None: ...

    async def abort(self) -> None: ...

    async def stop_listening(self) -> None: ...


class NetconfDoor:
    """NETCONF over SSH and TLS as the configuration says, and over the local Unix socket always.

    Register it with :meth:`register`, and call :meth:`open_local` when the datastore can answer.
    Settings count for the connections that come after a commit; sessions live on. What is short of
    a key or a certificate tries again by itself.
    """

    paths = ("/server/netconf", "/server/user")

    def __init__(
        self,
        datastore: Datastore,
        broker: Broker,
        *,
        state_folder: Path,
        local_socket: Path,
        keys: KeyFolders,
        retry_after: float = RETRY_AFTER,
    ) -> None:
        self._datastore = datastore
        self._broker = broker
        self._local_socket = local_socket
        modules = datastore.schema.modules
        named = capabilities(modules, datastore.schema.content_id)
        statistics = Statistics(started=_now())
        reader = Reader(datastore)
        self._subscriptions = Subscriptions(datastore, reader)
        self._sessions = Sessions(
            datastore, statistics, named, reader=reader, subscriptions=self._subscriptions
        )
        self._monitoring = Monitoring(datastore, statistics, named, modules)
        self._entrance = Entrance(self._sessions)
        ssh = SshServer(self._sessions, self._entrance)
        tls = TlsServer(self._sessions, self._entrance)
        self._ssh = SshDoor(ssh, broker, state_folder=state_folder, retry_after=retry_after)
        self._tls = TlsDoor(tls, broker, keys, retry_after=retry_after)
        begin = {NetconfCallHomeTransport.SSH: ssh.begin, NetconfCallHomeTransport.TLS: tls.begin}
        self._call_home = CallHome(begin, first_wait=min(retry_after, FIRST_WAIT))
        self._unix = UnixServer(self._sessions)
        self._close_local: Stop | None = None
        self._next: Netconf | None = None
        self._again = Again(self._restore, retry_after)
        self._use(Netconf())

    @property
    def refusals(self) -> Refusals:
        """What was refused or cut short."""
        return self._sessions.refusals

    def register(self) -> None:
        """Take part in commits and report state."""
        self._datastore.register(self)
        self._datastore.register_state(self)
        self._datastore.register_state(self._monitoring)
        self._datastore.register_state(
            SubscriptionState(self._subscriptions, self._datastore.schema.namespaces)
        )

    async def open_local(self) -> None:
        """Accept sessions on the Unix socket.

        Raises:
            OSError: the socket cannot be opened.
        """
        self._subscriptions.start()
        listener = await self._broker.listen_unix(str(self._local_socket))
        self._close_local = await self._unix.serve(listener)

    # -- the transaction

    async def prepare(
        self, old: Configuration | None, new: Configuration, *, commit: int, strict: bool
    ) -> Sequence[Refusal]:
        """Open new ports, and read keys and certificates."""
        del commit
        self._next = new.server.netconf
        before = None if old is None else old.server
        return [
            refusal
            for door in self._doors
            for refusal in await door.prepare(before, new.server, strict=strict)
        ]

    async def apply(self) -> None:
        """Move to the new ports, keys and limits."""
        if self._next is not None:
            self._use(self._next)
            self._next = None
        for door in self._doors:
            await door.apply()
        self._again.want(any(door.is_short for door in self._doors))

    async def abort(self) -> None:
        """Close the new ports again."""
        self._next = None
        for door in self._doors:
            await door.abort()

    async def stop(self) -> None:
        """End every session, each after the request that runs, and close the sockets."""
        await self._again.stop()
        for door in self._doors:
            await door.stop_listening()
        self._entrance.stop()
        await self._sessions.stop()
        await self._ssh.stop()
        await self._sessions.release()
        await self._subscriptions.stop()
        if self._close_local is not None:
            await self._close_local()
            self._close_local = None
            await self._broker.release_unix(str(self._local_socket))

    # -- state

    async def state(self, _: Sequence[str]) -> Mapping[str, msgspec.Struct]:
        """Report how the servers fare, and what was refused."""
        state = NetconfState(
            ssh=self._ssh.state(),
            tls=self._tls.state(),
            call_home=self._call_home.state(),
            refusals=self.refusals.state(),
        )
        return {"flow-export-server:server": ServerState(netconf=state)}

    @property
    def _doors(self) -> Sequence[_Door]:
        return (self._ssh, self._tls, self._call_home)

    async def _restore(self) -> None:
        await self._datastore.restore(self)

    def _use(self, netconf: Netconf) -> None:
        self._sessions.max_sessions = netconf.max_sessions
        self._sessions.hello_timeout = netconf.hello_timeout
        self._sessions.idle_timeout = netconf.idle_timeout
        self._entrance.use(netconf.max_unauthenticated, netconf.max_failed_logins)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
