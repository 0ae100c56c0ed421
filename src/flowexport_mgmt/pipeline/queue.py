"""What waits for a collector."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final

from flowexport_mgmt.records import Batch, CounterBatch, FlowBatch, SampleBatch

CAPACITY: Final = 4
"""Polls that wait at most; a collector that takes longer gets the latest of them."""

OCTETS_CAPACITY: Final = 64 << 20
"""Octets that batches of flows and of sampled packets take while they wait, at most: some 600,000
flows of IPv4, or one batch that is larger."""

_OBJECT: Final = 1024
"""What a batch takes beside its columns, and makes many small ones count."""
_ARRAY: Final = 112
"""What each of its columns takes beside its values."""


class BatchQueue:
    """Batches in their order; when there is no room, the oldest make some.

    Polls make room for polls only: neither they nor other batches can drive the others out.
    """

    def __init__(self, capacity: int = CAPACITY, octets_capacity: int = OCTETS_CAPACITY) -> None:
        self._polls: deque[tuple[int, CounterBatch]] = deque()
        self._others: deque[tuple[int, FlowBatch | SampleBatch]] = deque()
        self._capacity = capacity
        self._octets_capacity = octets_capacity
        self._number = 0
        self.octets = 0
        """Octets that batches of flows and of sampled packets take."""

    def __len__(self) -> int:
        """Count the batches that wait."""
        return len(self._polls) + len(self._others)

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches that wait, polls first."""
        yield from (batch for _, batch in self._polls)
        yield from (batch for _, batch in self._others)

    def put(self, batch: Batch) -> list[Batch]:
        """Line up a batch; give back those that had to go."""
        self._number += 1
        if isinstance(batch, CounterBatch):
            self._polls.append((self._number, batch))
            return [self._polls.popleft()[1]] if len(self._polls) > self._capacity else []
        self._others.append((self._number, batch))
        self.octets += measure(batch)
        dropped: list[Batch] = []
        while self.octets > self._octets_capacity and len(self._others) > 1:
            dropped.append(self._take_other())
        return dropped

    def take(self) -> Batch:
        """Take the oldest batch; IndexError when there is none."""
        if self._polls and not (self._others and self._others[0][0] < self._polls[0][0]):
            return self._polls.popleft()[1]
        return self._take_other()

    def clear(self) -> None:
        """Forget all batches."""
        self._polls.clear()
        self._others.clear()
        self.octets = 0

    def _take_other(self) -> FlowBatch | SampleBatch:
        _, batch = self._others.popleft()
        self.octets -= measure(batch)
        return batch


def measure(batch: FlowBatch | SampleBatch) -> int:
    """Tell how many octets of memory a batch takes."""
    buffer = batch.buffer.nbytes if isinstance(batch, SampleBatch) else 0
    return _OBJECT + buffer + sum(_ARRAY + column.nbytes for _, column in batch.columns())
