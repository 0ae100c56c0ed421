"""What was last told of each tracked flow: the baselines that growth is measured against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.sources.conntrack.keys import Keys
from flowexport_mgmt.sources.conntrack.segment import Counters, Segment

_SEEN: Final = np.uint8(1)  # in the dump that is under way
_MISSED: Final = np.uint8(2)  # in the latest whole dump it was not
_GONE: Final = np.uint8(4)  # its end was told: what a dump still says of it is of before

_RECENT: Final = 1 << 16
"""Flows that are kept beside the others at least, before they are sorted in among them."""


@dataclass(frozen=True, slots=True)
class Growth:
    """What flows grew by, in the order in which they were given.

    ``counters`` has the shape (N, 4) as in Counters; ``since`` tells when each flow was first seen,
    in Unix seconds.
    """

    counters: Counters
    since: NDArray[np.uint32]


class FlowTable:
    """The counters of every flow as they were last told.

    Between `begin` and `finish` a dump comes in pieces, and ends of flows in between. Baselines
    move with every piece, so that a dump that breaks off counts as far as it came. A flow whose end
    was told stays until the dump is over: rows that the kernel wrote before are not taken for a
    new flow.
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
        return sum(
            array.nbytes
            for part in (self._main, self._recent)
            for array in (part.keys, part.counters, part.since, part.flags)
        )

    def begin(self) -> None:
        """Begin a dump."""
        self.compact()
        self._main.flags &= ~_SEEN
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
        fresh = batch.insert(since, ~known, flags=_SEEN)
        self._add(fresh)
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
        fresh = batch.insert(since, ~known, flags=_GONE)
        if self._dumping:
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
        self.compact()
        if not whole:
            return 0
        flags = self._main.flags
        unseen = (flags & _SEEN) == 0
        forgotten = unseen & ((flags & _MISSED) != 0)
        flags[:] = np.where(unseen, _MISSED, np.uint8(0))
        self._main = self._main.keep(~forgotten)
        return int(forgotten.sum())

    def compact(self) -> None:
        """Give back the memory of flows that ended, and sort the recent ones in."""
        if self._dumping:
            return
        if self._gone:
            self._main = self._main.keep((self._main.flags & _GONE) == 0)
            self._recent = self._recent.keep((self._recent.flags & _GONE) == 0)
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
    """Flows that are looked up together, sorted by key."""

    def __init__(self, keys: Keys, counters: Counters) -> None:
        self._order = np.argsort(keys)
        self._keys = keys[self._order]
        self._counters = counters[self._order]
        self._grown = np.zeros_like(counters)
        self._since = np.zeros(len(keys), np.uint32)
        self._left = np.arange(len(keys))  # rows that were not found yet

    def join_repeats(self) -> None:
        """Let the later of two rows of a flow, whose counters are higher, stand for both."""
        repeated = self._keys[1:] == self._keys[:-1]
        if not repeated.any():
            return
        starts = np.flatnonzero(np.concatenate(([True], ~repeated)))
        self._counters[starts] = np.maximum.reduceat(self._counters, starts)
        self._left = starts

    def take(self, part: Segment) -> None:
        """Measure the growth of the flows that ``part`` knows, and set their baselines."""
        rows, at = self._find(part)
        if not len(rows):
            return
        now = self._counters[rows]
        before = part.counters[at]
        grown = _grow(before, now)
        gone = (part.flags[at] & _GONE) != 0
        if gone.any():
            grown[gone] = 0
        part.counters[at] = now
        part.flags[at] |= _SEEN
        self._note(rows, grown, part.since[at])

    def end(self, part: Segment) -> int:
        """Measure what the flows that ``part`` knows grew by at last; count those that ended."""
        rows, at = self._find(part)
        if not len(rows):
            return 0
        before = part.counters[at]
        again = (part.flags[at] & _GONE) != 0
        again[1:] |= at[1:] == at[:-1]
        before[again] = 0
        grown = _grow(before, self._counters[rows])
        part.flags[at] |= _GONE
        self._note(rows, grown, part.since[at])
        return int((~again).sum())

    def insert(self, since: int, new: NDArray[np.bool_], flags: np.uint8) -> Segment:
        """Make a segment of the flows that nobody knows; ``new`` ones grew from nothing."""
        rows = self._left
        counters = self._counters[rows]
        self._note(rows, counters * new[self._order[rows], None], np.uint32(since))
        first = np.ones(len(rows), np.bool_)
        first[1:] = self._keys[rows[1:]] != self._keys[rows[:-1]]
        kept = rows[first]
        return Segment(
            self._keys[kept],
            self._counters[kept],
            np.full(len(kept), since, np.uint32),
            np.full(len(kept), flags, np.uint8),
        )

    def growth(self) -> Growth:
        """Give the growth in the order of the flows as they were given."""
        counters = np.empty_like(self._grown)
        counters[self._order] = self._grown
        since = np.empty_like(self._since)
        since[self._order] = self._since
        return Growth(counters, since)

    def _find(self, part: Segment) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Find rows and their places in ``part``; they are not looked for any more."""
        found, at = part.find(self._keys[self._left])
        rows = self._left[found]
        self._left = self._left[~found]
        return rows, at

    def _note(
        self, rows: NDArray[np.intp], grown: Counters, since: NDArray[np.uint32] | np.uint32
    ) -> None:
        self._grown[rows] = grown
        self._since[rows] = since


def _grow(before: Counters, now: Counters) -> Counters:
    """Subtract; a counter that went backwards began anew, and with it those beside it."""
    fell = (now < before).any(axis=1)
    if fell.any():
        before[fell] = 0
    return now - before
