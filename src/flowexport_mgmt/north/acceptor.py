"""Accepting connections on a listening socket, whatever becomes of each."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Any, Final

from flowexport_mgmt.observe.log import LimitedLogger

_log = LimitedLogger(logging.getLogger(__name__))

_PAUSE: Final = 1.0
"""Seconds to wait when the process has no descriptor left for another connection."""

Accepted = Callable[[socket.socket, Any], Awaitable[None]]


class Acceptor:
    """Hands each connection on a listening socket, with its address, to a callback."""

    def __init__(self, listener: socket.socket, accepted: Accepted) -> None:
        self._listener = listener
        self._accepted = accepted
        self._task = asyncio.create_task(self._accept())

    async def stop(self) -> None:
        """Accept no more, and close the listening socket."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._listener.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(self._listener)
            except OSError as error:
                reason = str(error.strerror)
                _log.log(logging.WARNING, reason, "cannot accept a connection: %s", reason)
                await asyncio.sleep(_PAUSE)
                continue
            try:
                await self._accepted(connection, address)
            except OSError:  # it was lost at once
                connection.close()
