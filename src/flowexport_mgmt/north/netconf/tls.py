"""NETCONF over TLS (RFC 7589): who has a certificate that maps to a user gets a session."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Sequence
from typing import Any, Final, cast

from flowexport_mgmt.credentials.cert_names import user_of, verified_chain
from flowexport_mgmt.link.broker import TcpEndpoint
from flowexport_mgmt.model.server import NetconfTlsCertToName
from flowexport_mgmt.north.acceptor import Acceptor
from flowexport_mgmt.north.listener import Stop
from flowexport_mgmt.north.netconf.entrance import Arrival, Entrance
from flowexport_mgmt.north.netconf.keepalive import keep_alive
from flowexport_mgmt.north.netconf.peer import Peer
from flowexport_mgmt.north.netconf.refusals import Reason
from flowexport_mgmt.north.netconf.sessions import Sessions
from flowexport_mgmt.north.netconf.stream import StreamSession
from flowexport_mgmt.observe.log import LimitedLogger

_log = LimitedLogger(logging.getLogger(__name__))

DOOR: Final = "netconf-tls"

_GOODBYE: Final = 5.0
"""Seconds that a client has to answer the end of TLS."""


class TlsServer:
    """Opens a session for each connection whose certificate maps to a user.

    ``context``, ``cert_to_name`` and ``users`` may be replaced at any time; they count for the
    connections after that.
    """

    def __init__(self, sessions: Sessions, entrance: Entrance) -> None:
        self.context: ssl.SSLContext | None = None
        self.cert_to_name: Sequence[NetconfTlsCertToName] = ()
        self.users: frozenset[str] = frozenset()
        self._sessions = sessions
        self._entrance = entrance

    async def serve(self, listener: socket.socket) -> Stop:
        """Accept connections until the result is called; those that were accepted live on."""
        return Acceptor(listener, self._accepted).stop

    async def _accepted(self, connection: socket.socket, address: Any) -> None:
        self._entrance.arrive(connection, address[0], self.begin)

    async def begin(self, connection: socket.socket, arrival: Arrival) -> None:
        """Speak TLS on a connection; what becomes of it is told to ``arrival``."""
        if self.context is None:
            raise ConnectionAbortedError("the door was closed meanwhile")
        loop, hello_by = asyncio.get_running_loop(), self._sessions.hello_by()
        source = str(TcpEndpoint(*connection.getpeername()[:2]))
        keep_alive(connection)

        def open_session(transport: asyncio.Transport) -> Peer | None:
            return self._open(transport, arrival, source, hello_by)

        try:
            await loop.connect_accepted_socket(
                lambda: StreamSession(open_session, arrival.gone, half_close=False),
                connection,
                ssl=self.context,
                ssl_handshake_timeout=self._sessions.hello_timeout,
                ssl_shutdown_timeout=_GOODBYE,
            )
        except ssl.SSLError as error:
            _log.log(logging.WARNING, arrival.address, "%s: %s", source, _words(error))
            arrival.failed()
            raise
        except ConnectionAbortedError:  # asyncio's word for a handshake that took too long
            arrival.gone(Reason.LATE_HELLO)
            raise

    def _open(
        self, transport: asyncio.Transport, arrival: Arrival, source: str, hello_by: float
    ) -> Peer | None:
        chain = verified_chain(cast(ssl.SSLObject, transport.get_extra_info("ssl_object")))
        user = user_of(chain, self.cert_to_name)
        if user is None or user not in self.users:
            subject = chain[0].subject.rfc4514_string()
            refused = "%s: the certificate of %s maps to %s"
            whom = "nobody" if user is None else f"{user}, who is no user"
            _log.log(logging.WARNING, f"{source} {whom}", refused, source, subject, whom)
            arrival.failed()
            arrival.gone()
            return None
        arrival.logged_in()
        if self._sessions.is_full:
            self._sessions.refuse(Reason.SESSIONS)
            return None
        return self._sessions.open(transport, user, DOOR, source, hello_by)


def _words(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the client's certificate: {error.verify_message}"
    return f"TLS: {(error.reason or type(error).__name__).replace('_', ' ').lower()}"
