"""NETCONF over SSH (RFC 6242): the ``netconf`` subsystem, and nothing else of SSH."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any, Final

import asyncssh

from flowexport_mgmt.link.broker import TcpEndpoint
from flowexport_mgmt.north.acceptor import Acceptor
from flowexport_mgmt.north.listener import Stop
from flowexport_mgmt.north.netconf.gate import Gate
from flowexport_mgmt.north.netconf.keys import UserKeys
from flowexport_mgmt.north.netconf.peer import Peer
from flowexport_mgmt.north.netconf.sessions import Sessions
from flowexport_mgmt.observe.log import LimitedLogger

_log = LimitedLogger(logging.getLogger(__name__))

DOOR: Final = "netconf-ssh"

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

_MAX_ATTEMPTS: Final = 20
"""Keys that a client may offer before it is disconnected: an agent may hold a few."""

_KEEPALIVE: Final = 30
_KEEPALIVES_LOST: Final = 3
"""A client whose host is gone leaves its locks after 90 seconds, not when TCP gives up."""

_MAX_CHANNELS: Final = 8
_WINDOW: Final = 2 * 1024 * 1024
_PACKET: Final = 32 * 1024


class SshServer:
    """Logs clients in by public key and gives each ``netconf`` subsystem a session.

    ``keys`` may be replaced at any time; it counts for the logins after that.
    """

    def __init__(self, sessions: Sessions) -> None:
        self.sessions = sessions
        self.gate = Gate(0)
        self.keys: UserKeys = {}
        self._options: asyncssh.SSHServerConnectionOptions | None = None
        self._connections: set[asyncssh.SSHServerConnection] = set()
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
            password_auth=False,
            kbdint_auth=False,
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
        connections = list(self._connections)
        for connection in connections:
            connection.close()
        for connection in connections:
            await connection.wait_closed()

    async def _accepted(self, connection: socket.socket, address: Any) -> None:
        if not self.gate.enter(address[0]):
            refused = "too many connections that have not logged in; refused one from %s"
            _log.log(logging.WARNING, "gate", refused, address[0])
            self.sessions.refuse()
            connection.close()
            return
        loop, options = asyncio.get_running_loop(), self._options
        if options is None:
            raise RuntimeError("the host key is set before the server accepts")
        try:
            await loop.connect_accepted_socket(
                lambda: asyncssh.SSHServerConnection(loop, options), connection
            )
        except OSError:
            self.gate.leave(address[0])
            raise

    def connected(self, connection: asyncssh.SSHServerConnection) -> None:
        """Take note of a connection."""
        self._connections.add(connection)

    def disconnected(self, connection: asyncssh.SSHServerConnection) -> None:
        """Forget a connection."""
        self._connections.discard(connection)


class _Login(asyncssh.SSHServer):
    """One SSH connection: who it is, and the sessions that it opens."""

    def __init__(self, server: SshServer) -> None:
        self.server = server
        self.hello_by = server.sessions.hello_by()
        self.user = ""
        self.source = ""
        self.connection: asyncssh.SSHServerConnection
        self._address = ""
        self._inside_gate = True
        self._attempts = 0
        self._channels = 0
        self._sessions = 0
        self._timer = asyncio.get_running_loop().call_at(self.hello_by, self._late)

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.connection = conn
        self._address, port = conn.get_extra_info("peername")[:2]
        self.source = str(TcpEndpoint(self._address, port))
        self.server.connected(conn)

    def connection_lost(self, _: Exception | None) -> None:
        self._timer.cancel()
        if self._inside_gate:
            self._leave_gate()
            self.server.sessions.refuse()
            failed = "%s connected and did not log in (user %r)"
            _log.log(logging.WARNING, self._address, failed, self.source, self.user)
        self.server.disconnected(self.connection)

    def begin_auth(self, username: str) -> bool:
        self.user = username
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        self._attempts += 1
        if self._attempts > _MAX_ATTEMPTS:
            self.connection.disconnect(
                asyncssh.DISC_NO_MORE_AUTH_METHODS_AVAILABLE, "too many keys"
            )
            return False
        return key.public_data in self.server.keys.get(username, frozenset())

    def auth_completed(self) -> None:
        self._leave_gate()

    def session_requested(self) -> tuple[asyncssh.SSHServerChannel[bytes], _Subsystem] | bool:
        if self._channels >= _MAX_CHANNELS:
            return False
        self._channels += 1
        return _channel(self.connection), _Subsystem(self)

    def session_opened(self) -> None:
        """Take note that the client uses the connection for what it is for."""
        self._sessions += 1

    def channel_closed(self) -> None:
        """Close the connection after its last session."""
        self._channels -= 1
        if self._channels == 0 and self._sessions:
            self.connection.close()

    def _leave_gate(self) -> None:
        self._inside_gate = False
        self.server.gate.leave(self._address)

    def _late(self) -> None:
        if self._sessions == 0:
            self.connection.abort()


class _Channel(asyncssh.SSHServerChannel[bytes]):
    """A channel that takes no environment."""

    def _process_env_request(self, _: Any) -> bool:
        return False


def _channel(connection: asyncssh.SSHServerConnection) -> _Channel:
    return _Channel(
        connection,
        asyncio.get_running_loop(),
        allow_pty=False,
        line_editor=False,
        line_echo=False,
        line_history=0,
        max_line_length=0,
        encoding=None,
        errors="strict",
        window=_WINDOW,
        max_pktsize=_PACKET,
    )


class _Subsystem(asyncssh.SSHServerSession[bytes]):
    """One channel: refuses all but the ``netconf`` subsystem, then carries a session."""

    def __init__(self, login: _Login) -> None:
        self._login = login
        self._channel: asyncssh.SSHServerChannel[bytes]
        self._peer: Peer | None = None

    # -- asyncssh's side

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        self._channel = chan

    def subsystem_requested(self, subsystem: str) -> bool:
        sessions = self._login.server.sessions
        if subsystem != "netconf":
            return False
        if sessions.is_full:
            sessions.refuse()
            return False
        return True

    def session_started(self) -> None:
        login = self._login
        login.session_opened()
        self._peer = login.server.sessions.open(
            self, login.user, DOOR, login.source, login.hello_by
        )

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
        self._login.channel_closed()

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
