"""The way in for strangers, whichever transport they use: past the gate, one after another."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Coroutine
from typing import Final, Protocol

from flowexport_mgmt.north.failures import FailedLogins
from flowexport_mgmt.north.netconf.gate import Gate, Visitor
from flowexport_mgmt.north.netconf.refusals import Reason
from flowexport_mgmt.north.netconf.sessions import Sessions
from flowexport_mgmt.observe.log import LimitedLogger

_log = LimitedLogger(logging.getLogger(__name__))

_WORDS: Final = {
    Reason.UNAUTHENTICATED: "too many connections that have not logged in; closed one from %s",
    Reason.BLOCKED_SOURCE: "too many failed logins from %s; its connections are closed for a while",
    Reason.FAILED_LOGIN: "%s connected and did not log in",
    Reason.LATE_HELLO: "%s did not log in and say hello in time",
}


class Arrival(Protocol):
    """A connection that may log in, however it came about.

    A transport that takes it over puts its own way to close it at once into ``disconnect``.
    """

    address: str
    disconnect: Callable[[], object]

    def logged_in(self) -> None:
        """Take note of the login."""

    def failed(self) -> None:
        """Take note of a login that failed."""

    def gone(self, reason: Reason = Reason.FAILED_LOGIN) -> None:
        """Take note that the connection ended, whether or not there was a login."""


Begin = Callable[[socket.socket, Arrival], Awaitable[None]]
"""Lets a connection speak; OSError means that it is lost already."""


class Entrance:
    """Bounds the strangers of all transports together, and the logins that fail.

    ``max_unauthenticated`` and ``max_failed_logins`` follow the configuration.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._gate = Gate(0)
        self._failures = FailedLogins(0)
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def use(self, max_unauthenticated: int, max_failed_logins: int) -> None:
        """Set the limits; they count from now on."""
        self._gate.limit = max_unauthenticated
        self._failures.limit = max_failed_logins

    @property
    def inside(self) -> int:
        """The strangers that may speak and have not logged in."""
        return self._gate.inside

    def arrive(self, connection: socket.socket, address: str, begin: Begin) -> None:
        """Take a connection that was just accepted; ``begin`` is called when its turn has come."""
        if self._failures.is_blocked(address, _now()):
            self.refuse(Reason.BLOCKED_SOURCE, address)
            connection.close()
            return
        stranger = Stranger(self, connection, address, begin)
        self._gate.arrive(stranger.visitor, _now())
        self._arm()

    def leave(self, visitor: Visitor) -> None:
        """Let a stranger out: it logged in, or is gone."""
        self._gate.leave(visitor, _now())
        self._arm()

    def refuse(self, reason: Reason, address: str) -> None:
        """Count and log a connection that came to nothing."""
        self._sessions.refuse(reason)
        _log.log(logging.WARNING, f"{reason} {address}", _WORDS[reason], address)

    def note_failure(self, address: str) -> None:
        """Remember a failed login."""
        self._failures.note(address, _now())

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run the beginning of a connection."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def stop(self) -> None:
        """Send all strangers away."""
        self._gate.close()
        self._arm()
        for task in tuple(self._tasks):
            task.cancel()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._gate.due is not None:
            self._timer = asyncio.get_running_loop().call_at(self._gate.due, self._move)

    def _move(self) -> None:
        self._gate.move(_now())
        self._arm()


class Stranger:
    """A connection that was accepted, on its way in; an `Arrival`."""

    def __init__(
        self, entrance: Entrance, connection: socket.socket, address: str, begin: Begin
    ) -> None:
        self.address = address
        self.visitor = Visitor(address, self._admitted, self._dismissed)
        self.disconnect: Callable[[], object] = connection.close
        self._entrance = entrance
        self._connection = connection
        self._begin = begin
        self._over = False

    def logged_in(self) -> None:
        """Make room for others: this one is no stranger any more."""
        self._over = True
        self._entrance.leave(self.visitor)

    def failed(self) -> None:
        """Remember a failed login."""
        self._entrance.note_failure(self.address)

    def gone(self, reason: Reason = Reason.FAILED_LOGIN) -> None:
        """Count a connection that ended; after a login or a dismissal it does nothing."""
        if not self._over:
            self._over = True
            self._entrance.refuse(reason, self.address)
            self._entrance.leave(self.visitor)

    def _admitted(self) -> None:
        beginning = self._entrance.spawn(self._run())
        beginning.add_done_callback(self._has_begun)
        self.disconnect = beginning.cancel

    def _dismissed(self) -> None:
        if not self._over:
            self._over = True
            self._entrance.refuse(Reason.UNAUTHENTICATED, self.address)
        self.disconnect()

    def _has_begun(self, beginning: asyncio.Task[None]) -> None:
        if beginning.cancelled():
            self._connection.close()

    async def _run(self) -> None:
        try:
            await self._begin(self._connection, self)
        except OSError:  # it was lost before it could say a word
            self._connection.close()
            self.gone()


def _now() -> float:
    return asyncio.get_running_loop().time()
