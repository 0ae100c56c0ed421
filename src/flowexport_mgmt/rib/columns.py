"""Prefixes as columns, and an index by which columns of them are found (RFC 4632, RFC 4291)."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.enrich.prefixes import Version

Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]

_FIRST_ROWS: Final = 1024
_EMPTY: Final = -1
_SPREAD: Final = tuple(
    np.uint64(number) for number in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9)
)


class PrefixKeys(NamedTuple):
    """Prefixes: the address in ``hi`` (IPv4) or in both halves, host bits 0, and the length."""

    hi: NDArray[Any]
    lo: NDArray[np.uint64] | None
    lengths: NDArray[np.uint8]

    def take(self, rows: Rows | Mask | slice) -> PrefixKeys:
        """Take some of them."""
        lo = None if self.lo is None else self.lo[rows]
        return PrefixKeys(self.hi[rows], lo, self.lengths[rows])


def make_keys(version: Version, addresses: list[int], lengths: list[int]) -> PrefixKeys:
    """Make columns of addresses given as numbers."""
    column = np.array(lengths, np.uint8)
    if version == 4:
        return PrefixKeys(np.array(addresses, np.uint32), None, column)
    octets = b"".join(address.to_bytes(16) for address in addresses)
    halves = np.frombuffer(octets, ">u8").reshape(-1, 2).astype(np.uint64)
    return PrefixKeys(
        np.ascontiguousarray(halves[:, 0]), np.ascontiguousarray(halves[:, 1]), column
    )


class PrefixIndex:
    """Gives each prefix a row, which it keeps until `rebuild`."""

    def __init__(self, version: Version, seed: int) -> None:
        """Begin empty; ``seed`` makes collisions something that a peer cannot aim at."""
        self.count = 0
        self.hi: NDArray[Any] = np.zeros(_FIRST_ROWS, np.uint32 if version == 4 else np.uint64)
        self.lo = None if version == 4 else np.zeros(_FIRST_ROWS, np.uint64)
        self.lengths = np.zeros(_FIRST_ROWS, np.uint8)
        self._seed = np.uint64(seed | 1)
        self._slots = np.full(2 * _FIRST_ROWS, _EMPTY, np.int32)

    @property
    def capacity(self) -> int:
        """How many rows there is room for."""
        return len(self.lengths)

    def keys(self, rows: Rows | Mask | slice) -> PrefixKeys:
        """Give the prefixes of rows."""
        lo = None if self.lo is None else self.lo[rows]
        return PrefixKeys(self.hi[rows], lo, self.lengths[rows])

    def find(self, keys: PrefixKeys) -> Rows:
        """Give the row of each prefix, -1 where there is none."""
        found = np.full(len(keys.lengths), -1, np.int64)
        places = self._places(keys)
        left = np.arange(len(found))
        while len(left):
            rows = self._slots[places[left]].astype(np.int64)
            is_same = self._is_same(rows, keys, left)
            found[left[is_same]] = rows[is_same]
            left = left[~is_same & (rows != _EMPTY)]
            places[left] = places[left] + 1 & len(self._slots) - 1
        return found

    def add(self, keys: PrefixKeys) -> Rows:
        """Give the row of each prefix, a new one where there was none; the same may come twice."""
        self._make_room(len(keys.lengths))
        found = np.full(len(keys.lengths), -1, np.int64)
        places = self._places(keys)
        left = np.arange(len(found))
        while len(left):
            rows = self._slots[places[left]].astype(np.int64)
            free = np.flatnonzero(rows == _EMPTY)
            if len(free):
                self._append(keys, left[free[self._claim(places[left[free]])]], places)
                rows = self._slots[places[left]].astype(np.int64)
            is_same = self._is_same(rows, keys, left)
            found[left[is_same]] = rows[is_same]
            left = left[~is_same]
            places[left] = places[left] + 1 & len(self._slots) - 1
        return found

    def keep(self, kept: Rows) -> None:
        """Forget all prefixes but those of these rows, which are numbered anew in their order."""
        count = len(kept)
        self.hi[:count] = self.hi[kept]
        self.lengths[:count] = self.lengths[kept]
        if self.lo is not None:
            self.lo[:count] = self.lo[kept]
        self.count = count
        self._spread(len(self._slots))

    def _claim(self, places: Rows) -> Mask:
        """Choose one of those that want the same free place."""
        numbers = np.arange(len(places), dtype=np.int32)
        self._slots[places] = numbers
        return np.asarray(self._slots[places] == numbers)

    def _append(self, keys: PrefixKeys, chosen: Rows, places: Rows) -> None:
        begin, end = self.count, self.count + len(chosen)
        self.hi[begin:end] = keys.hi[chosen]
        self.lengths[begin:end] = keys.lengths[chosen]
        if self.lo is not None and keys.lo is not None:
            self.lo[begin:end] = keys.lo[chosen]
        self._slots[places[chosen]] = np.arange(begin, end)
        self.count = end

    def _is_same(self, rows: Rows, keys: PrefixKeys, left: Rows) -> Mask:
        same: Mask = np.asarray(rows != _EMPTY)
        same &= self.hi[rows] == keys.hi[left]
        same &= self.lengths[rows] == keys.lengths[left]
        if self.lo is not None and keys.lo is not None:
            same &= self.lo[rows] == keys.lo[left]
        return same

    def _places(self, keys: PrefixKeys) -> Rows:
        mixed = keys.hi.astype(np.uint64) * _SPREAD[0]
        mixed ^= keys.lengths.astype(np.uint64) * _SPREAD[1]
        if keys.lo is not None:
            mixed ^= keys.lo * _SPREAD[2]
        mixed ^= mixed >> np.uint64(29)
        mixed *= self._seed
        shift = np.uint64(64 - (len(self._slots).bit_length() - 1))
        return (mixed >> shift).astype(np.int64)

    def _make_room(self, more: int) -> None:
        wanted = self.count + more
        if wanted > self.capacity:
            size = max(wanted, self.capacity * 5 // 4)
            self.hi, self.lengths = grow(self.hi, size), grow(self.lengths, size)
            self.lo = None if self.lo is None else grow(self.lo, size)
        slots = len(self._slots)
        while wanted > slots * 5 // 8:
            slots *= 2
        if slots != len(self._slots):
            self._spread(slots)

    def _spread(self, slots: int) -> None:
        """Enter all rows anew."""
        self._slots = np.full(slots, _EMPTY, np.int32)
        places = self._places(self.keys(slice(self.count)))
        left = np.arange(self.count)
        while len(left):
            at = places[left]
            is_free = self._slots[at] == _EMPTY
            self._slots[at[is_free]] = left[is_free]
            left = left[self._slots[at] != left]
            places[left] = places[left] + 1 & slots - 1


def distinct(numbers: NDArray[Any]) -> NDArray[Any]:
    """Give each number once, in order; for a few thousand this is faster than `numpy.unique`."""
    in_order = np.sort(numbers)
    return in_order[_differ(in_order)]


def find_last(keys: NDArray[np.int64]) -> Rows:
    """Give the position of the last of each key, in the order of keys."""
    order = np.argsort(keys, kind="stable")
    return np.asarray(order[_differ(keys[order][::-1])[::-1]])


def _differ(numbers: NDArray[Any]) -> Mask:
    """Tell which numbers differ from the one before."""
    differ = np.ones(len(numbers), np.bool_)
    np.not_equal(numbers[1:], numbers[:-1], out=differ[1:])
    return differ


def grow(column: NDArray[Any], size: int) -> NDArray[Any]:
    """Make a column longer; what is new is 0."""
    grown = np.zeros(size, column.dtype)
    grown[: len(column)] = column
    return grown
