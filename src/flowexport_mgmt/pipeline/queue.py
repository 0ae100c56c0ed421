"""What waits for a collector."""

from __future__ import annotations

from collections import deque
from typing import Final

from flowexport_mgmt.records import CounterBatch

CAPACITY: Final = 4
"""Polls that wait at most; a collector that takes longer gets the latest of them."""


class BatchQueue:
    """Batches in their order; when it is full, the oldest makes room."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._batches: deque[CounterBatch] = deque()
        self._capacity = capacity

    def __len__(self) -> int:
        """Count the batches that wait."""
        return len(self._batches)

    def put(self, batch: CounterBatch) -> CounterBatch | None:
        """Line up a batch; give back the one that had to go."""
        dropped = self._batches.popleft() if len(self._batches) >= self._capacity else None
        self._batches.append(batch)
        return dropped

    def take(self) -> CounterBatch:
        """Take the oldest batch; IndexError when there is none."""
        return self._batches.popleft()

    def clear(self) -> None:
        """Forget all batches."""
        self._batches.clear()
