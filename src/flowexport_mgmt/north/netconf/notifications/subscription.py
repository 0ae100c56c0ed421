"""A subscription to the event stream: past events first if wanted, then those that come."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from flowexport_mgmt.errors import ManagementError
from flowexport_mgmt.north.netconf.evaluation import Evaluator
from flowexport_mgmt.north.netconf.notifications.backlog import Backlog
from flowexport_mgmt.north.netconf.notifications.client import Client
from flowexport_mgmt.north.netconf.notifications.lifecycle import Style, Subscription
from flowexport_mgmt.north.netconf.notifications.records import Record
from flowexport_mgmt.north.netconf.notifications.stream import Stream
from flowexport_mgmt.north.netconf.reading import Filter
from flowexport_mgmt.observe.log import LimitedLogger

_log = LimitedLogger(logging.getLogger(__name__))


@dataclass(frozen=True, slots=True)
class Terms:
    """What was subscribed to: ``start`` asks for a replay from there on."""

    chosen: Filter | None = None
    start: datetime | None = None
    stop: datetime | None = None


class EventSubscription(Subscription):
    """Sends to a client what its filter lets pass.

    Events wait in a bounded backlog for a client that does not read; when that is full the
    subscription ends.
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
        super().__init__(client, style, terms.stop, on_end)
        self.chosen = terms.chosen
        self.start = terms.start
        self._stream = stream
        self._evaluator = evaluator
        self._backlog: Backlog[Record] = Backlog()
        self._past: Sequence[Record] = ()

    def listen(self) -> None:
        """Keep what comes, after what is wanted of the past."""
        if self.start is not None:
            self._past = self._stream.journal.since(self.start)
        self._stream.listen(self, self._take)

    def unlisten(self) -> None:
        """Keep nothing more."""
        self._stream.forget(self)

    def modify(self, chosen: Filter | None, stop: datetime | None) -> None:
        """Go on with another filter and another time to stop."""
        self.chosen = chosen
        self.stop_at(stop)

    def _take(self, record: Record) -> None:
        if not self._backlog.put(record):
            who = self.client.session
            words = "session %d of %s does not read its notifications"
            _log.log(logging.WARNING, who.user, words, who.id, who.user)
            self.terminate("suspension-timeout")

    async def prepare(self) -> None:
        """Send what is wanted of the past."""
        for record in self._past:
            if self.stop is None or record.time <= self.stop:
                await self._send(record)
        self._past = ()
        if self.start is not None:
            await self.tell(self.style.replayed())

    async def run(self) -> None:
        """Send what comes."""
        while True:
            await self._send(await self._backlog.get())

    async def _send(self, record: Record) -> None:
        if not self._stream.is_permitted(self.client.session, record):
            return
        try:
            wanted = self.chosen is None or await self.chosen.matches(
                record.document, self._evaluator
            )
        except ManagementError as error:
            who = self.client.session
            _log.log(logging.WARNING, who.user, "a filter of session %d: %s", who.id, error)
            self.terminate("filter-unavailable")
            return
        if wanted:
            await self.client.notify(record.message)
            self.sent += 1
        else:
            self.excluded += 1
