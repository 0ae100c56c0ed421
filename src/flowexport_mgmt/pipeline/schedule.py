"""When which collector is due for a poll."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from flowexport_mgmt.pipeline.timers import Timers

_LEAD: Final = 0.02
"""The share of an interval by which polls come early: whatever threads and networks add, the gap
between two of them stays below the interval."""

_TOGETHER_S: Final = 0.005
"""Keys that are due within this time share a poll."""

K = TypeVar("K", bound=Hashable)


@dataclass(slots=True)
class _Rhythm:
    period: float
    latest: float | None = None  # when it was last due


class Schedule(Generic[K]):
    """Keys with their intervals in seconds; time is an argument, of a monotonic clock.

    Due times stand on a grid that all keys share, so that equal intervals and multiples of them
    meet in one poll, and nothing drifts. A key that is new or expedited is due at once.
    """

    def __init__(self) -> None:
        self._base = 0.0
        self._rhythms: dict[K, _Rhythm] = {}
        self._timers: Timers[K] = Timers()

    @property
    def next_due(self) -> float:
        """When the next key is due; infinity when there is none."""
        return self._timers.next_due

    def add(self, key: K, interval: float, now: float) -> None:
        """Add a key, due at once."""
        if not self._rhythms:
            self._base = now
        self._rhythms[key] = _Rhythm(_period(interval))
        self._timers.set(key, now)

    def change(self, key: K, interval: float) -> None:
        """Change the interval of a key, counted from when it was last due."""
        rhythm = self._rhythms[key]
        rhythm.period = _period(interval)
        if rhythm.latest is not None:
            self._timers.set(key, self._next(rhythm.latest, rhythm.period))

    def expedite(self, key: K, due: float) -> None:
        """Let a key be due at that time if not before; unknown keys are ignored."""
        if key in self._rhythms:
            self._timers.advance(key, due)

    def remove(self, key: K) -> None:
        """Forget a key."""
        del self._rhythms[key]
        self._timers.discard(key)

    def take(self, now: float) -> list[K]:
        """Take all keys that are due, or very nearly, and set when they are due next."""
        due = []
        while (key := self._timers.pop(now + _TOGETHER_S)) is not None:
            due.append(key)
        for key in due:
            rhythm = self._rhythms[key]
            rhythm.latest = now
            self._timers.set(key, self._next(now, rhythm.period))
        return due

    def _next(self, now: float, period: float) -> float:
        """Find the first point of the grid that is not the present one."""
        steps = math.floor((now + _TOGETHER_S - self._base) / period) + 1
        return self._base + steps * period


def _period(interval: float) -> float:
    return interval * (1 - _LEAD)
