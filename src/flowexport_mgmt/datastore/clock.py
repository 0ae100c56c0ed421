"""Time as the datastore uses it; a test brings its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Timer(Protocol):
    """Something that happens later unless it is cancelled."""

    def cancel(self) -> None:
        """See that it does not happen."""


class Clock:
    """The clocks of the system and the timers of the event loop."""

    def now(self) -> datetime:
        """Tell the wall clock's time, for people to read."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Tell the seconds of CLOCK_MONOTONIC, which all processes of one boot share."""
        return time.monotonic()

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call back after a while; call it on the event loop."""
        return asyncio.get_running_loop().call_later(seconds, callback)

    def text(self, ahead: float = 0.0) -> str:
        """Write the wall clock's time, or the one so many seconds ahead, in RFC 3339 text."""
        try:
            moment = self.now() + timedelta(seconds=ahead)
        except OverflowError:  # beyond the calendar
            moment = datetime.max.replace(tzinfo=UTC)
        return moment.isoformat(timespec="milliseconds")
