"""Tables of IPv6 prefixes in memory that another process reads.

A `Lookup` is arrays. They are written into one of two places, and a description of them, with a
number that tells what was written before from what is new, into one of two others.
"""

from __future__ import annotations

import mmap
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.enrich.prefix_trie import Trie
from flowexport_mgmt.enrich.prefixes import Lookup, Table
from flowexport_mgmt.enrich.rib_memory import LAYOUT_SIZE, Memory, Word

_ALIGNMENT: Final = 64


class _Array(msgspec.Struct, frozen=True, array_like=True):
    """Where an array is and what of: octets from the begin of its place, type, length."""

    at: int
    kind: str
    count: int


class _Tree(msgspec.Struct, frozen=True, array_like=True):
    """A search tree and the entries of its prefixes, in one of two places."""

    place: int
    root: int
    arrays: dict[str, _Array]
    entries: _Array


class _Layout(msgspec.Struct, frozen=True, array_like=True):
    """All that a `Lookup` is made from."""

    table: _Tree
    overlay: _Tree | None


_decoder: Final = msgspec.msgpack.Decoder(_Layout)


class Tables6Writer:
    """Writes each `Lookup` that differs from the one before."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._written: Lookup | None = None
        self._table: _Tree | None = None
        self._overlay: _Tree | None = None
        self._placed: tuple[Trie, _Tree] | None = None

    def place(self, table: Table) -> Table:
        """Write a table that nobody reads yet, so that `write` has to tell of it only.

        Another thread may do it; only one table at a time.

        Raises:
            MemoryError: it is larger than the place for it.
        """
        tree = self._put(self._memory.table6, self._table, table.trie, table.entries)
        self._placed = table.trie, tree
        return table

    def write(self, lookup: Lookup) -> None:
        """Let readers see ``lookup``.

        Raises:
            MemoryError: it is larger than the place for it.
        """
        before = self._written
        if self._placed is not None and self._placed[0] is lookup.table:
            self._table, self._placed = self._placed[1], None
            _view(self._memory.table6[self._table.place], self._table.entries)[:] = lookup.entries
        elif before is None or self._table is None or lookup.table is not before.table:
            self._table = self._put(self._memory.table6, self._table, lookup.table, lookup.entries)
        elif lookup.entries is not before.entries:
            _view(self._memory.table6[self._table.place], self._table.entries)[:] = lookup.entries
        if lookup.added is None:
            self._overlay = None
        elif before is None or lookup.added is not before.added:
            self._overlay = self._put(
                self._memory.overlay6, self._overlay, lookup.added, lookup.added_entries
            )
        self._written = lookup
        self._describe(_Layout(self._table, self._overlay))

    def _put(
        self,
        places: NDArray[np.uint8],
        before: _Tree | None,
        trie: Trie,
        entries: NDArray[np.int64],
    ) -> _Tree:
        """Write a tree into the place that the one before it is not in."""
        place = 0 if before is None else 1 - before.place
        at = 0
        described: dict[str, _Array] = {}
        for name, array in (*trie.columns().items(), ("", entries)):
            if at + array.nbytes > places.shape[1]:
                raise MemoryError("there is no room for so many IPv6 prefixes")
            described[name] = _Array(at, array.dtype.str, len(array))
            _view(places[place], described[name])[:] = array
            at += -(-array.nbytes // _ALIGNMENT) * _ALIGNMENT
        self._release(places, place, at)
        return _Tree(place, trie.root, described, described.pop(""))

    def _release(self, places: NDArray[np.uint8], place: int, used: int) -> None:
        """Give back the memory behind what was written."""
        base = places.ctypes.data - self._memory.header.ctypes.data + place * places.shape[1]
        begin = -(-(base + used) // mmap.PAGESIZE) * mmap.PAGESIZE
        end = base + places.shape[1]
        if begin < end:
            self._memory.mapped.madvise(mmap.MADV_REMOVE, begin, end - begin)

    def _describe(self, layout: _Layout) -> None:
        packed = msgspec.msgpack.encode(layout)
        header = self._memory.header
        generation = int(header[Word.LAYOUT]) + 1
        room = self._memory.layouts[generation & 1]
        room[:4] = np.frombuffer(len(packed).to_bytes(4), np.uint8)
        room[4 : 4 + len(packed)] = np.frombuffer(packed, np.uint8)
        header[Word.LAYOUT] = generation


class Tables6Reader:
    """Gives the `Lookup` that counts."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._generation = 0
        self._lookup: Lookup | None = None

    def read(self) -> Lookup | None:
        """Give the tables as they are now; None where there are none.

        Raises:
            ValueError: what is there makes no sense.
        """
        generation = int(self._memory.header[Word.LAYOUT])
        if generation != self._generation:
            self._lookup = self._load(generation)
            self._generation = generation
        return self._lookup

    def _load(self, generation: int) -> Lookup:
        room = self._memory.layouts[generation & 1]
        length = min(int.from_bytes(room[:4].tobytes()), LAYOUT_SIZE)
        try:
            layout = _decoder.decode(room[4 : 4 + length].tobytes())
            table, entries = self._tree(self._memory.table6, layout.table)
            none: tuple[None, Any] = (None, np.zeros(0, np.int64))
            overlay, added = (
                none
                if layout.overlay is None
                else self._tree(self._memory.overlay6, layout.overlay)
            )
        except (msgspec.MsgspecError, KeyError, IndexError, TypeError) as error:
            raise ValueError(f"the IPv6 tables make no sense: {error}") from error
        return Lookup(6, table, entries, overlay, added)

    def _tree(self, places: NDArray[np.uint8], tree: _Tree) -> tuple[Trie, NDArray[np.int64]]:
        place = places[tree.place & 1]
        columns = {name: _view(place, array) for name, array in tree.arrays.items()}
        return Trie.of(tree.root, columns), _view(place, tree.entries)


def _view(place: NDArray[np.uint8], array: _Array) -> NDArray[Any]:
    kind = np.dtype(array.kind)
    octets = place[array.at : array.at + kind.itemsize * array.count]
    return octets.view(kind)
