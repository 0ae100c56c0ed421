"""What is said of routes, once for all routes that it is said of."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.enrich.rib_memory import GRACE_S, MOST_FACTS, Memory
from flowexport_mgmt.rib.columns import distinct
from flowexport_mgmt.rib.fact_columns import (
    FactColumns,
    describe,
    describe_sets,
    digest_sets,
)
from flowexport_mgmt.rib.keys import KeyIndex
from flowexport_mgmt.rib.room import FreeRows, reserve
from flowexport_mgmt.rib.texts import TextSpace
from flowexport_mgmt.wire.bgp import Attributes, AttributeSets

Rows = NDArray[Any]

_SLICE: Final = 4000
"""Rows that are let go at a time."""
_REST: Final = 2 * GRACE_S
"""Seconds before a row is used again; twice what readers are promised."""


class Facts:
    """Rows of facts, counted by the paths that refer to them; row 0 stands for none.

    A row that nothing refers to rests before it is used again, so that no reader is misled.
    """

    def __init__(self, memory: Memory, seed: int = 0) -> None:
        """Begin empty; with a secret ``seed`` no peer can aim at collisions."""
        self._memory = memory
        self._seed = seed
        self._texts = TextSpace(memory.texts)
        self._index = KeyIndex(MOST_FACTS)
        self._end = 1
        self._free = FreeRows(MOST_FACTS)
        self._idle: list[Rows] = []
        self._resting: deque[tuple[float, Rows]] = deque()
        self.references = reserve(MOST_FACTS, np.uint32)
        self.rank = reserve(MOST_FACTS, np.uint64)
        """The lower the better: local preference, length of the path, origin."""
        self.med = reserve(MOST_FACTS, np.uint32)
        self.tie = reserve(MOST_FACTS, np.uint64)
        """The lower the better, last of all: clusters, then the originator."""
        self._is_used = reserve(MOST_FACTS, np.bool_)
        self.refused = 0
        """Routes that there was no room for."""

    def __len__(self) -> int:
        """Count the rows that are in use."""
        return self._index.count

    def intern(self, attributes: Attributes, next_hop: bytes) -> int:
        """Give the row of what is said of routes; 0 when there is no room for it."""
        facts = describe(attributes, next_hop, self._seed)
        row = int(self._index.find(facts.keys)[0])
        return row or int(self._add(facts)[0])

    def intern_sets(self, sets: AttributeSets) -> NDArray[np.uint32]:
        """Give the rows of sets of attributes, 0 where there is no room for one.

        Each counts as referred to once, until it is released.
        """
        keys = digest_sets(sets, self._seed)
        rows = self._index.find(keys)
        new = np.flatnonzero(rows == 0)
        if len(new):
            rows[new] = self._add(describe_sets(sets.take(new), keys[new]))
        self.refer(rows)
        return rows

    def refer(self, rows: Rows) -> None:
        """Count paths that refer to rows."""
        np.add.at(self.references, rows, np.uint32(1))  # of its type: 200 times as fast

    def release(self, rows: Rows) -> None:
        """Count paths that refer to rows no more."""
        np.subtract.at(self.references, rows, np.uint32(1))
        self._idle.append(distinct(rows[self.references[rows] == 0]))

    def sweep(self, now: float) -> Iterator[None]:
        """Let what nothing refers to rest, and give free what has rested; some at each step."""
        idle, self._idle = self._idle, []
        for part in gather(idle, _SLICE):
            rows = distinct(part.astype(np.int64))
            rows = rows[(self.references[rows] == 0) & self._is_used[rows]]
            self._is_used[rows] = False
            self._index.remove(rows)
            self._resting.append((now + _REST, rows))
            yield
        while self._resting and self._resting[0][0] <= now:
            rows = self._resting.popleft()[1]
            self._texts.release(self._memory.text[rows])
            self._free.give_back(rows)
            yield

    def _add(self, facts: FactColumns) -> NDArray[np.uint32]:
        """Give rows to facts that have none, 0 where there is no room."""
        texts = self._texts.store(facts.texts)
        there = np.flatnonzero(texts)[: self._free.count + MOST_FACTS - self._end]
        taken = self._take_rows(len(there))
        rows = np.zeros(len(texts), np.uint32)
        rows[there] = taken
        if len(there) < len(rows):
            self.refused += len(rows) - len(there)
            self._texts.release(texts[rows == 0])
        self._write(taken, texts[there], facts, there)
        self._index.add(facts.keys[there], taken)
        self._is_used[taken] = True
        self._idle.append(taken)
        return rows

    def _write(self, rows: Rows, texts: NDArray[np.int64], facts: FactColumns, there: Rows) -> None:
        memory = self._memory
        memory.next_hop[rows] = facts.next_hop[there]
        memory.version[rows] = facts.version[there]
        memory.origin_as[rows] = facts.origin_as[there]
        memory.neighbour_as[rows] = facts.neighbour_as[there]
        memory.local_pref[rows] = facts.local_pref[there]
        memory.text[rows] = texts
        memory.serial[rows] += np.uint32(1)
        self.rank[rows] = facts.rank[there]
        self.med[rows] = facts.med[there]
        self.tie[rows] = facts.tie[there]
        self.references[rows] = 0

    def _take_rows(self, count: int) -> Rows:
        again = self._free.take(count)
        begin = self._end
        self._end += count - len(again)
        return np.concatenate((again, np.arange(begin, self._end)))


def gather(parts: list[Rows], size: int) -> Iterator[Rows]:
    """Join columns that follow each other, up to some size where that can be, and none empty."""
    joined: list[Rows] = []
    count = 0
    for part in parts:
        if joined and count + len(part) > size:
            yield np.concatenate(joined)
            joined, count = [], 0
        if len(part):
            joined.append(part)
            count += len(part)
    if joined:
        yield np.concatenate(joined)
