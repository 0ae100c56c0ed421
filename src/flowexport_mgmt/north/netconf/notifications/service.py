"""All subscriptions of all sessions, and the stream that feeds them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from flowexport_mgmt.datastore import Datastore, Session
from flowexport_mgmt.north.netconf.notifications.errors import refuse
from flowexport_mgmt.north.netconf.notifications.lifecycle import Subscription
from flowexport_mgmt.north.netconf.notifications.rendering import Renderer
from flowexport_mgmt.north.netconf.notifications.snapshots import Snapshots
from flowexport_mgmt.north.netconf.notifications.stream import Stream
from flowexport_mgmt.north.netconf.reading import Reader

MAX_SUBSCRIPTIONS: Final = 256
MAX_OF_SESSION: Final = 32


class Held(NamedTuple):
    """A dynamic subscription and whose it is."""

    session: Session
    subscription: Subscription


class Subscriptions:
    """Keeps the subscriptions: dynamic ones by number, those of RFC 5277 by session."""

    def __init__(self, datastore: Datastore, reader: Reader) -> None:
        self.stream = Stream(datastore, Renderer(datastore.schema))
        self.snapshots = Snapshots(reader)
        self._legacy: dict[Session, Subscription] = {}
        self._held: dict[int, Held] = {}
        self._last = 0

    def start(self) -> None:
        """Begin to render events."""
        self.stream.start()

    async def stop(self) -> None:
        """Take no more events."""
        await self.stream.stop()

    def end_session(self, session: Session) -> None:
        """End what a session subscribed to."""
        for subscription in tuple(self._of(session)):
            subscription.end()

    def has_any(self, session: Session) -> bool:
        """Tell whether a session has subscribed to anything."""
        return any(True for _ in self._of(session))

    def _of(self, session: Session) -> Iterator[Subscription]:
        if session in self._legacy:
            yield self._legacy[session]
        for held in self._held.values():
            if held.session is session:
                yield held.subscription

    # -- RFC 5277

    def has_legacy(self, session: Session) -> bool:
        """Tell whether a session has a subscription of RFC 5277."""
        return session in self._legacy

    def add_legacy(self, session: Session, subscription: Subscription) -> None:
        """Keep a session's subscription."""
        self._legacy[session] = subscription

    def forget_legacy(self, session: Session) -> None:
        """Forget a session's subscription, which has ended."""
        self._legacy.pop(session, None)

    # -- RFC 8639

    @property
    def dynamic(self) -> dict[int, Held]:
        """The dynamic subscriptions by number."""
        return dict(self._held)

    def reserve(self, session: Session) -> int:
        """Give the number of a new subscription.

        Raises:
            ManagementError: ``insufficient-resources``: there are as many as may be.
        """
        if len(self._held) >= MAX_SUBSCRIPTIONS:
            message = f"there are {MAX_SUBSCRIPTIONS} subscriptions, which is all there may be"
            raise refuse("insufficient-resources", message)
        if sum(held.session is session for held in self._held.values()) >= MAX_OF_SESSION:
            message = f"a session has at most {MAX_OF_SESSION} subscriptions"
            raise refuse("insufficient-resources", message)
        self._last += 1
        return self._last

    def add(self, number: int, session: Session, subscription: Subscription) -> None:
        """Keep a subscription."""
        self._held[number] = Held(session, subscription)

    def find(self, number: int, session: Session | None = None) -> Subscription | None:
        """Find a subscription, of one session where that is given."""
        held = self._held.get(number)
        if held is None or session not in (None, held.session):
            return None
        return held.subscription

    def forget(self, number: int) -> None:
        """Forget a subscription, which has ended."""
        self._held.pop(number, None)
