"""Sessions that nobody uses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Idleness:
    """Calls ``on_idle`` once when there was no use for a time, and nothing is in use then.

    The timer is not moved with every use; it looks again when it has run out.
    """

    def __init__(self, is_busy: Callable[[], bool], on_idle: Callable[[], None]) -> None:
        self._is_busy = is_busy
        self._on_idle = on_idle
        self._seconds = 0
        self._used = _now()
        self._timer: asyncio.TimerHandle | None = None

    def limit(self, seconds: int) -> None:
        """Set how long is too long, from now on; 0 is never."""
        self._seconds = seconds
        self._used = _now()
        self._look_later()

    def used(self) -> None:
        """Take note of a use."""
        self._used = _now()

    def stop(self) -> None:
        """Call nothing any more."""
        self._seconds = 0
        self._look_later()

    def _look_later(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._seconds:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_at(self._used + self._seconds, self._look)

    def _look(self) -> None:
        if self._is_busy():
            self._used = _now()
        if _now() - self._used < self._seconds:
            self._look_later()
        else:
            self._on_idle()


def _now() -> float:
    return asyncio.get_running_loop().time()
