"""TCP keep-alive (RFC 8071, section 4.1; RFC 9293, section 3.8.4)."""

from __future__ import annotations

import socket
from typing import Final

_IDLE: Final = 30
_INTERVAL: Final = 20
_PROBES: Final = 3


def keep_alive(connection: socket.socket) -> None:
    """Have a connection end within 90 seconds when the peer's host is gone."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _IDLE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _INTERVAL)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, _PROBES)
