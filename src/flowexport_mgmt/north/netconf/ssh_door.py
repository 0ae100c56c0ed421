"""NETCONF over SSH as a part of the transaction: the port, the host's key and the users' keys."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncssh

from flowexport_mgmt.datastore import Refusal
from flowexport_mgmt.link import messages
from flowexport_mgmt.link.broker import Broker, TcpEndpoint
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.model.server import NetconfCallHomeTransport, NetconfSshState, Server, User
from flowexport_mgmt.north.listener import RETRY_AFTER, Listener
from flowexport_mgmt.north.netconf.keys import (
    HostKeyError,
    UserKeys,
    fingerprint,
    load_host_key,
    read_user_keys,
)
from flowexport_mgmt.north.netconf.ssh import SshServer

_log = logging.getLogger(__name__)

_SSH: Final = "/fxs:server/fxs:netconf/fxs:ssh"


@dataclass(frozen=True, slots=True)
class _Plan:
    """What the server will use after the commit that is being prepared."""

    users: Sequence[User]
    user_keys: UserKeys
    host_key: asyncssh.SSHKey | None
    reason: str = ""


class SshDoor:
    """Listens as the configuration says, once it has a host key."""

    def __init__(
        self,
        server: SshServer,
        broker: Broker,
        *,
        state_folder: Path,
        retry_after: float = RETRY_AFTER,
    ) -> None:
        self._server = server
        self._state_folder = state_folder
        self._listener = Listener("NETCONF over SSH", broker, server.serve, retry_after=retry_after)
        self._host_key: asyncssh.SSHKey | None = None
        self._reason = ""
        self._next: _Plan | None = None

    @property
    def is_short(self) -> bool:
        """Whether something is missing that may turn up by itself."""
        return bool(self._reason)

    async def prepare(self, old: Server | None, new: Server, *, strict: bool) -> list[Refusal]:
        """Open the port that is wanted next, and read the keys of the users and the host."""
        plan = self._next = self._plan(old, new)
        ssh = new.netconf.ssh
        if plan.reason and plan.host_key is None:
            await self._listener.prepare(None, strict=strict)
            changes = old is not None and old.netconf.ssh != ssh
            return [_refusal(_SSH, plan.reason)] if strict and changes else []
        wanted = TcpEndpoint(ssh.address, ssh.port) if ssh.enabled else None
        reason = await self._listener.prepare(wanted, strict=strict)
        return [_refusal(f"{_SSH}/fxs:port", reason)] if reason else []

    async def apply(self) -> None:
        """Move to the new port and keys."""
        plan, self._next = self._next, None
        if plan is not None:
            self._server.keys = plan.user_keys
            self._server.passwords.use(plan.users)
            self._use_host_key(plan.host_key)
            self._use_reason(plan.reason)
        await self._listener.apply()

    async def abort(self) -> None:
        """Close the new port again."""
        self._next = None
        await self._listener.abort()

    async def stop_listening(self) -> None:
        """Accept no more."""
        await self._listener.stop()

    async def stop(self) -> None:
        """Close every connection."""
        await self._server.stop()

    def state(self) -> NetconfSshState:
        """Report how the server fares."""
        key = self._host_key
        return NetconfSshState(
            host_key_fingerprint=None if key is None else fingerprint(key),
            oper_status=self._status(),
            oper_reason=self._reason or self._listener.reason or None,
        )

    def _status(self) -> OperStatus:
        if not self._reason:
            return self._listener.status
        return OperStatus.DOWN if self._host_key is None else OperStatus.DEGRADED

    def _plan(self, old: Server | None, new: Server) -> _Plan:
        """Read what the new configuration needs; a host key in use is read anew only on reload."""
        keys, key = read_user_keys(new.user), self._host_key
        calls = (entry.transport is NetconfCallHomeTransport.SSH for entry in new.netconf.call_home)
        is_needed = new.netconf.ssh.enabled or any(calls)
        if not is_needed or (key is not None and old is not None and not self._reason):
            return _Plan(new.user, keys, key)
        try:
            return _Plan(new.user, keys, load_host_key(self._state_folder))
        except HostKeyError as error:
            return _Plan(new.user, keys, key, str(error))

    def _use_host_key(self, key: asyncssh.SSHKey | None) -> None:
        if key is not None and key is not self._host_key:
            self._host_key = key
            self._server.use_host_key(key)

    def _use_reason(self, reason: str) -> None:
        if reason and reason != self._reason:
            rest = "" if self._host_key is None else "; the one read before stays in use"
            _log.error("%s%s", reason, rest)
        self._reason = reason


def _refusal(path: str, reason: str) -> Refusal:
    return messages.Refusal(path=path, message=reason)
