"""The event stream: from the bus to the replay log and to whoever listens."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Final

from flowexport_mgmt.datastore import Datastore, Session
from flowexport_mgmt.north.netconf.notifications.journal import Journal
from flowexport_mgmt.north.netconf.notifications.records import Record, now
from flowexport_mgmt.north.netconf.notifications.rendering import Renderer
from flowexport_mgmt.observe.log import LimitedLogger

_log = LimitedLogger(logging.getLogger(__name__))

NAME: Final = "NETCONF"
DESCRIPTION: Final = "All events of this server"

_BACKLOG: Final = 4096
"""Events that may wait to be rendered."""


class Stream:
    """The one stream, named NETCONF as RFC 5277 (section 3.2.3) wants it.

    Events are kept from the moment that it is made, and rendered once it is started.
    """

    def __init__(self, datastore: Datastore, renderer: Renderer) -> None:
        self._renderer = renderer
        self._access = datastore.access
        self._events = datastore.events.subscribe(_BACKLOG)
        self._listeners: dict[object, Callable[[Record], None]] = {}
        self._task: asyncio.Task[None] | None = None
        self.journal = Journal(now())

    def start(self) -> None:
        """Begin to render what comes."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="event stream")

    async def stop(self) -> None:
        """Take nothing more."""
        self._events.close()
        if self._task is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def listen(self, key: object, listener: Callable[[Record], None]) -> None:
        """Hand every further record to a listener, which must not wait."""
        self._listeners[key] = listener

    def forget(self, key: object) -> None:
        """Hand nothing more to the listener of a key."""
        self._listeners.pop(key, None)

    def is_permitted(self, session: Session, record: Record) -> bool:
        """Say whether a session may be sent a record (RFC 8341, section 3.4.6)."""
        module, _, name = record.name.partition(":")
        return self._access.may_receive(session, module, name)

    async def _run(self) -> None:
        dropped = 0
        async for event in self._events:
            if self._events.dropped != dropped:
                dropped = self._events.dropped
                lost = "%d events came faster than they could be rendered"
                _log.log(logging.WARNING, "dropped", lost, dropped)
            record = self._renderer.render(event)
            if record is not None:
                self._publish(record)

    def _publish(self, record: Record) -> None:
        self.journal.add(record)
        for listener in tuple(self._listeners.values()):
            listener(record)
