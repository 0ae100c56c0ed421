"""All subscriptions of all sessions, and the stream that feeds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flowexport_mgmt.datastore import Datastore, Session
from flowexport_mgmt.north.netconf.notifications import stream
from flowexport_mgmt.north.netconf.notifications.records import timestamp
from flowexport_mgmt.north.netconf.notifications.rendering import Renderer
from flowexport_mgmt.north.netconf.notifications.stream import Stream
from flowexport_mgmt.north.netconf.notifications.subscription import EventSubscription


class Subscriptions:
    """Keeps the subscriptions and reports them and the stream as state."""

    paths = ("/netconf",)

    def __init__(self, datastore: Datastore) -> None:
        self.stream = Stream(datastore.events, Renderer(datastore.schema))
        self._legacy: dict[Session, EventSubscription] = {}

    def start(self) -> None:
        """Begin to render events."""
        self.stream.start()

    async def stop(self) -> None:
        """Take no more events."""
        await self.stream.stop()

    def end_session(self, session: Session) -> None:
        """End what a session subscribed to."""
        subscription = self._legacy.get(session)
        if subscription is not None:
            subscription.end()

    def has_any(self, session: Session) -> bool:
        """Tell whether a session has subscribed to anything."""
        return session in self._legacy

    # -- RFC 5277

    def has_legacy(self, session: Session) -> bool:
        """Tell whether a session has a subscription of RFC 5277."""
        return session in self._legacy

    def add_legacy(self, session: Session, subscription: EventSubscription) -> None:
        """Keep a session's subscription."""
        self._legacy[session] = subscription

    def forget_legacy(self, session: Session) -> None:
        """Forget a session's subscription, which has ended."""
        self._legacy.pop(session, None)

    # -- state

    async def state(self, _: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        """Report the stream in the form of RFC 5277."""
        journal = self.stream.journal
        entry: dict[str, Any] = {
            "name": stream.NAME,
            "description": stream.DESCRIPTION,
            "replaySupport": True,
            "replayLogCreationTime": timestamp(journal.created),
        }
        if journal.aged is not None:
            entry["replayLogAgedTime"] = timestamp(journal.aged)
        return {"nc-notifications:netconf": {"streams": {"stream": [entry]}}}
