"""NETCONF over SSH as a part of the transaction: the port, the host's key and the users' keys."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import asyncssh

from flowexport_mgmt.datastore import Refusal
from flowexport_mgmt.link import messages
from flowexport_mgmt.link.broker import Broker, TcpEndpoint
from flowexport_mgmt.model.server import NetconfCallHomeTransport, NetconfSshState, Server, User
from flowexport_mgmt.north.listener import RETRY_AFTER
from flowexport_mgmt.north.netconf.keyed_door import KeyedDoor, Plan
from flowexport_mgmt.north.netconf.keys import (
    HostKeyError,
    UserKeys,
    fingerprint,
    load_host_key,
    read_user_keys,
)
from flowexport_mgmt.north.netconf.ssh import SshServer

_SSH: Final = "/fxs:server/fxs:netconf/fxs:ssh"


class _Users(NamedTuple):
    """Who may log in, and by which keys."""

    users: Sequence[User]
    keys: UserKeys


class SshDoor(KeyedDoor[_Users, asyncssh.SSHKey]):
    """Listens as the configuration says, once it has a host key."""

    def __init__(
        self,
        server: SshServer,
        broker: Broker,
        *,
        state_folder: Path,
        retry_after: float = RETRY_AFTER,
    ) -> None:
        super().__init__("NETCONF over SSH", broker, server.serve, retry_after=retry_after)
        self._server = server
        self._state_folder = state_folder

    async def prepare(self, old: Server | None, new: Server, *, strict: bool) -> list[Refusal]:
        """Open the port that is wanted next, and read the keys of the users and the host."""
        plan = self._next = self._plan(old, new)
        ssh = new.netconf.ssh
        if plan.reason and plan.keys is None:
            await self._listener.prepare(None, strict=strict)
            changes = old is not None and old.netconf.ssh != ssh
            return [_refusal(_SSH, plan.reason)] if strict and changes else []
        wanted = TcpEndpoint(ssh.address, ssh.port) if ssh.enabled else None
        reason = await self._listener.prepare(wanted, strict=strict)
        return [_refusal(f"{_SSH}/fxs:port", reason)] if reason else []

    async def stop(self) -> None:
        """Close every connection."""
        await self._server.stop()

    def state(self) -> NetconfSshState:
        """Report how the server fares."""
        status, reason = self._status()
        return NetconfSshState(
            host_key_fingerprint=None if self._keys is None else fingerprint(self._keys),
            oper_status=status,
            oper_reason=reason or None,
        )

    def _plan(self, old: Server | None, new: Server) -> Plan[_Users, asyncssh.SSHKey]:
        """Read what the new configuration needs; a host key in use is read anew only on reload."""
        users, key = _Users(new.user, read_user_keys(new.user)), self._keys
        calls = (entry.transport is NetconfCallHomeTransport.SSH for entry in new.netconf.call_home)
        is_needed = new.netconf.ssh.enabled or any(calls)
        if not is_needed or (key is not None and old is not None and not self._reason):
            return Plan(users, key)
        try:
            return Plan(users, load_host_key(self._state_folder))
        except HostKeyError as error:
            return Plan(users, key, str(error))

    def _use(self, settings: _Users, keys: asyncssh.SSHKey | None) -> None:
        self._server.keys = settings.keys
        self._server.passwords.use(settings.users)
        if keys is not None and keys is not self._keys:
            self._server.use_host_key(keys)


def _refusal(path: str, reason: str) -> Refusal:
    return messages.Refusal(path=path, message=reason)
