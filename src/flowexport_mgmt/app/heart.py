"""Whether the data plane goes on, as its own pipeline says, and what the service manager hears."""

from __future__ import annotations

import time
from collections.abc import Callable

from flowexport_mgmt.app.loop import Loop, Timer
from flowexport_mgmt.observe.notify import Notifier

_STILL_AFTER = 30.0
"""Seconds without a beat after which the exporter is ended, to be started again."""

_FIRST_AFTER = 120.0
"""The same for its first beat: a machine may be busy when everything starts."""


class Heart:
    """Feeds the watchdog of the service manager with the beats of the exporter, and nothing else.

    ``on_still`` is called with the seconds since the last beat when there was none for too long.
    A supervisor that lives on beside an exporter that does not is of no use, so it alone never
    pats the watchdog.
    """

    def __init__(
        self,
        loop: Loop,
        notifier: Notifier,
        on_still: Callable[[float], None],
        still_after: float = _STILL_AFTER,
        first_after: float = _FIRST_AFTER,
    ) -> None:
        self._loop = loop
        self._notifier = notifier
        self._on_still = on_still
        self._still_after = still_after
        self._first_after = first_after
        self._limit = first_after
        self._last = 0.0
        self._timer: Timer | None = None

    def expect(self) -> None:
        """Expect a first beat: the exporter is being started."""
        self.pause()
        self._last, self._limit = time.monotonic(), self._first_after
        self._watch(self._limit)

    def beat(self) -> None:
        """Take a beat."""
        self._last = time.monotonic()
        if self._notifier.watchdog_interval is not None:
            self._notifier.watchdog()
        if self._timer is None or self._limit != self._still_after:
            self.pause()
            self._limit = self._still_after
            self._watch(self._limit)

    def pause(self) -> None:
        """Expect nothing more: the exporter has ended."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _watch(self, delay: float) -> None:
        self._timer = self._loop.call_later(delay, self._look)

    def _look(self) -> None:
        self._timer = None
        silent = time.monotonic() - self._last
        if silent >= self._limit:
            self._on_still(silent)
        else:
            self._watch(self._limit - silent)
