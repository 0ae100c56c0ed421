"""Places by which rows are found by hashes of their keys: open addressing over columns.

When the places become few, more are filled beside those in use, some with each change, and take
their part when all rows are there: nobody waits for all at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.rib.room import Rows, reserve

Mask = NDArray[np.bool_]
Hashes = NDArray[np.uint64]

IsSame = Callable[[Rows, Rows], Mask]
"""Tells of rows, of which some are none, whether they have the keys at positions asked for."""

_FIRST_SLOTS: Final = 2048
_EMPTY: Final = 0
_GONE: Final = -1
_LEAST: Final = 1024
_AHEAD: Final = 8
"""Rows that are moved for each that comes: all are, before the places in use are full."""


class Slots:
    """Finds rows; each place has the row's number plus one."""

    def __init__(self, hash_rows: Callable[[Rows], Hashes], most_rows: int) -> None:
        """Begin empty; ``hash_rows`` gives the hashes of rows, of which the upper bits count."""
        self._hash_rows = hash_rows
        self._slots = np.zeros(_FIRST_SLOTS, np.int32)
        self._used = 0
        self._following: NDArray[np.int32] | None = None
        self._moved = 0
        self._taken = 0
        self._end = 0
        self.is_there = reserve(most_rows, np.bool_)
        """Which rows were entered."""
        self.count = 0
        """How many these are."""

    def find(self, hashes: Hashes, is_same: IsSame) -> Rows:
        """Give the row of each key, -1 where there is none."""
        found = np.full(len(hashes), -1, np.int64)
        places, left = _places(self._slots, hashes), np.arange(len(hashes))
        while len(left):
            entries = self._slots[places[left]]
            rows = entries.astype(np.int64) - 1
            known = is_same(rows, left) & (entries > _EMPTY)
            found[left[known]] = rows[known]
            left = left[~known & (entries != _EMPTY)]
            places[left] = places[left] + 1 & len(self._slots) - 1
        return found

    def add(self, hashes: Hashes, is_same: IsSame, append: Callable[[Rows], Rows]) -> Rows:
        """Give the row of each key; the same may come twice.

        ``append`` makes rows of the keys at positions, none of which has one.
        """
        self.make_room(len(hashes))
        found = np.full(len(hashes), -1, np.int64)
        places, left = _places(self._slots, hashes), np.arange(len(hashes))
        while len(left):
            entries = self._slots[places[left]]
            free = np.flatnonzero(entries == _EMPTY)
            if len(free):
                chosen = left[free[self._claim(places[left[free]])]]
                rows = append(chosen)
                self._slots[places[chosen]] = rows + 1
                self._note(rows)
                entries = self._slots[places[left]]
            rows = entries.astype(np.int64) - 1
            known = is_same(rows, left) & (entries > _EMPTY)
            found[left[known]] = rows[known]
            left = left[~known]
            places[left] = places[left] + 1 & len(self._slots) - 1
        return found

    def enter(self, rows: Rows) -> None:
        """Enter rows, of which none has been entered, nor its key."""
        self.make_room(len(rows))
        _put(self._slots, rows, self._hash_rows(rows))
        self._note(rows)

    def remove(self, rows: Rows) -> None:
        """Forget rows that were entered."""
        hashes = self._hash_rows(rows)
        _take_out(self._slots, rows, hashes)
        if self._following is not None:
            early = rows < self._moved
            _take_out(self._following, rows[early], hashes[early])
        self.is_there[rows] = False
        self.count -= len(rows)

    def make_room(self, more: int) -> None:
        """See that so many rows can be entered, and move some if the places are to change."""
        while self._used + more > len(self._slots) // 2:
            if self._following is None:
                size = len(self._slots)
                while self.count + more > size * 3 // 8:
                    size *= 2
                self._following = np.zeros(size, np.int32)
                self._moved = self._taken = 0
            is_late = self._used + more > len(self._slots) * 3 // 4
            self._move(self._end if is_late else max(_LEAST, _AHEAD * more))
            if not is_late:
                return

    def _move(self, count: int) -> None:
        """Enter some more rows in the following places; these count once all are there."""
        assert self._following is not None  # noqa: S101 - who calls has seen to it
        end = min(self._end, self._moved + count)
        rows = np.flatnonzero(self.is_there[self._moved : end]) + self._moved
        _put(self._following, rows, self._hash_rows(rows))
        self._taken += len(rows)
        self._moved = end
        if end == self._end:
            self._slots, self._used, self._following = self._following, self._taken, None

    def _claim(self, places: Rows) -> Mask:
        """Choose one of those that want the same free place."""
        numbers = np.arange(len(places), dtype=np.int32)
        self._slots[places] = numbers
        return np.asarray(self._slots[places] == numbers)

    def _note(self, rows: Rows) -> None:
        """Take note of rows that are in the places in use now."""
        self._used += len(rows)
        self.count += len(rows)
        self.is_there[rows] = True
        self._end = max(self._end, int(rows.max(initial=-1)) + 1)
        if self._following is not None:
            early = rows[rows < self._moved]
            _put(self._following, early, self._hash_rows(early))
            self._taken += len(early)


def _places(slots: NDArray[np.int32], hashes: Hashes) -> Rows:
    shift = np.uint64(64 - (len(slots).bit_length() - 1))
    return (hashes >> shift).astype(np.int64)


def _put(slots: NDArray[np.int32], rows: NDArray[Any], hashes: Hashes) -> None:
    places, left = _places(slots, hashes), np.arange(len(rows))
    entries = (rows + 1).astype(np.int32)
    while len(left):
        at = places[left]
        is_free = slots[at] <= _EMPTY
        slots[at[is_free]] = entries[left[is_free]]
        left = left[slots[at] != entries[left]]
        places[left] = places[left] + 1 & len(slots) - 1


def _take_out(slots: NDArray[np.int32], rows: NDArray[Any], hashes: Hashes) -> None:
    places, left = _places(slots, hashes), np.arange(len(rows))
    entries = (rows + 1).astype(np.int32)
    while len(left):
        is_it = slots[places[left]] == entries[left]
        slots[places[left[is_it]]] = _GONE
        left = left[~is_it]
        places[left] = places[left] + 1 & len(slots) - 1
