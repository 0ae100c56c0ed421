"""What is said of routes, once for all routes that it is said of."""

from __future__ import annotations

from collections import deque
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
from flowexport_mgmt.rib.texts import TextSpace
from flowexport_mgmt.wire.bgp import Attributes, AttributeSets

Rows = NDArray[Any]

_FIRST_ROWS: Final = 1024
_REST: Final = 2 * GRACE_S
"""Seconds before a row is used again; twice what readers are promised."""


class Facts:
    """Rows of facts, counted by the paths that refer to them; row 0 stands for none.

    A row that nothing refers to rests before it is used again, so that no reader is misled.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._texts = TextSpace(memory.texts)
        self._rows: dict[bytes, int] = {}
        self._keys: list[bytes | None] = [None]
        self._free: list[int] = []
        self._idle: set[int] = set()
        self._resting: deque[tuple[float, int]] = deque()
        self.references = np.zeros(_FIRST_ROWS, np.uint32)
        self.rank = np.zeros(_FIRST_ROWS, np.uint64)
        """The lower the better: local preference, length of the path, origin."""
        self.med = np.zeros(_FIRST_ROWS, np.uint32)
        self.tie = np.zeros(_FIRST_ROWS, np.uint64)
        """The lower the better, last of all: clusters, then the originator."""
        self.refused = 0
        """Routes that there was no room for."""

    def __len__(self) -> int:
        """Count the rows that are in use."""
        return len(self._rows)

    def intern(self, attributes: Attributes, next_hop: bytes) -> int:
        """Give the row of what is said of routes; 0 when there is no room for it."""
        facts = describe(attributes, next_hop)
        row = self._rows.get(facts.keys[0])
        return int(self._add(facts)[0]) if row is None else row

    def intern_sets(self, sets: AttributeSets) -> NDArray[np.uint32]:
        """Give the rows of sets of attributes, 0 where there is no room for one.

        Each counts as referred to once, until it is released.
        """
        keys = digest_sets(sets)
        rows = np.array([self._rows.get(key, 0) for key in keys], np.uint32)
        new = np.flatnonzero(rows == 0)
        if len(new):
            facts = describe_sets(sets.take(new), [keys[number] for number in new.tolist()])
            rows[new] = self._add(facts)
        self.refer(rows)
        return rows

    def refer(self, rows: Rows) -> None:
        """Count paths that refer to rows."""
        np.add.at(self.references, rows, np.uint32(1))  # of its type: 200 times as fast

    def release(self, rows: Rows) -> None:
        """Count paths that refer to rows no more."""
        np.subtract.at(self.references, rows, np.uint32(1))
        self._idle.update(distinct(rows[self.references[rows] == 0]).tolist())

    def sweep(self, now: float) -> None:
        """Let what nothing refers to rest, and give free what has rested."""
        for row in self._idle:
            key = self._keys[row]
            if row and key is not None and not self.references[row]:
                self._keys[row] = None
                del self._rows[key]
                self._resting.append((now + _REST, row))
        self._idle.clear()
        while self._resting and self._resting[0][0] <= now:
            row = self._resting.popleft()[1]
            self._texts.release(int(self._memory.text[row]))
            self._free.append(row)

    def _add(self, facts: FactColumns) -> NDArray[np.uint32]:
        """Give rows to facts that have none, 0 where there is no room."""
        texts = self._texts.store(facts.texts)
        rows = np.array([self._take_row() if at else 0 for at in texts.tolist()], np.uint32)
        there = np.flatnonzero(rows)
        if len(there) < len(rows):
            self.refused += len(rows) - len(there)
            for at in texts[rows == 0].tolist():
                self._texts.release(at)
        self._write(rows[there], texts[there], facts, there)
        for row, number in zip(rows[there].tolist(), there.tolist(), strict=True):
            key = facts.keys[number]
            self._keys[row] = key
            self._rows[key] = row
            self._idle.add(row)
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

    def _take_row(self) -> int:
        if self._free:
            return self._free.pop()
        row = len(self._keys)
        if row >= MOST_FACTS:
            return 0
        self._keys.append(None)
        if row == len(self.references):
            self._grow(min(MOST_FACTS, len(self.references) * 3 // 2))
        return row

    def _grow(self, size: int) -> None:
        for name in ("references", "rank", "med", "tie"):
            column = getattr(self, name)
            grown = np.zeros(size, column.dtype)
            grown[: len(column)] = column
            setattr(self, name, grown)
