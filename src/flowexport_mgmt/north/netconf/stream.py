"""A session on a stream of asyncio's: the Unix socket, or TLS."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from flowexport_mgmt.north.netconf.peer import Peer


class StreamSession(asyncio.Protocol):
    """One connection, which carries one session; ``open_session`` gives None to refuse it.

    ``on_lost`` is called at the end of the connection. ``half_close``: the client may end its side
    and still read replies, which TLS does not know.
    """

    def __init__(
        self,
        open_session: Callable[[asyncio.Transport], Peer | None],
        on_lost: Callable[[], None],
        *,
        half_close: bool,
    ) -> None:
        self._open_session = open_session
        self._on_lost = on_lost
        self._half_close = half_close
        self._peer: Peer | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open the session."""
        stream = cast(asyncio.Transport, transport)
        self._peer = self._open_session(stream)
        if self._peer is None:
            stream.abort()

    def data_received(self, data: bytes) -> None:
        """Hand on what the client sent."""
        if self._peer is not None:
            self._peer.data_received(data)

    def eof_received(self) -> bool:
        """Answer what has come."""
        if self._peer is not None:
            self._peer.eof_received()
        return self._half_close

    def pause_writing(self) -> None:
        """Let nothing more be carried out while the client does not read."""
        if self._peer is not None:
            self._peer.pause_writing()

    def resume_writing(self) -> None:
        """Go on."""
        if self._peer is not None:
            self._peer.resume_writing()

    def connection_lost(self, _: Exception | None) -> None:
        """End the session."""
        if self._peer is not None:
            self._peer.connection_lost()
        self._on_lost()
