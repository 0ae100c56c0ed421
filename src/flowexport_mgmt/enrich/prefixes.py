"""Longest-prefix match for columns of addresses, and changes while it is in use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.enrich.prefix_ranges import (
    U8,
    Numbers,
    PrefixColumns,
    join,
    lay_out,
    sort,
    split,
)
from flowexport_mgmt.enrich.prefix_trie import Trie
from flowexport_mgmt.records.flows import Addresses

Version = Literal[4, 6]

NO_VALUE: Final = -1

_NO_ENTRY: Final = NO_VALUE << 8
"""An entry is a value and, in its low octet, the prefix length plus one; here there is neither."""

_FEW: Final = 8
"""Prefixes that are found one by one in less time than together."""

_MOST_CHANGES: Final = 4096
"""Changes beside the table before they are made a part of it."""


class Matches(NamedTuple):
    """What was found for addresses: values and prefix lengths, NO_VALUE and 0 for nothing."""

    values: Numbers
    lengths: NDArray[np.uint8]


class Change(NamedTuple):
    """A prefix, its address as a number, gets a value; NO_VALUE withdraws it."""

    address: int
    length: int
    value: int


@dataclass(frozen=True, slots=True)
class Lookup:
    """Prefixes at one instant; never changes, so that any thread may use it."""

    version: Version
    table: Trie
    entries: Numbers
    added: Trie | None
    added_entries: Numbers

    def find(self, addresses: Addresses) -> Matches:
        """Find the longest prefix of each address; shape (N,) for IPv4, (N, 2) for IPv6."""
        keys = split(addresses)
        found = self.entries.take(self.table.find(keys))
        if self.added is not None:
            added = self.added_entries.take(self.added.find(keys))
            found = np.where((added & 0xFF) > (found & 0xFF), added, found)
        return Matches(found >> 8, np.maximum((found & 0xFF) - 1, 0).astype(np.uint8))


class Table(NamedTuple):
    """Prefixes in order with their values, and what finds them."""

    prefixes: PrefixColumns
    values: Numbers
    parents: Numbers
    trie: Trie
    entries: Numbers


class Prefixes:
    """The prefixes of one address family, each with a value: a number of 0 up to 2^55.

    Prefixes that come with `load` are a table. What changes afterwards is laid over it: entries of
    prefixes that it has are changed in a copy, others stand in a small table of their own, and the
    longer match counts. When there are many of these, all become one table again: `publish` makes
    it at once; or another thread does what `begin_merge` gives, and whoever changes prefixes makes
    what changed in the meantime again in others that `adopt` the table. `lay_over` shows readers
    what changes before and after.

    One thread changes and publishes; `current` is replaced as a whole, and may be read by any.
    """

    def __init__(self, version: Version) -> None:
        self.version = version
        self._most_changes = _MOST_CHANGES
        self.load(_empty(version), np.zeros(0, np.int64), np.zeros(0, np.int64))

    def __len__(self) -> int:
        """Count the prefixes."""
        return len(self._table) - len(self._withdrawn) + len(self._added)

    def load(self, addresses: Addresses, lengths: Numbers, values: Numbers) -> Numbers:
        """Replace all prefixes; of one that is there twice the last counts.

        Returns:
            The positions of those that do not count.
        """
        table, given = _build(self.version, addresses, lengths, values)
        self.adopt(table)
        is_beaten = np.ones(len(lengths), np.bool_)
        is_beaten[given] = False
        return np.flatnonzero(is_beaten)

    def adopt(self, table: Table) -> None:
        """Replace all prefixes by a table, of which the values are ours from now on."""
        self._table, self._own, self._parents = table.prefixes, table.values, table.parents
        self._trie, self._entries = table.trie, table.entries
        self._withdrawn: set[int] = set()
        self._changed: set[int] = set()
        self._added: dict[tuple[int, int], int] = {}
        self._is_added_changed = False
        self.current = Lookup(self.version, self._trie, self._entries, None, np.zeros(0, np.int64))

    def get(self, address: int, length: int) -> int:
        """Give the value of exactly this prefix; NO_VALUE when it is not there."""
        place = self._find_place(address, length)
        if place is None:
            return self._added.get((address, length), NO_VALUE)
        return int(self._own[place])

    def update(self, changes: Sequence[Change]) -> None:
        """Make changes, one after the other; host bits are 0. Readers see them once published."""
        if len(changes) > _FEW:
            places = self._find_places(changes)
        else:
            places = [self._find_place(address, length) for address, length, _ in changes]
        for (address, length, value), place in zip(changes, places, strict=True):
            if place is not None:
                self._set(place, value)
            elif value == NO_VALUE:
                self._is_added_changed |= self._added.pop((address, length), None) is not None
            else:
                self._added[address, length] = value
                self._is_added_changed = True

    @property
    def is_full(self) -> bool:
        """Whether so much is laid over the table that all should become one."""
        return len(self._added) + len(self._withdrawn) > self._most_changes

    def publish(self) -> None:
        """Let readers see what changed, in one table if that is much."""
        if self.is_full:
            self.adopt(self.begin_merge()())
        self.lay_over()

    def lay_over(self) -> None:
        """Let readers see what changed, however much that is."""
        if self._changed:
            self._renew_entries()
        added, added_entries = self.current.added, self.current.added_entries
        if self._is_added_changed:
            added, added_entries = self._make_overlay()
        self.current = Lookup(self.version, self._trie, self._entries, added, added_entries)
        self._is_added_changed = False

    def begin_merge(self) -> Callable[[], Table]:
        """Give work that makes one table of all: any thread may do it, while changes go on."""
        table, own, added = self._table, self._own.copy(), self._added.copy()

        def build() -> Table:
            kept = own != NO_VALUE
            addresses, lengths, values = self._list(added)
            return _build(
                self.version,
                _concatenate(join(table.keys.take(kept)), addresses),
                np.concatenate((table.lengths[kept], lengths)),
                np.concatenate((own[kept], values)),
            )[0]

        return build

    def _find_places(self, changes: Sequence[Change]) -> list[int | None]:
        """Find many prefixes in the table: the longest at each address, or one around that."""
        keys = split(to_column(self.version, [change.address for change in changes]))
        wanted = np.array([change.length for change in changes])
        lengths = np.append(self._table.lengths, -1)  # of none, which is in none
        parents = np.append(self._parents, len(self._table))
        found = self._trie.find(keys)
        while (is_longer := lengths[found] > wanted).any():
            found = np.where(is_longer, parents[found], found)
        is_there = lengths[found] == wanted
        return [
            place if there else None
            for place, there in zip(found.tolist(), is_there.tolist(), strict=True)
        ]

    def _find_place(self, address: int, length: int) -> int | None:
        """Find a prefix in the table."""
        keys, lengths = self._table.keys, self._table.lengths
        begin, end = 0, len(lengths)
        if keys.lo is None:
            begin, end = _find_equal(keys.hi, address, begin, end)
        else:
            begin, end = _find_equal(keys.hi, address >> 64, begin, end)
            begin, end = _find_equal(keys.lo, address & 0xFFFFFFFFFFFFFFFF, begin, end)
        at = begin + int(np.searchsorted(lengths[begin:end], length))
        return at if at < end and lengths[at] == length else None

    def _set(self, place: int, value: int) -> None:
        self._own[place] = value
        self._changed.add(place)
        if value == NO_VALUE:
            self._withdrawn.add(place)
        else:
            self._withdrawn.discard(place)

    def _renew_entries(self) -> None:
        """Change entries in a copy; a prefix that was withdrawn has the entry of what it is in."""
        changed = np.fromiter(self._changed, np.int64, len(self._changed))
        entries = self._entries.copy()
        entries[changed] = _make_entries(self._own[changed], self._table.lengths[changed])[:-1]
        for place in sorted(self._withdrawn):  # the shorter come first
            entries[place] = entries[self._parents[place]]
        self._entries = entries
        self._changed.clear()

    def _make_overlay(self) -> tuple[Trie | None, Numbers]:
        if not self._added:
            return None, np.zeros(0, np.int64)
        addresses, lengths, values = self._list(self._added)
        prefixes, given = sort(self.version, addresses, lengths)
        trie = Trie(lay_out(self.version, prefixes))
        return trie, _make_entries(values[given], prefixes.lengths)

    def _list(self, added: dict[tuple[int, int], int]) -> tuple[Addresses, Numbers, Numbers]:
        count = len(added)
        lengths = np.fromiter((length for _, length in added), np.int64, count)
        values = np.fromiter(added.values(), np.int64, count)
        return to_column(self.version, [address for address, _ in added]), lengths, values


def _build(
    version: Version, addresses: Addresses, lengths: Numbers, values: Numbers
) -> tuple[Table, Numbers]:
    """Make a table; give also the positions of the prefixes that count."""
    prefixes, given = sort(version, addresses, lengths)
    own = values[given].astype(np.int64)
    ranges = lay_out(version, prefixes)
    entries = _make_entries(own, prefixes.lengths)
    return Table(prefixes, own, ranges.parents, Trie(ranges), entries), given


def to_column(version: Version, addresses: list[int]) -> Addresses:
    """Make a column of addresses given as numbers."""
    if version == 4:
        return np.array(addresses, np.uint32)
    halves = [(address >> 64, address & 0xFFFFFFFFFFFFFFFF) for address in addresses]
    return np.array(halves, np.uint64).reshape(-1, 2)


def _find_equal(column: U8, wanted: int, begin: int, end: int) -> tuple[int, int]:
    """Find where ``wanted`` is in the part of a column that is in order."""
    part, number = column[begin:end], np.uint64(wanted)
    return (
        begin + int(np.searchsorted(part, number, side="left")),
        begin + int(np.searchsorted(part, number, side="right")),
    )


def _concatenate(first: Addresses, second: Addresses) -> Addresses:
    both: Any = np.concatenate((first, second))
    return both  # type: ignore[no-any-return] # of the family of both


def _empty(version: Version) -> Addresses:
    return to_column(version, [])


def _make_entries(values: Numbers, lengths: Numbers) -> Numbers:
    """Make entries, and a last one for no prefix."""
    entries = np.where(values == NO_VALUE, _NO_ENTRY, values << 8 | lengths + 1)
    return np.append(entries, _NO_ENTRY)
