"""Keys with the time at which each is due."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class Timers(Generic[K]):
    """A heap of keys by due time; setting, discarding and popping cost O(log n)."""

    def __init__(self) -> None:
        self._due: dict[K, tuple[float, int]] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._order = itertools.count()

    @property
    def next_due(self) -> float:
        """When the first key is due; infinity when there is none."""
        while self._heap and self._is_stale():
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else math.inf

    def set(self, key: K, due: float) -> None:
        """Let a key be due at that time and no other; infinity for never."""
        self._due.pop(key, None)
        if due < math.inf:
            entry = (due, next(self._order))
            self._due[key] = entry
            heapq.heappush(self._heap, (*entry, key))

    def advance(self, key: K, due: float) -> None:
        """Let a key be due at that time unless it is due before."""
        if key not in self._due or due < self._due[key][0]:
            self.set(key, due)

    def discard(self, key: K) -> None:
        """Let a key never be due."""
        self._due.pop(key, None)

    def pop(self, now: float) -> K | None:
        """Take the key that has been due for longest, if one is."""
        if self.next_due > now:
            return None
        _, _, key = heapq.heappop(self._heap)
        del self._due[key]
        return key

    def _is_stale(self) -> bool:
        """Tell whether the first entry was set anew or discarded since."""
        due, order, key = self._heap[0]
        return self._due.get(key) != (due, order)
