"""IPv6 prefixes that become one table in the background, as a reader sees them."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

import numpy as np

from flowexport_mgmt.enrich.prefixes import to_column
from flowexport_mgmt.enrich.rib import RibTables
from flowexport_mgmt.enrich.rib_memory import READY_BITS, Word, map_memory, size
from flowexport_mgmt.rib.columns import make_keys
from flowexport_mgmt.rib.paths import Best
from flowexport_mgmt.rib.searched import SearchedTable

TOP = 0x2001 << 112


class Later(Executor):
    """Does what it was given when it is told to."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.waiting.append(lambda: future.set_result(fn(*args, **kwargs)))
        return future

    def run(self) -> None:
        for each in self.waiting:
            each()
        self.waiting.clear()


def best(numbers: range, facts: int) -> Best:
    count = len(numbers)
    keys = make_keys(6, [TOP | number << 64 for number in numbers], [64] * count)
    column = np.full(count, facts, np.uint32)
    return Best(keys, column, column)


def test_what_changes_while_a_table_is_made_is_seen_with_it() -> None:
    descriptor = os.memfd_create("tables")
    os.ftruncate(descriptor, size())
    executor = Later()
    memory = map_memory(descriptor, write=True)
    memory.header[Word.READY] = READY_BITS[6]
    table = SearchedTable(memory, executor)
    reader = RibTables(descriptor)

    def find(numbers: list[int]) -> list[int]:
        asked = to_column(6, [TOP | number << 64 for number in numbers])
        found: list[int] = reader.find(6, asked).rows.tolist()
        return found

    table.update(best(range(10), 3), 0, is_busy=False)
    assert table.work(1)
    table.update(best(range(5, 6000), 4), 1, is_busy=False)
    assert not table.work(2)
    table.update(best(range(100, 200), 5), 2, is_busy=False)
    table.update(best(range(5, 6), 0), 2, is_busy=False)
    assert not table.work(3)
    assert find([4, 5, 150, 5999]) == [3, 3, 0, 0]
    executor.run()
    assert [table.work(3), table.is_catching_up] == [False, True]
    assert [table.work(3), table.is_catching_up] == [True, False]
    assert find([4, 5, 150, 5999, 6000]) == [3, 0, 5, 4, 0]
    assert not table.work(99)
    table.update(best(range(7000, 7001), 6), 99, is_busy=True)
    assert not table.work(99.5)
    table.hurry(99.5)
    assert table.work(99.6)
    assert find([7000, 150]) == [6, 5]


def test_much_that_changes_while_a_table_is_made_is_seen_with_the_next_one() -> None:
    descriptor = os.memfd_create("tables")
    os.ftruncate(descriptor, size())
    executor = Later()
    memory = map_memory(descriptor, write=True)
    memory.header[Word.READY] = READY_BITS[6]
    table = SearchedTable(memory, executor)
    reader = RibTables(descriptor)

    def find(*numbers: int) -> list[int]:
        asked = to_column(6, [TOP | number << 64 for number in numbers])
        found: list[int] = reader.find(6, asked).rows.tolist()
        return found

    table.update(best(range(5000), 3), 0, is_busy=False)
    assert not table.work(1)
    table.update(best(range(4000, 12_000), 4), 1, is_busy=False)
    executor.run()
    assert not table.work(2)
    steps = 0
    while not table.work(2):
        steps += 1
    assert steps == 7
    assert find(3999, 4999, 11_999) == [3, 3, 0]
    assert not table.work(2)
    executor.run()
    assert not table.work(2)
    assert table.work(2)
    assert find(3999, 4999, 11_999) == [3, 4, 4]
