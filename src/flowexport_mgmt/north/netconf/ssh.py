"""NETCONF over SSH (RFC 6242): the ``netconf`` subsystem, and nothing else of SSH."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any, Final, cast

import asyncssh

from flowexport_mgmt.link.broker import TcpEndpoint
from flowexport_mgmt.north.acceptor import Acceptor
from flowexport_mgmt.north.listener import Stop
from flowexport_mgmt.north.netconf.entrance import Arrival, Entrance
from flowexport_mgmt.north.netconf.gathering import GatheringTransport
from flowexport_mgmt.north.netconf.keys import UserKeys
from flowexport_mgmt.north.netconf.refusals import Reason
from flowexport_mgmt.north.netconf.sessions import Sessions
from flowexport_mgmt.north.netconf.ssh_channel import open_channel
from flowexport_mgmt.north.passwords import Passwords

_KEY_EXCHANGE: Final = (
    "mlkem768x25519-*,curve25519-*,ecdh-sha2-nistp*,"
    "diffie-hellman-group16-sha512,diffie-hellman-group18-sha512"
)
_CIPHERS: Final = (
    "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,aes128-gcm@openssh.com,"
    "aes256-ctr,aes192-ctr,aes128-ctr"
)
_MACS: Final = (
    "hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,hmac-sha2-256,hmac-sha2-512"
)
_SIGNATURES: Final = "ssh-ed25519,sk-*@openssh.com,ecdsa-sha2-nistp*,rsa-sha2-512,rsa-sha2-256"

_MAX_KEYS: Final = 20
"""Keys that a client may offer before it is disconnected: an agent may hold a few."""

_MAX_PASSWORDS: Final = 3
"""Passwords that a client may try before it is disconnected."""

_KEEPALIVE: Final = 30
_KEEPALIVES_LOST: Final = 3
"""A client whose host is gone leaves its locks after 90 seconds, not when TCP gives up."""

_MAX_CHANNELS: Final = 8


class SshServer:
    """Logs clients in by public key, or by password where users have one.

    Each ``netconf`` subsystem is given a session. ``keys`` may be replaced at any time; it counts
    for the logins after that.
    """

    def __init__(self, sessions: Sessions, entrance: Entrance) -> None:
        self.sessions = sessions
        self.keys: UserKeys = {}
        self.passwords = Passwords()
        self._entrance = entrance
        self._options: asyncssh.SSHServerConnectionOptions | None = None
        self._connections: set[asyncssh.SSHServerConnection] = set()
        self._logged_in = 0
        logging.getLogger("asyncssh").setLevel(logging.WARNING)

    def use_host_key(self, key: asyncssh.SSHKey) -> None:
        """Set the key that the server proves itself with; needed before anything is served."""
        self._options = asyncssh.SSHServerConnectionOptions(
            server_factory=lambda: _Login(self),
            server_host_keys=[key],
            kex_algs=_KEY_EXCHANGE,
            encryption_algs=_CIPHERS,
            mac_algs=_MACS,
            signature_algs=_SIGNATURES,
            compression_algs=None,
            public_key_auth=True,
            password_auth=True,  # where `_Login` says so
            kbdint_auth=True,
            host_based_auth=False,
            gss_host=None,
            allow_pty=False,
            allow_scp=False,
            agent_forwarding=False,
            x11_forwarding=False,
            login_timeout=0,  # ours covers the hello too
            keepalive_interval=_KEEPALIVE,
            keepalive_count_max=_KEEPALIVES_LOST,
        )

    async def serve(self, listener: socket.socket) -> Stop:
        """Accept connections until the result is called; those that were accepted live on."""
        return Acceptor(listener, self._accepted).stop

    async def stop(self) -> None:
        """Close every connection."""
        self.passwords.stop()
        connections = list(self._connections)
        for connection in connections:
            connection.close()
        for connection in connections:
            await connection.wait_closed()

    async def _accepted(self, connection: socket.socket, address: Any) -> None:
        self._entrance.arrive(connection, address[0], self.begin)

    async def begin(self, connection: socket.socket, arrival: Arrival) -> None:
        """Speak SSH on a connection; what becomes of it is told to ``arrival``."""
        loop, options = asyncio.get_running_loop(), self._options
        if options is None:
            raise ConnectionAbortedError("there is no host key")
        await loop.connect_accepted_socket(lambda: _Connection(loop, options, arrival), connection)

    @property
    def is_full(self) -> bool:
        """Whether as many have logged in as there may be sessions."""
        return self._logged_in >= self.sessions.max_sessions

    def connected(self, connection: asyncssh.SSHServerConnection) -> None:
        """Take note of a connection."""
        self._connections.add(connection)

    def logged_in(self) -> None:
        """Take note of a login."""
        self._logged_in += 1

    def disconnected(
        self, connection: asyncssh.SSHServerConnection, *, was_logged_in: bool
    ) -> None:
        """Forget a connection."""
        self._connections.discard(connection)
        self._logged_in -= was_logged_in


class _Connection(asyncssh.SSHServerConnection):
    """A connection that knows how it came in."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        options: asyncssh.SSHServerConnectionOptions,
        arrival: Arrival,
    ) -> None:
        super().__init__(loop, options)
        self.arrival = arrival

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(GatheringTransport(cast("asyncio.Transport", transport)))


