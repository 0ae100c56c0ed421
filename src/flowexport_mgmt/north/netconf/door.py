"""The NETCONF server as a part of the transaction and as a provider of state."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import asyncssh
import msgspec

from flowexport_mgmt.datastore import Datastore, Refusal
from flowexport_mgmt.link import messages
from flowexport_mgmt.link.broker import Broker, TcpEndpoint
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.model.configuration import Configuration
from flowexport_mgmt.model.server import (
    Netconf,
    NetconfSshState,
    NetconfState,
    Server,
    ServerState,
)
from flowexport_mgmt.north.listener import RETRY_AFTER, Listener, Stop
from flowexport_mgmt.north.netconf.engine import Statistics
from flowexport_mgmt.north.netconf.entrance import Entrance
from flowexport_mgmt.north.netconf.hello import capabilities
from flowexport_mgmt.north.netconf.keys import (
    HostKeyError,
    UserKeys,
    fingerprint,
    load_host_key,
    read_user_keys,
)
from flowexport_mgmt.north.netconf.monitoring import Monitoring
from flowexport_mgmt.north.netconf.refusals import Refusals
from flowexport_mgmt.north.netconf.sessions import Sessions
from flowexport_mgmt.north.netconf.ssh import SshServer
from flowexport_mgmt.north.netconf.unix import UnixServer

_log = logging.getLogger(__name__)

_SSH: Final = "/fxs:server/fxs:netconf/fxs:ssh"


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the server will use after the commit that is being prepared."""

    netconf: Netconf
    user_keys: UserKeys
    host_key: asyncssh.SSHKey | None
    host_key_reason: str = ""


class NetconfDoor:
    """NETCONF over SSH as the configuration says, and over the local Unix socket always.

    Register it with :meth:`register`, and call :meth:`open_local` when the datastore can answer.
    Settings count for the connections that come after a commit; sessions live on.
    """

    paths = ("/server/netconf", "/server/user")

    def __init__(
        self,
        datastore: Datastore,
        broker: Broker,
        *,
        state_folder: Path,
        local_socket: Path,
        retry_after: float = RETRY_AFTER,
    ) -> None:
        self._datastore = datastore
        self._broker = broker
        self._state_folder = state_folder
        self._local_socket = local_socket
        modules = datastore.schema.modules
        named = capabilities(modules, datastore.schema.content_id)
        statistics = Statistics(started=_now())
        self._sessions = Sessions(datastore, statistics, named)
        self._monitoring = Monitoring(datastore, statistics, named, modules)
        self._entrance = Entrance(self._sessions)
        self._ssh = SshServer(self._sessions, self._entrance)
        self._unix = UnixServer(self._sessions)
        self._listener = Listener(
            "NETCONF over SSH", broker, self._ssh.serve, retry_after=retry_after
        )
        self._close_local: Stop | None = None
        self._host_key: asyncssh.SSHKey | None = None
        self._host_key_reason = ""
        self._next: _Plan | None = None
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

    async def open_local(self) -> None:
        """Accept sessions on the Unix socket.

        Raises:
            OSError: the socket cannot be opened.
        """
        listener = await self._broker.listen_unix(str(self._local_socket))
        self._close_local = await self._unix.serve(listener)

    # -- the transaction

    async def prepare(
        self,
        old: Configuration | None,
        new: Configuration,
        *,
        commit: int,  # noqa: ARG002 - a door does not ask which commit it is
        strict: bool,
    ) -> Sequence[Refusal]:
        """Open the port that is wanted; read the keys of the users and, where needed, the host."""
        plan = self._plan(old, new.server)
        self._next = plan
        ssh = plan.netconf.ssh
        if plan.host_key_reason:
            await self._listener.prepare(None, strict=strict)
            changes = old is not None and old.server.netconf.ssh != ssh
            return [_refusal(_SSH, plan.host_key_reason)] if strict and changes else []
        wanted = TcpEndpoint(ssh.address, ssh.port) if ssh.enabled else None
        reason = await self._listener.prepare(wanted, strict=strict)
        return [_refusal(f"{_SSH}/fxs:port", reason)] if reason else []

    async def apply(self) -> None:
        """Move to the new port, keys and limits."""
        plan, self._next = self._next, None
        if plan is not None:
            self._ssh.keys = plan.user_keys
            self._use(plan.netconf)
            self._use_host_key(plan.host_key)
            self._host_key_reason = plan.host_key_reason
        await self._listener.apply()

    async def abort(self) -> None:
        """Close the new port again."""
        self._next = None
        await self._listener.abort()

    async def stop(self) -> None:
        """End every session, each after the request that runs, and close the sockets."""
        await self._listener.stop()
        self._entrance.stop()
        await self._sessions.stop()
        await self._ssh.stop()
        await self._sessions.release()
        if self._close_local is not None:
            await self._close_local()
            self._close_local = None
            await self._broker.release_unix(str(self._local_socket))

    # -- state

    async def state(self, _: Sequence[str]) -> Mapping[str, msgspec.Struct]:
        """Report how the SSH server fares, and what was refused."""
        key = self._host_key
        ssh = NetconfSshState(
            host_key_fingerprint=None if key is None else fingerprint(key),
            oper_status=OperStatus.DOWN if self._host_key_reason else self._listener.status,
            oper_reason=self._host_key_reason or self._listener.reason or None,
        )
        state = NetconfState(ssh=ssh, refusals=self.refusals.state())
        return {"flow-export-server:server": ServerState(netconf=state)}

    def _plan(self, old: Configuration | None, new: Server) -> _Plan:
        """Read what the new configuration needs; a host key in use is read anew only on reload."""
        users, key = read_user_keys(new.user), self._host_key
        if not new.netconf.ssh.enabled or (key is not None and old is not None):
            return _Plan(new.netconf, users, key)
        try:
            return _Plan(new.netconf, users, load_host_key(self._state_folder))
        except HostKeyError as error:
            if key is None:
                return _Plan(new.netconf, users, None, str(error))
            _log.error("%s; the one read before stays in use", error)
            return _Plan(new.netconf, users, key)

    def _use_host_key(self, key: asyncssh.SSHKey | None) -> None:
        if key is not None and key is not self._host_key:
            self._host_key = key
            self._ssh.use_host_key(key)

    def _use(self, netconf: Netconf) -> None:
        self._sessions.max_sessions = netconf.max_sessions
        self._sessions.hello_timeout = netconf.hello_timeout
        self._sessions.idle_timeout = netconf.idle_timeout
        self._entrance.use(netconf.max_unauthenticated, netconf.max_failed_logins)


def _refusal(path: str, reason: str) -> Refusal:
    return messages.Refusal(path=path, message=reason)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
