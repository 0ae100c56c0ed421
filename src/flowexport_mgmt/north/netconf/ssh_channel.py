"""A channel of an SSH connection: the ``netconf`` subsystem, and nothing else."""

from __future__ import annotations

import asyncio
from typing import Any, Final, Protocol

import asyncssh

from flowexport_mgmt.north.netconf.peer import Peer
from flowexport_mgmt.north.netconf.refusals import Reason
from flowexport_mgmt.north.netconf.sessions import Sessions

DOOR: Final = "netconf-ssh"

_WINDOW: Final = 2 * 1024 * 1024
_PACKET: Final = 32 * 1024


class Client(Protocol):
    """Who is at the other end of the connection."""

    sessions: Sessions
    user: str
    source: str
    hello_by: float

    def session_opened(self) -> None:
        """Take note of a session."""

    def channel_closed(self) -> None:
        """Take note that a channel is gone."""


class _Channel(asyncssh.SSHServerChannel[bytes]):
    """A channel that takes no environment."""

    def _process_env_request(self, _: Any) -> bool:
        return False


def open_channel(
    connection: asyncssh.SSHServerConnection, client: Client
) -> tuple[asyncssh.SSHServerChannel[bytes], asyncssh.SSHServerSession[bytes]]:
    """Make a channel that carries octets as they are, and what answers on it."""
    channel = _Channel(
        connection,
        asyncio.get_running_loop(),
        allow_pty=True,  # some clients ask for one and give up without; there is none behind it
        line_editor=False,
        line_echo=False,
        line_history=0,
        max_line_length=0,
        encoding=None,
        errors="strict",
        window=_WINDOW,
        max_pktsize=_PACKET,
    )
    return channel, _Subsystem(client)


class _Subsystem(asyncssh.SSHServerSession[bytes]):
    """Refuses all but the ``netconf`` subsystem, then carries a session."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._channel: asyncssh.SSHServerChannel[bytes]
        self._peer: Peer | None = None

    # -- asyncssh's side

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan

    def pty_requested(self, *_: Any) -> bool:
        return True

    def subsystem_requested(self, subsystem: str) -> bool:
        sessions = self._client.sessions
        if subsystem != "netconf":
            return False
        if sessions.is_full:
            sessions.refuse(Reason.SESSIONS)
            return False
        return True

    def session_started(self) -> None:
        client = self._client
        client.session_opened()
        self._peer = client.sessions.open(self, client.user, DOOR, client.source, client.hello_by)

    def data_received(self, data: bytes, datatype: int | None) -> None:
        if self._peer is not None and datatype is None:
            self._peer.data_received(data)

    def eof_received(self) -> bool:
        if self._peer is not None:
            self._peer.eof_received()
        return True

    def pause_writing(self) -> None:
        if self._peer is not None:
            self._peer.pause_writing()

    def resume_writing(self) -> None:
        if self._peer is not None:
            self._peer.resume_writing()

    def connection_lost(self, _: Exception | None) -> None:
        if self._peer is not None:
            self._peer.connection_lost()
        self._client.channel_closed()

    # -- the session's side

    def write(self, data: bytes) -> None:
        self._channel.write(data)

    def close(self) -> None:
        self._channel.exit(0)

    def abort(self) -> None:
        self._channel.abort()

    def pause_reading(self) -> None:
        self._channel.pause_reading()

    def resume_reading(self) -> None:
        self._channel.resume_reading()
