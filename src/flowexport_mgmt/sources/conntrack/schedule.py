"""When to dump, and when to look after everything else."""

from __future__ import annotations

from typing import Final

TICK_S: Final = 2.0
"""How often switches are looked at, memory is given back and what failed is tried again."""

_REST_S: Final = 0.5
"""How long another resynchronising dump waits at least after a dump."""


class Schedule:
    """The times of one source, in seconds of a clock that is never set."""

    def __init__(self) -> None:
        self._tick = 0.0
        self._dump = 0.0
        self._rested = 0.0
        self._resync = False

    def take_tick(self, now: float) -> bool:
        """Tell whether it is time to look after things; the next time is set then."""
        if now < self._tick:
            return False
        self._tick = now + TICK_S
        return True

    def owes_resync(self) -> bool:
        """Whether events were lost and no dump has followed."""
        return self._resync

    def is_dump_due(self, now: float) -> bool:
        """Tell whether it is time for a dump, by the interval or because events were lost."""
        return self.is_scheduled(now) or (self._resync and now >= self._rested)

    def is_scheduled(self, now: float) -> bool:
        """Tell whether the interval is over."""
        return now >= self._dump

    def resync(self) -> None:
        """Have a dump follow at once."""
        self._resync = True

    def restart(self) -> None:
        """Have a dump follow at once, and others from then on."""
        self._dump = 0.0

    def shorten(self, now: float, interval: float) -> None:
        """Have the next dump follow within an interval that may have become shorter."""
        self._dump = min(self._dump, now + interval)

    def dumped(self, begun: float, ended: float, interval: float, *, scheduled: bool) -> None:
        """Set the times after a dump; they do not drift by what dumps take."""
        self._resync = False
        self._rested = ended + max(_REST_S, ended - begun)
        if scheduled:
            self._dump = max(begun + interval, ended)

    def wait(self, now: float, *, idle: bool) -> float:
        """Give the seconds until something is due; while ``idle`` there are no dumps."""
        due = self._tick
        if not idle:
            due = min(due, self._dump)
            due = min(due, self._rested) if self._resync else due
        return max(0.0, due - now)
