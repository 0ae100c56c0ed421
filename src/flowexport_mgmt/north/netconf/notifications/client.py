"""What a subscription needs of the session that it belongs to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from flowexport_mgmt.datastore import Session


class Client(Protocol):
    """The session of a subscriber."""

    @property
    def session(self) -> Session:
        """Who it is."""

    def after_reply(self, begin: Callable[[], None]) -> None:
        """Have something begin once the reply to the request that runs is on its way."""

    async def notify(self, message: bytes) -> None:
        """Send a notification as soon as the client has read what was sent before."""

    def drop(self, reason: str) -> None:
        """End the session."""
