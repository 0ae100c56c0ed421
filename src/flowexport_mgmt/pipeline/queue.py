"""What waits for a collector."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final

from flowexport_mgmt.records import Batch, CounterBatch

CAPACITY: Final = 4
"""Polls that wait at most; a collector that takes longer gets the latest of them."""

RECORDS_CAPACITY: Final = 64
"""Batches of flows and of sampled packets that wait at most."""


class BatchQueue:
    """Batches in their order; when it is full, the oldest makes room.

    Polls make room for polls only: neither they nor other batches can drive the others out.
    """

    def __init__(self, capacity: int = CAPACITY, records_capacity: int = RECORDS_CAPACITY) -> None:
        self._batches: deque[Batch] = deque()
        self._capacities = {True: capacity, False: records_capacity}

    def __len__(self) -> int:
        """Count the batches that wait."""
        return len(self._batches)

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches that wait."""
        return iter(self._batches)

    def put(self, batch: Batch) -> Batch | None:
        """Line up a batch; give back the one that had to go."""
        is_poll = _is_poll(batch)
        alike = [place for place, one in enumerate(self._batches) if _is_poll(one) == is_poll]
        dropped = None
        if len(alike) >= self._capacities[is_poll]:
            dropped = self._batches[alike[0]]
            del self._batches[alike[0]]
        self._batches.append(batch)
        return dropped

    def take(self) -> Batch:
        """Take the oldest batch; IndexError when there is none."""
        return self._batches.popleft()

    def clear(self) -> None:
        """Forget all batches."""
        self._batches.clear()


def _is_poll(batch: Batch) -> bool:
    return isinstance(batch, CounterBatch)