class _Login(asyncssh.SSHServer):
    """One SSH connection: who it is, and the sessions that it opens."""

    def __init__(self, server: SshServer) -> None:
        self.sessions = server.sessions
        self.hello_by = server.sessions.hello_by()
        self.user = ""
        self.source = ""
        self._server = server
        self._connection: asyncssh.SSHServerConnection
        self._arrival: Arrival
        self._logged_in = False
        self._keys_tried = 0
        self._passwords_tried = 0
        self._channels = 0
        self._opened = 0
        self._timer = asyncio.get_running_loop().call_at(self.hello_by, self._late)

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._arrival = cast(_Connection, conn).arrival
        self._arrival.disconnect = conn.abort
        address, port = conn.get_extra_info("peername")[:2]
        self.source = str(TcpEndpoint(address, port))
        self._server.connected(conn)

    def connection_lost(self, _: Exception | None) -> None:
        self._timer.cancel()
        if not self._logged_in and self._keys_tried and not self._passwords_tried:
            self._arrival.failed()
        self._arrival.gone()
        self._server.disconnected(self._connection, was_logged_in=self._logged_in)

    def begin_auth(self, username: str) -> bool:
        self.user = username
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        self._keys_tried += 1
        if self._keys_tried > _MAX_KEYS:
            self._send_away("too many keys")
            return False
        return key.public_data in self._server.keys.get(username, frozenset())

    def password_auth_supported(self) -> bool:
        return self._server.passwords.are_used

    async def validate_password(self, username: str, password: str) -> bool:
        """Try a password; asyncssh asks here for keyboard-interactive too."""
        self._passwords_tried += 1
        if self._passwords_tried > _MAX_PASSWORDS:
            self._send_away("too many passwords")
            return False
        is_right = await self._server.passwords.verify(username, password)
        if not is_right:
            self._arrival.failed()
        return is_right

    def _send_away(self, reason: str) -> None:
        self._connection.disconnect(asyncssh.DISC_NO_MORE_AUTH_METHODS_AVAILABLE, reason)

    def auth_completed(self) -> None:
        self._arrival.logged_in()
        if self._server.is_full:
            self.sessions.refuse(Reason.SESSIONS)
            self._connection.disconnect(
                asyncssh.DISC_TOO_MANY_CONNECTIONS, "there are as many sessions as may be"
            )
            return
        self._logged_in = True
        self._server.logged_in()

    def session_requested(
        self,
    ) -> tuple[asyncssh.SSHServerChannel[bytes], asyncssh.SSHServerSession[bytes]] | bool:
        if self._channels >= _MAX_CHANNELS:
            return False
        self._channels += 1
        return open_channel(self._connection, self)

    def session_opened(self) -> None:
        """Take note that the client uses the connection for what it is for."""
        self._opened += 1

    def channel_closed(self) -> None:
        """Close the connection after its last session."""
        self._channels -= 1
        if self._channels == 0 and self._opened:
            self._connection.close()

    def _late(self) -> None:
        if self._opened:
            return
        if self._logged_in:
            self.sessions.refuse(Reason.LATE_HELLO)
        self._arrival.gone(Reason.LATE_HELLO)
        self._connection.abort()
