"""NETCONF over the local Unix socket: the kernel says who connects (SO_PEERCRED, unix(7))."""

from __future__ import annotations

import asyncio
import logging
import os
import pwd
import socket
import struct
from typing import Any, Final

from flowexport_mgmt.north.acceptor import Acceptor
from flowexport_mgmt.north.listener import Stop
from flowexport_mgmt.north.netconf.peer import Peer
from flowexport_mgmt.north.netconf.refusals import Reason
from flowexport_mgmt.north.netconf.sessions import Sessions
from flowexport_mgmt.north.netconf.stream import StreamSession
from flowexport_mgmt.observe.log import LimitedLogger

_log = LimitedLogger(logging.getLogger(__name__))

DOOR: Final = "netconf-unix"
_CREDENTIALS: Final = struct.Struct("iII")  # pid, uid, gid


class UnixServer:
    """Gives root and the service's own user a session each; everybody else is refused."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def serve(self, listener: socket.socket) -> Stop:
        """Accept connections until the result is called; those that were accepted live on."""
        return Acceptor(listener, self._accepted).stop

    async def _accepted(self, connection: socket.socket, _: Any) -> None:
        pid, uid, _gid = _CREDENTIALS.unpack(
            connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        )
        if uid not in {0, os.geteuid()}:
            self._refuse(connection, Reason.LOCAL_USER, pid, uid)
            return
        if self._sessions.is_full:
            self._refuse(connection, Reason.SESSIONS, pid, uid)
            return

        def open_session(transport: asyncio.Transport) -> Peer:
            sessions, source = self._sessions, f"pid {pid}"
            by = sessions.hello_by()
            return sessions.open(transport, _name(uid), DOOR, source, by, recovery=True)

        await asyncio.get_running_loop().connect_accepted_socket(
            lambda: StreamSession(open_session, lambda: None, half_close=True), connection
        )

    def _refuse(self, connection: socket.socket, reason: Reason, pid: int, uid: int) -> None:
        refused = "refused process %d of user %s on the Unix socket: %s"
        words = "only root and the service's own user may use it"
        if reason is Reason.SESSIONS:
            words = "there are as many sessions as may be"
        _log.log(logging.WARNING, f"{reason} {uid}", refused, pid, _name(uid), words)
        self._sessions.refuse(reason)
        connection.close()


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
