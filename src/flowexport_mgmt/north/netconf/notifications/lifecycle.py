"""What all subscriptions have in common: a client, a time to stop, a beginning and an end."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from flowexport_mgmt.north.netconf.notifications.client import Client
from flowexport_mgmt.north.netconf.notifications.records import envelope, now

_log = logging.getLogger(__name__)


class Style(Protocol):
    """What the RFC of a subscription has sent about the subscription itself."""

    def replayed(self) -> bytes:
        """Tell that all past events were sent."""

    def completed(self) -> bytes | None:
        """Tell that the time to stop has come; None: nothing is said."""

    def terminated(self, reason: str) -> bytes | None:
        """Tell why it ends early; None: the session has to end."""


class Subscription(ABC):
    """A subscription of one session.

    ``stop`` is when it ends by itself, None for never; ``on_end`` is called when it is over,
    whatever the reason.
    """

    def __init__(
        self, client: Client, style: Style, stop: datetime | None, on_end: Callable[[], None]
    ) -> None:
        self.client = client
        self.style = style
        self.stop = stop
        self.sent = 0
        self.excluded = 0
        self._on_end = on_end
        self._task: asyncio.Task[None] | None = None
        self._until: asyncio.Timeout | None = None
        self._ended = False

    def begin(self) -> None:
        """Start to send; nothing that happens from now on is missed."""
        if not self._ended:
            self.listen()
            self._task = asyncio.get_running_loop().create_task(self._live())

    @abstractmethod
    def listen(self) -> None:
        """Take note of what happens from now on."""

    @abstractmethod
    def unlisten(self) -> None:
        """Take note of nothing more."""

    @abstractmethod
    async def prepare(self) -> None:
        """Send what comes first, whatever the time to stop is."""

    @abstractmethod
    async def run(self) -> None:
        """Send for ever."""

    def stop_at(self, stop: datetime | None) -> None:
        """Set another time to stop."""
        self.stop = stop
        if self._until is not None:
            self._until.reschedule(self._deadline())

    def end(self) -> None:
        """Send nothing more."""
        if self._ended:
            return
        self._ended = True
        self.unlisten()
        if self._task is not None:
            self._task.cancel()
        self._on_end()

    def terminate(self, reason: str) -> None:
        """End it and tell the client why."""
        if self._ended:
            return
        self.end()
        message = self.style.terminated(reason)
        if message is None:
            self.client.drop(f"its subscription ends: {reason}")
        else:
            self._task = asyncio.get_running_loop().create_task(self.tell(message))

    async def tell(self, content: bytes) -> None:
        """Send something that happened now."""
        await self.client.notify(envelope(now(), content))

    async def _live(self) -> None:
        try:
            await self._send_until_stop()
        except Exception:  # noqa: BLE001 - one subscription must not fail in silence
            _log.exception("a subscription of session %d failed", self.client.session.id)
            self.terminate("stream-unavailable")

    async def _send_until_stop(self) -> None:
        await self.prepare()
        try:
            async with asyncio.timeout_at(self._deadline()) as self._until:
                await self.run()
        except TimeoutError:
            await self._complete()

    def _deadline(self) -> float | None:
        """Give the time to stop by the clock of the event loop."""
        if self.stop is None:
            return None
        left = (self.stop - now()).total_seconds()
        return asyncio.get_running_loop().time() + max(left, 0)

    async def _complete(self) -> None:
        message = self.style.completed()
        if message is not None:
            await self.tell(message)
        self._task = None
        self.end()
