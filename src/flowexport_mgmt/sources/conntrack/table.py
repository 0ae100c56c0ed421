"""What was last told of each tracked flow: the baselines that growth is measured against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.sources.conntrack.directory import Directory
from flowexport_mgmt.sources.conntrack.keys import Keys
from flowexport_mgmt.sources.conntrack.segment import (
    COUNTERS,
    GONE,
    MISSED,
    SEEN,
    SINCE_SHIFT,
    STATE,
    Counters,
    Segment,
)

_MANY: Final = 1 << 15
"""Flows from which on a directory is worth making."""
_RECENT: Final = 1 << 16
"""Flows that are kept beside the others at least, before they are sorted in among them."""


@dataclass(frozen=True, slots=True)
class Growth:
    """The flows that have new packets.

    ``rows`` are their places among the flows that were given, ascending. ``counters`` tells what
    each grew by, shape (N, 4) as in Counters, and ``since`` when it was first seen, in seconds of
    Unix time.
    """

    rows: NDArray[np.intp]
    counters: Counters
    since: NDArray[np.uint64]


class FlowTable:
    """The counters of every flow as they were last told.

    Between `begin` and `finish` a dump comes in pieces, and ends of flows in between. Baselines
    move with every piece, so that a dump that breaks off counts as far as it came. A flow whose end
    was told stays until the dump is over, or `compact`: the kernel tells of ends before it takes
    flows out of its table, and rows that it wrote before are not taken for a new flow.
    """

    def __init__(self) -> None:
        self._main = Segment.empty()
        self._recent = Segment.empty()
        self._dumping = False
        self._gone = 0

    def __len__(self) -> int:
        """Count the flows that have not ended."""
        return len(self._main) + len(self._recent) - self._gone

    @property
    def ended(self) -> int:
        """How many flows that ended still take room."""
        return self._gone

    @property
    def memory(self) -> int:
        """Octets that the flows take."""
        return self._main.memory + self._recent.memory

    def begin(self) -> None:
        """Begin a dump."""
        self._sort_in()
        self._main.flags[:] &= ~SEEN
        if len(self._main) >= _MANY:
            self._main.directory = Directory(self._main.keys)
        self._dumping = True

    def update(
        self, keys: Keys, counters: Counters, since: int, known: NDArray[np.bool_]
    ) -> Growth:
        """Take a piece of a dump.

        Args:
            keys: of the flows; the same flow may stand there twice.
            counters: as they are now.
            since: Unix seconds that flows met for the first time are said to be seen since.
            known: which flows, if met for the first time, were there before anybody looked: they
                did not grow, and their counters are a baseline.
        """
        batch = _Batch(keys, counters)
        batch.join_repeats()
        for part in (self._main, self._recent):
            batch.take(part)
        batch.begin(since, ~known)
        self._add(batch.unknown(since, SEEN))
        return batch.growth()

    def remove(
        self, keys: Keys, counters: Counters, since: int, known: NDArray[np.bool_]
    ) -> Growth:
        """Take the ends of flows with their last counters; arguments as of `update`.

        A key that stands there twice means two flows, the second of which began from nothing.
        """
        batch = _Batch(keys, counters)
        for part in (self._main, self._recent):
            self._gone += batch.end(part)
        batch.begin(since, ~known)
        fresh = batch.unknown(since, GONE)
        self._gone += len(fresh)
        self._add(fresh)
        return batch.growth()

    def finish(self, *, whole: bool) -> int:
        """End a dump.

        Args:
            whole: whether every flow was in it: one that is missing from two such dumps is
                forgotten.

        Returns:
            How many flows were forgotten, of whose end nobody told.
        """
        self._dumping = False
        self._main.directory = None
        if not whole:
            self.compact()
            return 0
        flags = self._main.flags
        gone, unseen = (flags & GONE) != 0, (flags & SEEN) == 0
        forgotten = unseen & ~gone & ((flags & MISSED) != 0)
        flags &= ~(SEEN | MISSED)
        flags[unseen] |= MISSED
        recent = self._recent.keep((self._recent.flags & GONE) == 0)
        recent.flags[:] &= ~SEEN
        self._main = self._main.keep(~(gone | forgotten), recent)
        self._recent, self._gone = Segment.empty(), 0
        return int(forgotten.sum())

    def compact(self) -> None:
        """Give back the memory of flows that ended, and sort the recent ones in."""
        if self._dumping:
            return
        if self._gone:
            self._main = self._main.keep((self._main.flags & GONE) == 0)
            self._recent = self._recent.keep((self._recent.flags & GONE) == 0)
            self._gone = 0
        self._sort_in()

    def _add(self, fresh: Segment) -> None:
        if len(fresh):
            self._recent = self._recent.merge(fresh)
            if len(self._recent) > max(_RECENT, len(self._main) // 2):
                self._sort_in()

    def _sort_in(self) -> None:
        if len(self._recent):
            self._main, self._recent = self._main.merge(self._recent), Segment.empty()


class _Batch:
    """Flows that are looked up together, and what is found out of their growth."""

    def __init__(self, keys: Keys, counters: Counters) -> None:
        self._left = np.argsort(keys)  # rows that were not found yet, by key
        self._keys = keys[self._left]
        self._counters = counters
        self._grown: list[Growth] = []

    def join_repeats(self) -> None:
        """Let the first of several rows of a flow stand for all, with the highest counters."""
        repeated = self._keys[1:] == self._keys[:-1]
        if not repeated.any():
            return
        starts = np.flatnonzero(np.concatenate(([True], ~repeated)))
        highest = np.maximum.reduceat(self._counters[self._left], starts)
        self._left, self._keys = self._left[starts], self._keys[starts]
        self._counters = self._counters.copy()
        self._counters[self._left] = highest

    def take(self, part: Segment) -> None:
        """Measure the growth of the flows that ``part`` knows, and set their baselines."""
        rows, at = self._find(part)
        if not len(rows):
            return
        known = part.rows.take(at, axis=0)  # much faster than indexing
        now = self._counters.take(rows, axis=0)
        grown = _grow(known[:, COUNTERS], now)
        gone = (known[:, STATE] & GONE) != 0
        if gone.any():
            grown[gone] = 0
        known[:, COUNTERS] = now
        known[:, STATE] |= SEEN
        part.put(at, known)
        self._note(rows, grown, known[:, STATE] >> SINCE_SHIFT)

    def end(self, part: Segment) -> int:
        """Measure what the flows that ``part`` knows grew by at last; count those that ended."""
        rows, at = self._find(part)
        if not len(rows):
            return 0
        known = part.rows[at]
        again = (known[:, STATE] & GONE) != 0
        again[1:] |= at[1:] == at[:-1]
        known[again, COUNTERS] = 0
        grown = _grow(known[:, COUNTERS], self._counters[rows])
        part.rows[at, STATE] |= GONE
        self._note(rows, grown, known[:, STATE] >> SINCE_SHIFT)
        return int((~again).sum())

    def begin(self, since: int, new: NDArray[np.bool_]) -> None:
        """Let flows that nobody knows begin; ``new`` ones grew from nothing."""
        left = self._left
        counters = self._counters.take(left, axis=0)
        if not new.all():
            counters *= new[left, None]
        self._note(left, counters, np.full(len(left), since, np.uint64))

    def unknown(self, since: int, flag: np.uint64) -> Segment:
        """Make a segment of the flows that nobody knows, with their counters as they are."""
        first = np.ones(len(self._left), np.bool_)
        first[1:] = self._keys[1:] != self._keys[:-1]
        rows = np.empty((len(first), STATE + 1), np.uint64)
        rows[:, COUNTERS] = self._counters.take(self._left, axis=0)
        rows[:, STATE] = np.uint64(since) << SINCE_SHIFT | flag
        return Segment(self._keys[first], rows[first])

    def growth(self) -> Growth:
        """Give the flows that grew, in the order in which they were given."""
        parts = self._grown
        rows = np.concatenate([part.rows for part in parts])
        order = np.argsort(rows)
        return Growth(
            rows[order],
            np.concatenate([part.counters for part in parts])[order],
            np.concatenate([part.since for part in parts])[order],
        )

    def _find(self, part: Segment) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Find rows and their places in ``part``; they are not looked for any more."""
        found, at = part.find(self._keys)
        rows, missing = self._left[found], np.flatnonzero(~found)
        self._left, self._keys = self._left[missing], self._keys[missing]
        return rows, at

    def _note(self, rows: NDArray[np.intp], grown: Counters, since: NDArray[np.uint64]) -> None:
        """Keep what has new packets."""
        new = np.flatnonzero(grown[:, 1] | grown[:, 3])
        self._grown.append(Growth(rows[new], grown.take(new, axis=0), since[new]))


def _grow(before: Counters, now: Counters) -> Counters:
    """Subtract; a counter that went backwards began anew, and with it those beside it."""
    fell: NDArray[np.bool_] = now < before
    if fell.any():
        before = np.where(fell.any(axis=1, keepdims=True), np.uint64(0), before)
    return now - before
