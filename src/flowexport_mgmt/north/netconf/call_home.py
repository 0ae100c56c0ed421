"""Call home (RFC 8071): this server connects to its clients, which then log in as always."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from flowexport_mgmt.datastore import Refusal
from flowexport_mgmt.link.broker import TcpEndpoint
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.model.server import (
    NetconfCallHome,
    NetconfCallHomeState,
    NetconfCallHomeTransport,
    Server,
)
from flowexport_mgmt.north.netconf.entrance import Arrival
from flowexport_mgmt.north.netconf.keepalive import keep_alive
from flowexport_mgmt.north.netconf.refusals import Reason
from flowexport_mgmt.observe.log import LimitedLogger

_log = LimitedLogger(logging.getLogger(__name__))

PORTS: Final = {NetconfCallHomeTransport.SSH: 4334, NetconfCallHomeTransport.TLS: 4335}
"""The ports of RFC 8071, section 4."""

_CONNECT_WITHIN: Final = 10.0
FIRST_WAIT: Final = 1.0
_LONGEST_WAIT: Final = 60.0
_STEADY: Final = 30.0
"""Seconds that a connection lasts before the next wait is a short one again."""
_JITTER: Final = 0.2

Begin = Callable[[socket.socket, Arrival], Awaitable[None]]
"""Speaks a transport on a connection; OSError means that it is lost already."""


class CallHome:
    """A caller for each configured client; one whose entry does not change calls on."""

    is_short = False

    def __init__(
        self,
        begin: Mapping[NetconfCallHomeTransport, Begin],
        *,
        first_wait: float = FIRST_WAIT,
    ) -> None:
        self._begin = begin
        self._first_wait = first_wait
        self._callers: dict[NetconfCallHome, Caller] = {}
        self._next: Sequence[NetconfCallHome] | None = None

    async def prepare(self, old: Server | None, new: Server, *, strict: bool) -> list[Refusal]:
        """Take note of who is to be called; nothing can fail before that."""
        del old, strict
        self._next = new.netconf.call_home
        return []

    async def apply(self) -> None:
        """Call those that are new, and no more those that are gone."""
        wanted, self._next = self._next, None
        if wanted is None:
            return
        before = self._callers
        self._callers = {entry: before.get(entry) or self._start(entry) for entry in wanted}
        for entry in before.keys() - self._callers.keys():
            await before[entry].stop()

    async def abort(self) -> None:
        """Go on as before."""
        self._next = None

    async def stop_listening(self) -> None:
        """Call nobody any more."""
        self._next = ()
        await self.apply()

    def state(self) -> tuple[NetconfCallHomeState, ...]:
        """Report how each fares."""
        return tuple(caller.state() for caller in self._callers.values())

    def _start(self, entry: NetconfCallHome) -> Caller:
        return Caller(entry, self._begin[entry.transport], self._first_wait)


class Caller:
    """Keeps a connection to one client, with longer and longer waits while there is none."""

    def __init__(self, entry: NetconfCallHome, begin: Begin, first_wait: float) -> None:
        self._entry = entry
        self._begin = begin
        self._first_wait = first_wait
        self._peer = TcpEndpoint(entry.address, entry.port or PORTS[entry.transport])
        self._call: Call | None = None
        self._attempts = 0
        self._reason = "not connected yet"
        self._task = asyncio.create_task(self._run(), name=f"call home {entry.name}")

    def state(self) -> NetconfCallHomeState:
        """Report how it fares."""
        is_up = self._call is not None and self._call.is_logged_in
        return NetconfCallHomeState(
            name=self._entry.name,
            attempts=self._attempts,
            oper_status=OperStatus.UP if is_up else OperStatus.DOWN,
            oper_reason=None if is_up else self._reason,
        )

    async def stop(self) -> None:
        """Call no more; a session that there is lives on."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        wait = self._first_wait
        while True:
            began = loop.time()
            self._attempts += 1
            await self._call_once()
            if loop.time() - began >= _STEADY:
                wait = self._first_wait
            name, peer = self._entry.name, self._peer
            _log.log(
                logging.WARNING,
                f"{name} {self._reason}",
                *("call home to %s at %s: %s; trying again", name, peer, self._reason),
            )
            spread = 1 - _JITTER + 2 * _JITTER * random.random()  # noqa: S311 - not for secrecy
            await asyncio.sleep(wait * spread)
            wait = min(2 * wait, _LONGEST_WAIT)

    async def _call_once(self) -> None:
        """Connect, and stay until the connection is gone; ``reason`` says why."""
        try:
            connection = await self._connect()
        except OSError as error:
            self._reason = f"cannot connect: {_words(error)}"
            return
        self._call = call = Call(self._entry.address, connection)
        self._reason = "connected, and the client has not logged in"
        try:
            await self._begin(connection, call)
            await call.wait_gone()
        except OSError as error:
            connection.close()
            self._reason = f"the connection was lost: {_words(error)}"
        except asyncio.CancelledError:
            if not call.is_logged_in:
                call.disconnect()
            raise
        else:
            self._reason = "the client closed the connection" if call.is_logged_in else call.reason
        finally:
            self._call = None

    async def _connect(self) -> socket.socket:
        family, kind, protocol, _, address = socket.getaddrinfo(
            self._peer.address,
            self._peer.port,
            type=socket.SOCK_STREAM,
            flags=socket.AI_NUMERICHOST,
        )[0]
        connection = socket.socket(family, kind, protocol)
        try:
            connection.setblocking(False)
            keep_alive(connection)
            async with asyncio.timeout(_CONNECT_WITHIN):
                await asyncio.get_running_loop().sock_connect(connection, address)
        except BaseException:
            connection.close()
            raise
        return connection


class Call:
    """One connection that was made, on its way to a login; an `entrance.Arrival`."""

    def __init__(self, address: str, connection: socket.socket) -> None:
        self.address = address
        self.disconnect: Callable[[], object] = connection.close
        self.is_logged_in = False
        self.reason = "the client did not log in"
        self._gone = asyncio.Event()

    def logged_in(self) -> None:
        """Take note of the login."""
        self.is_logged_in = True

    def failed(self) -> None:
        """Take note of a login that failed."""
        self.reason = "the client's login failed"

    def gone(self, reason: Reason = Reason.FAILED_LOGIN) -> None:
        """Take note of the end."""
        if reason is Reason.LATE_HELLO:
            self.reason = "the client did not log in and say hello in time"
        self._gone.set()

    async def wait_gone(self) -> None:
        """Wait for the end."""
        await self._gone.wait()


def _words(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer"
    return os.strerror(error.errno) if error.errno else str(error)
