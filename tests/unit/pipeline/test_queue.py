from __future__ import annotations

import pytest
from tests.support.flows import flow_batch, sample_batch
from tests.support.interfaces import make_batch

from flowexport_mgmt.pipeline.queue import CAPACITY, OCTETS_CAPACITY, BatchQueue, measure
from flowexport_mgmt.records import Batch, FlowBatch


def flows(count: int) -> FlowBatch:
    return flow_batch([{"octets": number} for number in range(count)])


def test_batches_leave_in_their_order() -> None:
    queue = BatchQueue()
    batches: list[Batch] = [make_batch({1: 1}), flows(2), make_batch({1: 2}), flows(1)]
    assert [queue.put(batch) for batch in batches] == [[]] * 4
    assert len(queue) == 4
    assert list(queue) == [batches[at] for at in (0, 2, 1, 3)]
    assert [queue.take() for _ in batches] == batches
    assert queue.octets == 0
    with pytest.raises(IndexError):
        queue.take()


def test_the_oldest_poll_makes_room() -> None:
    queue = BatchQueue()
    batches = [make_batch({1: number}) for number in range(CAPACITY + 1)]
    dropped = [queue.put(batch) for batch in batches]
    assert dropped == [[]] * CAPACITY + [[batches[0]]]
    assert len(queue) == CAPACITY
    assert queue.take() is batches[1]


def test_flows_are_bounded_by_the_memory_that_they_take() -> None:
    small, large = flows(10), flows(1000)
    queue = BatchQueue(octets_capacity=measure(large) + measure(small))
    poll = make_batch({1: 1})
    waiting: list[Batch] = [poll, small, small, small]
    for batch in waiting:
        assert queue.put(batch) == []
    assert queue.put(large) == [small, small]
    assert queue.octets == measure(small) + measure(large)
    assert list(queue) == [poll, small, large]


def test_a_batch_that_is_larger_than_all_the_room_waits_alone() -> None:
    small, large = flows(1), flows(100)
    queue = BatchQueue(octets_capacity=measure(large) - 1)
    assert queue.put(small) == []
    assert queue.put(large) == [small]
    assert queue.put(small) == [large]
    assert list(queue) == [small]


def test_what_a_batch_takes() -> None:
    assert measure(flows(1000)) - measure(flows(500)) == 500 * 53  # of the columns that all have
    assert measure(flows(0)) > 1024  # many small ones are bounded too
    packets = sample_batch([{"source": 3}])
    assert measure(packets) > packets.buffer.nbytes + 1024
    assert OCTETS_CAPACITY > 500_000 * 100


def test_clearing_forgets_all() -> None:
    queue = BatchQueue()
    queue.put(make_batch({1: 1}))
    queue.put(flows(1))
    queue.clear()
    assert (len(queue), queue.octets, list(queue)) == (0, 0, [])
