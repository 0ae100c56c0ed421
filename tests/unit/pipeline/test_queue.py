from __future__ import annotations

import pytest
from tests.support.interfaces import make_batch

from flowexport_mgmt.pipeline.queue import CAPACITY, BatchQueue


def test_batches_leave_in_their_order() -> None:
    queue = BatchQueue()
    first, second = make_batch({1: 1}), make_batch({1: 2})
    assert queue.put(first) is None
    assert queue.put(second) is None
    assert len(queue) == 2
    assert [queue.take(), queue.take()] == [first, second]
    with pytest.raises(IndexError):
        queue.take()


def test_the_oldest_makes_room() -> None:
    queue = BatchQueue()
    batches = [make_batch({1: number}) for number in range(CAPACITY + 1)]
    dropped = [queue.put(batch) for batch in batches]
    assert dropped == [None] * CAPACITY + [batches[0]]
    assert len(queue) == CAPACITY
    assert queue.take() is batches[1]


def test_clearing_forgets_all() -> None:
    queue = BatchQueue()
    queue.put(make_batch({1: 1}))
    queue.clear()
    assert len(queue) == 0
