"""Trying again what a door was short of, such as a certificate that is not there yet."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


class Again:
    """Calls ``attempt`` after a time for as long as it is wanted."""

    def __init__(self, attempt: Callable[[], Awaitable[None]], after: float) -> None:
        self._attempt = attempt
        self._after = after
        self._timer: asyncio.TimerHandle | None = None
        self._running: asyncio.Future[None] | None = None

    def want(self, wanted: bool) -> None:
        """Attempt once more after the time, or never; what runs already runs on."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if wanted:
            self._timer = asyncio.get_running_loop().call_later(self._after, self._start)

    async def stop(self) -> None:
        """Attempt no more, and let what runs end."""
        self.want(False)
        if self._running is not None:
            await asyncio.wait([self._running])

    def _start(self) -> None:
        self._timer = None
        self._running = asyncio.ensure_future(self._attempt())
