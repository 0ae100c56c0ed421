"""The listening socket of a door, which a commit may open, move or close.

The socket comes from the broker. A commit prepares the new one while the old one still serves, so
that nothing has changed if the commit is refused. What cannot be opened at start is tried again
until it can.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from flowexport_mgmt.errors import LinkError
from flowexport_mgmt.link.broker import Broker, TcpEndpoint
from flowexport_mgmt.model.base import OperStatus

_log = logging.getLogger(__name__)

RETRY_AFTER: Final = 5.0
"""Seconds between two attempts to open a socket."""

Stop = Callable[[], Awaitable[None]]
Serve = Callable[[socket.socket], Awaitable[Stop]]
"""Starts to accept on a socket; the result stops that and closes the socket."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """Where to listen after the commit: with a socket, or with the reason why there is none."""

    endpoint: TcpEndpoint | None = None
    socket: socket.socket | None = None
    reason: str = ""


class Listener:
    """Where a door listens now, and where it will after the commit that is being prepared."""

    def __init__(
        self, name: str, broker: Broker, serve: Serve, *, retry_after: float = RETRY_AFTER
    ) -> None:
        self._name = name
        self._broker = broker
        self._serve = serve
        self._retry_after = retry_after
        self._wanted: TcpEndpoint | None = None
        self._serving: tuple[TcpEndpoint, Stop] | None = None
        self._plan = _Plan()
        self._timer: asyncio.TimerHandle | None = None
        self._attempt: asyncio.Task[None] | None = None
        self.reason = ""

    @property
    def status(self) -> OperStatus:
        """How the door fares; where it is down, ``reason`` says why."""
        if self._wanted is None:
            return OperStatus.DISABLED
        return OperStatus.DOWN if self._serving is None else OperStatus.UP

    async def prepare(self, wanted: TcpEndpoint | None, *, strict: bool) -> str:
        """Open the socket that is wanted next; None closes the door.

        Returns:
            Why it cannot be opened, else an empty string. An endpoint that is wanted already and
            only waits for its next attempt is no reason, and without ``strict`` nothing is.
        """
        self._plan = _Plan(wanted)
        if wanted is None or self._is_open_at(wanted):
            return ""
        try:
            self._plan = _Plan(wanted, await self._listen(wanted))
        except (OSError, LinkError) as error:
            self._plan = _Plan(wanted, reason=_reason(wanted, error))
        return self._plan.reason if strict and wanted != self._wanted else ""

    async def apply(self) -> None:
        """Move to what was prepared; the connections that were accepted before live on."""
        plan, self._plan = self._plan, _Plan()
        self._cancel_retry()
        self._wanted = plan.endpoint
        if plan.endpoint is not None and self._is_open_at(plan.endpoint):
            await self._forget(plan)
            return
        old, self._serving = self._serving, None
        if plan.endpoint is not None and plan.socket is not None:
            await self._start(plan.endpoint, plan.socket)
        elif plan.endpoint is not None:
            self.reason = plan.reason
            _log.warning("%s: %s; trying again", self._name, self.reason)
            self._retry_later(plan.endpoint)
        await self._close(old)

    async def abort(self) -> None:
        """Close what was prepared."""
        plan, self._plan = self._plan, _Plan()
        await self._forget(plan)

    async def stop(self) -> None:
        """Close everything."""
        self._wanted = None
        self._cancel_retry()
        if self._attempt is not None:
            await asyncio.wait([self._attempt])
        await self.abort()
        old, self._serving = self._serving, None
        await self._close(old)

    def _is_open_at(self, endpoint: TcpEndpoint) -> bool:
        return self._serving is not None and self._serving[0] == endpoint

    async def _listen(self, endpoint: TcpEndpoint) -> socket.socket:
        return await self._broker.listen_tcp(endpoint.address, endpoint.port)

    async def _start(self, endpoint: TcpEndpoint, opened: socket.socket) -> None:
        self._serving = (endpoint, await self._serve(opened))
        self.reason = ""
        _log.info("%s: listening on %s", self._name, endpoint)

    async def _close(self, serving: tuple[TcpEndpoint, Stop] | None) -> None:
        if serving is not None:
            endpoint, stop = serving
            await stop()
            await self._release(endpoint)

    async def _forget(self, plan: _Plan) -> None:
        if plan.endpoint is not None and plan.socket is not None:
            plan.socket.close()
            await self._release(plan.endpoint)

    async def _release(self, endpoint: TcpEndpoint) -> None:
        try:
            await self._broker.release_tcp(endpoint.address, endpoint.port)
        except LinkError as error:
            _log.warning("%s: cannot release %s: %s", self._name, endpoint, error)

    # -- trying again

    def _retry_later(self, endpoint: TcpEndpoint) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._retry_after, self._retry, endpoint)

    def _cancel_retry(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _retry(self, endpoint: TcpEndpoint) -> None:
        self._timer = None
        self._attempt = asyncio.create_task(self._try_again(endpoint))

    async def _try_again(self, endpoint: TcpEndpoint) -> None:
        """Attempt once more; by the time it succeeds the door may be wanted elsewhere."""
        try:
            opened = await self._listen(endpoint)
        except (OSError, LinkError) as error:
            if self._wanted == endpoint and self._serving is None:
                self.reason = _reason(endpoint, error)
                self._retry_later(endpoint)
            return
        if self._wanted == endpoint and self._serving is None:
            await self._start(endpoint, opened)
        else:
            await self._forget(_Plan(endpoint, opened))


def _reason(endpoint: TcpEndpoint, error: OSError | LinkError) -> str:
    why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
    return f"cannot listen on {endpoint}: {why}"
