"""A search tree over ranges of addresses that follows all addresses of a batch at the same time.

An inner node spreads the span of its ranges over cells of equal width, about four for each range,
so that the next level has a few ranges for each cell and no path is longer than what lies there is
uneven. Where three bounds or less are left, addresses are compared with these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.enrich.prefix_ranges import Keys, Numbers, Ranges

U8 = NDArray[np.uint64]
_References = NDArray[np.int64]

_NODE: Final = -(1 << 30)
"""A reference is an owner (0 and above), a bound (-1 for the first, -2, ...) from which on to
compare, or an inner node (below this)."""

_DEEPEST: Final = 64
"""Nodes on any path, at most: a tree that somebody else wrote must not keep a search for ever."""
_COMPARED: Final = 3
_ROOT_BITS: Final = 22
_NODE_BITS: Final = 14
_ONE: Final = np.uint64(1)


class _Bounds(NamedTuple):
    """Where ranges begin, as numbers of 64 bits in order, the first one 0.

    ``at`` refers to what a bound itself belongs to, ``behind`` to what all up to the next does.
    """

    keys: U8
    at: _References
    behind: _References


class _Spans(NamedTuple):
    """Parts of the address space with bounds inside: after ``first``, up to ``last``."""

    begins: U8
    first: Numbers
    last: Numbers


class Trie:
    """Finds the owner of the range that each address lies in."""

    def __init__(self, ranges: Ranges) -> None:
        growth = _Growth()
        bounds = _find_high(ranges, growth)
        root = growth.add_tree(bounds, _ROOT_BITS)
        growth.add_bounds(bounds)
        before, at, behind = growth.join_bounds()
        columns = {
            "cells": np.concatenate([*growth.cells, np.zeros(1, np.int64)]),
            "base": np.array(growth.base, np.uint64),
            "shift": np.array(growth.shift, np.uint64),
            "lowest": np.array(growth.lowest, np.uint64),
            "highest": np.array(growth.highest, np.uint64),
            "before": before,
            "behind": behind,
        }
        if not np.array_equal(at, behind):
            columns["at"] = at
        self._adopt(root, columns)

    @classmethod
    def of(cls, root: int, columns: Mapping[str, NDArray[Any]]) -> Trie:
        """Make a tree of what `root` and `columns` of another one are.

        Raises:
            KeyError: a column is not there.
        """
        trie = cls.__new__(cls)
        trie._adopt(root, columns)
        return trie

    @property
    def root(self) -> int:
        """The reference that a search begins at."""
        return self._root

    def columns(self) -> Mapping[str, NDArray[Any]]:
        """Give all arrays that the tree is made of, by name."""
        return self._columns

    def _adopt(self, root: int, columns: Mapping[str, NDArray[Any]]) -> None:
        self._root = root
        self._columns = columns
        self._cells: NDArray[np.int64] = columns["cells"]
        self._base: U8 = columns["base"]
        self._shift: U8 = columns["shift"]
        self._lowest: U8 = columns["lowest"]
        self._highest: U8 = columns["highest"]
        self._before: U8 = columns["before"]
        self._behind: _References = columns["behind"]
        self._at: _References = columns.get("at", self._behind)
        self._differ = "at" in columns

    def find(self, keys: Keys) -> _References:
        """Give the owner of each address."""
        found = np.full(len(keys.hi), self._root, np.int64)
        if self._root < _NODE:
            found = self._enter_root(keys.hi)
        self._follow(found, keys.hi)
        if keys.lo is not None and len(rows := np.flatnonzero(found < 0)):
            below = found.take(rows)
            self._follow(below, keys.lo.take(rows))
            found[rows] = below
        return found

    def _enter_root(self, keys: U8) -> _References:
        node = _NODE - 1 - self._root
        places = np.clip(keys, self._lowest[node], self._highest[node])
        places >>= self._shift[node]
        places += self._base[node]
        return self._cells.take(places.view(np.int64))

    def _follow(self, found: _References, keys: U8) -> None:
        """Replace references by what they lead to within these 64 bits."""
        rows = np.flatnonzero(found < _NODE)
        for _ in range(_DEEPEST):
            if not len(rows):
                break
            node = (_NODE - 1) - found.take(rows)
            places = np.maximum(keys.take(rows), self._lowest.take(node))
            np.minimum(places, self._highest.take(node), out=places)
            places >>= self._shift.take(node)
            places += self._base.take(node)
            cells = self._cells.take(places.view(np.int64))
            found[rows] = cells
            rows = rows.compress(cells < _NODE)
        rows = np.flatnonzero(found < 0)
        if len(rows):
            found[rows] = self._compare(-1 - found.take(rows), keys.take(rows))

    def _compare(self, first: NDArray[np.int64], keys: U8) -> _References:
        place = first.copy()
        for further in range(1, _COMPARED + 1):
            place += keys > self._before.take(first + further)
        found = self._behind.take(place)
        if self._differ:
            is_bound = self._before.take(place) + _ONE == keys
            found = np.where(is_bound, self._at.take(place), found)
        return found


def _find_high(ranges: Ranges, growth: _Growth) -> _Bounds:
    """Make bounds of the first 64 bits; those that share them get trees of the last 64."""
    hi, lo = ranges.keys
    is_new = np.concatenate((np.ones(1, np.bool_), hi[1:] != hi[:-1]))
    first = np.flatnonzero(is_new)
    last = np.append(first[1:], len(hi)) - 1
    behind = ranges.owners[last]
    if lo is None:
        return _Bounds(hi, behind, behind)
    at = ranges.owners[np.where(lo[first] == 0, first, first - 1)]
    for place in np.flatnonzero((first != last) | (lo[first] != 0)):
        inside = slice(first[place] + (lo[first[place]] == 0), last[place] + 1)
        keys = np.concatenate((np.zeros(1, np.uint64), lo[inside]))
        owners = np.concatenate((at[place : place + 1], ranges.owners[inside]))
        at[place] = growth.add_group(_Bounds(keys, owners, owners))
    return _Bounds(hi[first], at, behind)


class _Growth:
    """The nodes and bounds of a tree while it is built."""

    def __init__(self) -> None:
        self.cells: list[_References] = []
        self.base: list[int] = []
        self.shift: list[int] = []
        self.lowest: list[int] = []
        self.highest: list[int] = []
        self._bounds: list[_Bounds] = []
        self._cell_count = 0
        self._bound_count = 0

    def add_group(self, bounds: _Bounds) -> int:
        """Add bounds of the last 64 bits and give the reference of their tree."""
        root = self.add_tree(bounds, _NODE_BITS)
        self.add_bounds(bounds)
        return root

    def add_bounds(self, bounds: _Bounds) -> None:
        """Add bounds, and behind them what no address is greater than."""
        self._bounds.append(bounds)
        self._bound_count += len(bounds.keys) + _COMPARED

    def join_bounds(self) -> tuple[U8, _References, _References]:
        """Give of all bounds the number before each, and what they refer to."""
        padding = np.zeros(_COMPARED, np.int64)
        greatest = np.full(_COMPARED, ~np.uint64(0))
        before, at, behind = [], [], []
        for bounds in self._bounds:
            before += [bounds.keys - _ONE, greatest]
            at += [bounds.at, padding]
            behind += [bounds.behind, padding]
        return np.concatenate(before), np.concatenate(at), np.concatenate(behind)

    def add_tree(self, bounds: _Bounds, most_bits: int) -> int:
        """Add the tree of bounds that are added next, and give the reference of its root."""
        count = len(bounds.keys)
        if count - 1 <= _COMPARED:
            return -1 - self._bound_count
        root = _NODE - 1 - len(self.base)
        spans = _Spans(np.zeros(1, np.uint64), np.array([0]), np.array([count - 1]))
        while len(spans.first):
            spans = self._add_nodes(bounds, spans, most_bits)
            most_bits = _NODE_BITS
        return root

    def _add_nodes(self, bounds: _Bounds, spans: _Spans, most_bits: int) -> _Spans:
        """Add a node for each span; give the spans of the next level."""
        keys = bounds.keys
        lowest, highest = _narrow(bounds, spans)
        shift = _choose_shift(spans, highest - lowest, most_bits)
        skipped: U8 = lowest >> shift
        counts = ((highest >> shift) - skipped + _ONE).view(np.int64)
        base = np.cumsum(counts) - counts
        self.base += ((base + self._cell_count).view(np.uint64) - skipped).tolist()
        self.shift += shift.tolist()
        self.lowest += lowest.tolist()
        self.highest += highest.tolist()
        node = np.repeat(np.arange(len(counts)), counts)
        inside = np.arange(len(node)).view(np.uint64)
        begins: U8 = ((skipped - base.view(np.uint64))[node] + inside) << shift[node]
        ends: U8 = begins + ((_ONE << shift) - _ONE)[node]
        first = np.searchsorted(keys, begins, side="right") - 1
        last = np.searchsorted(keys, ends, side="right") - 1
        below = np.flatnonzero(last - first > _COMPARED)
        self._add_cells(bounds, begins, first, last, below)
        return _Spans(begins[below], first[below], last[below])

    def _add_cells(
        self, bounds: _Bounds, begins: U8, first: Numbers, last: Numbers, below: Numbers
    ) -> None:
        """Add cells, of which those at ``below`` get the next nodes."""
        cells = bounds.behind[first]
        differs = (first != last) | _differs_at(bounds, begins, first)
        cells[differs] = -1 - (self._bound_count + first[differs])
        cells[below] = _NODE - 1 - (len(self.base) + np.arange(len(below)))
        self.cells.append(cells)
        self._cell_count += len(cells)


def _narrow(bounds: _Bounds, spans: _Spans) -> tuple[U8, U8]:
    """Leave out what lies before and behind all bounds of a span, but for one number each."""
    before = bounds.keys[spans.first + 1] - _ONE
    lowest = np.where(_differs_at(bounds, spans.begins, spans.first), spans.begins, before)
    return lowest, bounds.keys[spans.last]


def _differs_at(bounds: _Bounds, begins: U8, first: Numbers) -> NDArray[np.bool_]:
    """Tell where a part begins with a bound that refers to something else than what follows."""
    differs: NDArray[np.bool_] = bounds.at[first] != bounds.behind[first]
    differs &= bounds.keys[first] == begins
    return differs


def _choose_shift(spans: _Spans, width: U8, most_bits: int) -> U8:
    """Choose the width of cells, as a power of two, so that there are about four for a bound."""
    wanted = np.ceil(np.log2(spans.last - spans.first + 1)).astype(np.int64) + 2
    _, bits = np.frexp(width.astype(np.float64))
    shift: U8 = np.maximum(bits - np.minimum(wanted, most_bits), 0).astype(np.uint64)
    return shift
