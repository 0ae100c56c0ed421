"""A subscription to the event stream: past events first if wanted, then those that come."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from flowexport_mgmt.errors import ManagementError
from flowexport_mgmt.north.netconf.evaluation import Evaluator
from flowexport_mgmt.north.netconf.notifications.backlog import Backlog
from flowexport_mgmt.north.netconf.notifications.client import Client
from flowexport_mgmt.north.netconf.notifications.records import Record, envelope, now
from flowexport_mgmt.north.netconf.notifications.stream import Stream
from flowexport_mgmt.north.netconf.reading import Filter

_log = logging.getLogger(__name__)


class Style(Protocol):
    """What the RFC of a subscription has sent about the subscription itself."""

    def replayed(self) -> bytes:
        """Tell that all past events were sent."""

    def completed(self) -> bytes | None:
        """Tell that the time to stop has come; None: nothing is said."""

    def terminated(self, reason: str) -> bytes | None:
        """Tell why it ends early; None: the session has to end."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What was subscribed to: ``start`` asks for a replay from there on."""

    chosen: Filter | None = None
    start: datetime | None = None
    stop: datetime | None = None


class EventSubscription:
    """Sends to a client what its filter lets pass.

    ``on_end`` is called when it is over, whatever the reason.
    """

    def __init__(
        self,
        client: Client,
        *,
        stream: Stream,
        evaluator: Evaluator,
        style: Style,
        terms: Terms,
        on_end: Callable[[], None],
    ) -> None:
        self.client = client
        self.terms = terms
        self.sent = 0
        self.excluded = 0
        self._stream = stream
        self._evaluator = evaluator
        self._style = style
        self._on_end = on_end
        self._backlog: Backlog[Record] = Backlog()
        self._task: asyncio.Task[None] | None = None
        self._until: asyncio.Timeout | None = None
        self._ended = False

    def begin(self) -> None:
        """Start to send; nothing that happens from now on is missed."""
        if self._ended:
            return
        past = () if self.terms.start is None else self._stream.journal.since(self.terms.start)
        self._stream.listen(self, self._take)
        self._task = asyncio.get_running_loop().create_task(self._run(past))

    def modify(self, terms: Terms) -> None:
        """Go on with another filter and another time to stop."""
        self.terms = terms
        if self._until is not None:
            self._until.reschedule(self._deadline())

    def end(self) -> None:
        """Send nothing more."""
        if self._ended:
            return
        self._ended = True
        self._stream.forget(self)
        if self._task is not None:
            self._task.cancel()
        self._on_end()

    def terminate(self, reason: str) -> None:
        """End it and tell the client why."""
        self.end()
        message = self._style.terminated(reason)
        if message is None:
            self.client.drop(f"its subscription ends: {reason}")
            return
        task = asyncio.get_running_loop().create_task(self._tell(message))
        self._task = task

    def _take(self, record: Record) -> None:
        if not self._backlog.put(record):
            _log.warning("session %d does not read its notifications", self.client.session.id)
            self.terminate("suspension-timeout")

    async def _run(self, past: Sequence[Record]) -> None:
        for record in past:
            if self.terms.stop is None or record.time <= self.terms.stop:
                await self._send(record)
        if self.terms.start is not None:
            await self._tell(self._style.replayed())
        try:
            async with asyncio.timeout_at(self._deadline()) as self._until:
                while True:
                    await self._send(await self._backlog.get())
        except TimeoutError:
            await self._complete()

    def _deadline(self) -> float | None:
        """Give the time to stop by the clock of the event loop."""
        if self.terms.stop is None:
            return None
        left = (self.terms.stop - now()).total_seconds()
        return asyncio.get_running_loop().time() + max(left, 0)

    async def _complete(self) -> None:
        message = self._style.completed()
        if message is not None:
            await self._tell(message)
        self._task = None
        self.end()

    async def _send(self, record: Record) -> None:
        chosen = self.terms.chosen
        try:
            wanted = chosen is None or await chosen.matches(record.document, self._evaluator)
        except ManagementError as error:
            _log.warning("session %d: %s", self.client.session.id, error)
            self.terminate("filter-unavailable")
            return
        if wanted:
            await self.client.notify(record.message)
            self.sent += 1
        else:
            self.excluded += 1

    async def _tell(self, content: bytes) -> None:
        await self.client.notify(envelope(now(), content))
