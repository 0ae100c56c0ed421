"""Prefixes as columns, and an index by which columns of them are found (RFC 4632, RFC 4291)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.enrich.prefixes import Version
from flowexport_mgmt.rib.room import FreeRows, Rows, reserve
from flowexport_mgmt.rib.slots import Mask, Slots

MOST_PREFIXES: Final = 1 << 24
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
    """Gives each prefix a row, which it keeps until it is removed."""

    def __init__(self, version: Version, seed: int, most: int = MOST_PREFIXES) -> None:
        """Begin empty; ``seed`` makes collisions something that a peer cannot aim at."""
        self.hi = reserve(most, np.uint32 if version == 4 else np.uint64)
        self.lo = None if version == 4 else reserve(most, np.uint64)
        self.lengths = reserve(most, np.uint8)
        self.end = 0
        """One more than the last row that there was."""
        self._seed = np.uint64(seed | 1)
        self._most = most
        self._free = FreeRows(most)
        self._slots = Slots(lambda rows: self._hash(self.keys(rows)), most)

    @property
    def count(self) -> int:
        """How many prefixes there are."""
        return self._slots.count

    def keys(self, rows: Rows | Mask | slice) -> PrefixKeys:
        """Give the prefixes of rows."""
        lo = None if self.lo is None else self.lo[rows]
        return PrefixKeys(self.hi[rows], lo, self.lengths[rows])

    def is_there(self, rows: slice) -> Mask:
        """Tell which rows have a prefix."""
        return self._slots.is_there[rows]

    def find(self, keys: PrefixKeys) -> Rows:
        """Give the row of each prefix, -1 where there is none."""
        return self._slots.find(self._hash(keys), self._compare(keys))

    def add(self, keys: PrefixKeys) -> Rows:
        """Give the row of each prefix, a new one where there was none; the same may come twice.

        A prefix that there is no room for has -1.
        """
        room = self._free.count + self._most - self.end
        if len(keys.lengths) <= room:
            return self._add(keys)
        found = self.find(keys)
        new = np.flatnonzero(found < 0)[:room]
        found[new] = self._add(keys.take(new))
        return found

    def remove(self, rows: Rows) -> None:
        """Forget the prefixes of rows; others may have these from now on."""
        self._slots.remove(rows)
        self._free.give_back(rows)

    def _add(self, keys: PrefixKeys) -> Rows:
        def append(chosen: Rows) -> Rows:
            rows = self._take_rows(len(chosen))
            self.hi[rows] = keys.hi[chosen]
            self.lengths[rows] = keys.lengths[chosen]
            if self.lo is not None and keys.lo is not None:
                self.lo[rows] = keys.lo[chosen]
            return rows

        return self._slots.add(self._hash(keys), self._compare(keys), append)

    def _take_rows(self, count: int) -> Rows:
        again = self._free.take(count)
        begin = self.end
        self.end += count - len(again)
        return np.concatenate((again, np.arange(begin, self.end)))

    def _compare(self, keys: PrefixKeys) -> Callable[[Rows, Rows], Mask]:
        def is_same(rows: Rows, left: Rows) -> Mask:
            same: Mask = np.asarray(self.hi[rows] == keys.hi[left])
            same &= self.lengths[rows] == keys.lengths[left]
            if self.lo is not None and keys.lo is not None:
                same &= self.lo[rows] == keys.lo[left]
            return same

        return is_same

    def _hash(self, keys: PrefixKeys) -> NDArray[np.uint64]:
        mixed = keys.hi.astype(np.uint64) * _SPREAD[0]
        mixed ^= keys.lengths.astype(np.uint64) * _SPREAD[1]
        if keys.lo is not None:
            mixed ^= keys.lo * _SPREAD[2]
        mixed ^= mixed >> np.uint64(29)
        mixed *= self._seed
        return mixed


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
    """Make a short column longer by copying; what is new is 0."""
    grown = np.zeros(size, column.dtype)
    grown[: len(column)] = column
    return grown
