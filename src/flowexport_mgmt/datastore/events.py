"""The bus on which commits and events of components travel."""

from __future__ import annotations

import asyncio
import enum
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from flowexport_mgmt.datastore.changes import Change
from flowexport_mgmt.datastore.record import CommitRecord


@dataclass(frozen=True, slots=True)
class ConfigurationChanged:
    """A commit took effect; ``changes`` are the changed subtrees, in the order of the edits.

    ``session`` is the id of the session that made it; 0 when the daemon did.
    """

    record: CommitRecord
    changes: tuple[Change, ...]
    session: int = 0


class ConfirmEvent(enum.StrEnum):
    """What happens to a confirmed commit, in the words of RFC 6470, section 2.2."""

    START = "start"
    EXTEND = "extend"
    COMPLETE = "complete"
    CANCEL = "cancel"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class ConfirmedCommitChanged:
    """A confirmed commit began, was extended or confirmed, or was rolled back.

    ``record`` is the commit that runs now; ``timeout`` the seconds that are left of it with START
    and EXTEND. ``session`` is the id of the session that did it; 0 when the daemon did. CANCEL is
    also the end of the session that a confirmed commit was bound to.
    """

    event: ConfirmEvent
    record: CommitRecord
    session: int = 0
    timeout: int | None = None


class Subscription:
    """A bounded queue of events: the oldest is dropped, and counted, when nobody reads.

    Iterate over it, and close it or use it in ``with``; iteration ends when it is closed.
    """

    def __init__(self, bus: Bus, limit: int) -> None:
        self._bus = bus
        self._events: deque[object] = deque(maxlen=limit)
        self._wake = asyncio.Event()
        self._closed = False
        self.dropped = 0

    def put(self, event: object) -> None:
        """Queue an event."""
        if len(self._events) == self._events.maxlen:
            self.dropped += 1
        self._events.append(event)
        self._wake.set()

    def close(self) -> None:
        """Take no more events and end the iteration."""
        self._closed = True
        self._bus.forget(self)
        self._wake.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    async def __aiter__(self) -> AsyncIterator[object]:
        while True:
            while self._events:
                yield self._events.popleft()
            if self._closed:
                return
            self._wake.clear()
            await self._wake.wait()


class Bus:
    """Hands every published event to every subscription; a publisher never waits."""

    def __init__(self) -> None:
        self._subscriptions: list[Subscription] = []
        self.published = 0

    def subscribe(self, limit: int = 1000) -> Subscription:
        """Open a subscription that keeps at most ``limit`` unread events."""
        subscription = Subscription(self, limit)
        self._subscriptions.append(subscription)
        return subscription

    def forget(self, subscription: Subscription) -> None:
        """Hand no more events to a subscription."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)

    def publish(self, event: object) -> None:
        """Hand an event to all subscriptions; call it on the event loop."""
        self.published += 1
        for subscription in self._subscriptions:
            subscription.put(event)
