"""All paths of one address family, several for a prefix, as columns that are chained by prefix."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.enrich.prefixes import Version
from flowexport_mgmt.rib.columns import (
    MOST_PREFIXES,
    PrefixIndex,
    PrefixKeys,
    distinct,
    find_last,
    grow,
)
from flowexport_mgmt.rib.facts import Facts
from flowexport_mgmt.rib.preference import Preference
from flowexport_mgmt.rib.room import FreeRows, Rows, reserve
from flowexport_mgmt.rib.slots import Mask

_NONE: Final = -1
_MOST_EMPTY: Final = 1 << 16
_TIDY_ROWS: Final = 16_000
_MOST_PATHS: Final = 1 << 24
_POSITION: Final = 30
"""Bits of a position among changes."""


class Changes(NamedTuple):
    """Routes of one source in the order in which it told of them; ``facts`` is 0 for a gone one."""

    keys: PrefixKeys
    identifiers: NDArray[np.uint32]
    facts: NDArray[np.uint32]


class Best(NamedTuple):
    """Prefixes whose best path changed, and the facts of it now and before; 0 stands for none."""

    keys: PrefixKeys
    facts: NDArray[np.uint32]
    before: NDArray[np.uint32]


class PathTable:
    """Prefixes, each with a chain of paths and what was last said to be the best of them."""

    def __init__(self, version: Version, facts: Facts, preference: Preference, seed: int) -> None:
        self.index = PrefixIndex(version, seed)
        self._facts = facts
        self._preference = preference
        self.best = reserve(MOST_PREFIXES, np.uint32)
        self._head = reserve(MOST_PREFIXES, np.int32)
        self._next = reserve(_MOST_PATHS, np.int32)
        self._prefix = reserve(_MOST_PATHS, np.int32)
        self._identifier = reserve(_MOST_PATHS, np.uint32)
        self._told = reserve(_MOST_PATHS, np.uint32)
        self._source = reserve(_MOST_PATHS, np.uint16)
        self._era = reserve(_MOST_PATHS, np.uint16)
        self._end = 0
        self._free = FreeRows(_MOST_PATHS)
        self._empty = 0
        self.counts = np.zeros(1, np.int64)
        """Paths by source."""
        self.refused = 0
        """Paths that were more than there may be."""
        self.published = 0
        """Prefixes that have a best path."""

    @property
    def path_rows(self) -> int:
        """How many rows of paths there are, free ones among them."""
        return self._end

    def apply(self, source: int, era: int, changes: Changes) -> Best:
        """Take what a source told."""
        there = changes.facts != 0
        prefixes = np.full(len(there), -1, np.int64)
        self._facts.refer(changes.facts[there])
        prefixes[there] = self._add_prefixes(changes.keys.take(there))
        self.refused += int((prefixes[there] == _NONE).sum())
        prefixes[~there] = self.index.find(changes.keys.take(~there))
        last = _find_last(prefixes, changes.identifiers)
        beaten = np.ones(len(there), np.bool_)
        beaten[last] = False
        self._facts.release(changes.facts[beaten & there])
        told = _Told(prefixes[last], changes.identifiers[last], changes.facts[last])
        rows = self._find_paths(source, told)
        self._replace(rows, told, era)
        is_new = (rows == _NONE) & (told.facts != 0)
        self._insert(source, era, self._admit(told.take(is_new)))
        self._unlink(distinct(told.prefixes[(rows != _NONE) & (told.facts == 0)]))
        return self.choose(distinct(told.prefixes))

    def remove(self, rows: slice, source: int, era: int) -> Best:
        """Remove those of a run of path rows that are a source's and older than an era."""
        chosen = (self._source[rows] == source) & (self._told[rows] != 0)
        chosen &= (self._era[rows] - np.uint16(era)).view(np.int16) < 0
        found = np.flatnonzero(chosen) + rows.start
        self._facts.release(self._told[found])
        self._told[found] = 0
        affected = distinct(self._prefix[found]).astype(np.int64)
        self._unlink(affected)
        return self.choose(affected)

    def review(self, rows: slice, source: int) -> Best:
        """Choose anew for what a source tells of in a run of path rows."""
        chosen = (self._source[rows] == source) & (self._told[rows] != 0)
        return self.choose(distinct(self._prefix[rows][chosen]).astype(np.int64))

    def find_best(self, keys: PrefixKeys) -> NDArray[np.uint32]:
        """Give the facts of the best path of each prefix, 0 where there is none."""
        rows = self.index.find(keys)
        return np.where(rows == _NONE, np.uint32(0), self.best[rows])

    def choose(self, prefixes: Rows) -> Best:
        """Choose the best paths of prefixes anew; give those that changed."""
        best = self._find_best(prefixes)
        facts = np.where(best == _NONE, np.uint32(0), self._told[best])
        before = self.best[prefixes]
        changed = np.flatnonzero(facts != before)
        self.published += int((facts[changed] != 0).sum()) - int((before[changed] != 0).sum())
        self.best[prefixes[changed]] = facts[changed]
        return Best(self.index.keys(prefixes[changed]), facts[changed], before[changed])

    def tidy(self) -> Iterator[None]:
        """Forget prefixes that have no path any more, when these are many; some at each step."""
        if self._empty <= max(_MOST_EMPTY, self.index.count // 2):
            return
        for begin in range(0, self.index.end, _TIDY_ROWS):
            rows = slice(begin, min(begin + _TIDY_ROWS, self.index.end))
            empty = self.index.is_there(rows) & (self._head[rows] == _NONE)
            found = np.flatnonzero(empty) + begin
            self.index.remove(found)
            self._empty -= len(found)
            yield

    def _add_prefixes(self, keys: PrefixKeys) -> Rows:
        before, end = self.index.count, self.index.end
        rows = self.index.add(keys)
        self._head[end : self.index.end] = _NONE
        self._empty += self.index.count - before
        return rows

    def _find_paths(self, source: int, told: _Told) -> Rows:
        """Give the row of each path that the source told of before, else -1."""
        found = np.full(len(told.prefixes), _NONE, np.int64)
        left = np.arange(len(found))
        current = self._head[told.prefixes].astype(np.int64)
        while len(left := left[current != _NONE]):
            current = current[current != _NONE]
            is_it = self._source[current] == source
            is_it &= self._identifier[current] == told.identifiers[left]
            found[left[is_it]] = current[is_it]
            left = left[~is_it]
            current = self._next[current[~is_it]].astype(np.int64)
        return found

    def _replace(self, rows: Rows, told: _Told, era: int) -> None:
        known = rows != _NONE
        places = rows[known]
        self._facts.release(self._told[places])
        self._told[places] = told.facts[known]
        self._era[places] = era

    def _admit(self, told: _Told) -> _Told:
        """Turn away what is more than there may be."""
        room = _MOST_PATHS - int(self.counts.sum())
        if len(told.prefixes) <= room:
            return told
        rest = told.facts[room:]
        self.refused += len(rest)
        self._facts.release(rest)
        return _Told(told.prefixes[:room], told.identifiers[:room], told.facts[:room])

    def _insert(self, source: int, era: int, told: _Told) -> None:
        """Put new paths before the others of their prefixes, which are in order."""
        if not len(told.prefixes):
            return
        rows = self._take_rows(len(told.prefixes))
        self._prefix[rows] = told.prefixes
        self._identifier[rows] = told.identifiers
        self._told[rows] = told.facts
        self._source[rows] = source
        self._era[rows] = era
        is_first = np.ones(len(rows), np.bool_)
        is_first[1:] = told.prefixes[1:] != told.prefixes[:-1]
        first = np.flatnonzero(is_first)
        last = np.append(first[1:], len(rows)) - 1
        following = np.append(rows[1:], _NONE)
        following[last] = self._head[told.prefixes[last]]
        self._empty -= int((following[last] == _NONE).sum())
        self._next[rows] = following
        self._head[told.prefixes[first]] = rows[first]
        self._count(source, len(rows))

    def _unlink(self, prefixes: Rows) -> None:
        """Take paths of which nothing is told any more out of their chains."""
        left = prefixes
        current = self._head[left].astype(np.int64)
        last = np.full(len(left), _NONE, np.int64)
        self._head[left] = _NONE
        removed = [np.zeros(0, np.int64)]
        while len(left):
            is_there = current != _NONE
            self._next[last[~is_there & (last != _NONE)]] = _NONE
            self._empty += int((~is_there & (last == _NONE)).sum())
            left, current, last = left[is_there], current[is_there], last[is_there]
            following = self._next[current].astype(np.int64)
            is_kept = self._told[current] != 0
            is_first = is_kept & (last == _NONE)
            self._head[left[is_first]] = current[is_first]
            behind = is_kept & (last != _NONE)
            self._next[last[behind]] = current[behind]
            last = np.where(is_kept, current, last)
            removed.append(current[~is_kept])
            current = following
        self._give_back(np.concatenate(removed))

    def _give_back(self, rows: Rows) -> None:
        if len(rows):
            sources, counts = np.unique(self._source[rows], return_counts=True)
            self.counts[sources] -= counts
            self._free.give_back(rows)

    def _take_rows(self, count: int) -> Rows:
        again = self._free.take(count)
        begin = self._end
        self._end += count - len(again)
        return np.concatenate((again, np.arange(begin, self._end)))

    def _count(self, source: int, more: int) -> None:
        if source >= len(self.counts):
            self.counts = grow(self.counts, 2 * source + 1)
        self.counts[source] += more

    def _find_best(self, prefixes: Rows) -> Rows:
        best = np.full(len(prefixes), _NONE, np.int64)
        current = self._head[prefixes].astype(np.int64)
        left = np.arange(len(prefixes))
        while len(left := left[current != _NONE]):
            current = current[current != _NONE]
            is_better = self._is_better(current, best[left])
            best[left[is_better]] = current[is_better]
            current = self._next[current].astype(np.int64)
        return best

    def _is_better(self, one: Rows, other: Rows) -> Mask:
        """Tell which of ``one`` may be used and are better than ``other``, where there is one."""
        usable = self._preference.usable[self._source[one]]
        against = np.flatnonzero(usable & (other != _NONE))
        better = usable.copy()
        if len(against):
            rows, others = one[against], other[against]
            better[against] = self._preference.is_better(
                self._columns(rows), self._columns(others), self._facts
            )
        return np.asarray(better)

    def _columns(self, rows: Rows) -> tuple[NDArray[Any], ...]:
        return self._source[rows], self._era[rows], self._told[rows], self._identifier[rows]


class _Told(NamedTuple):
    """What was told of paths, each once: the row of the prefix, the identifier, the facts."""

    prefixes: Rows
    identifiers: NDArray[np.uint32]
    facts: NDArray[np.uint32]

    def take(self, rows: Mask) -> _Told:
        return _Told(self.prefixes[rows], self.identifiers[rows], self.facts[rows])


def _find_last(prefixes: Rows, identifiers: NDArray[np.uint32]) -> Rows:
    """Give the position of the last of each pair, in the order of prefixes; -1 is no prefix."""
    if identifiers.any():
        last = find_last(prefixes << 32 | identifiers.astype(np.int64))
    else:  # the position makes keys different, which sort faster
        keys = np.sort(prefixes << _POSITION | np.arange(len(prefixes)))
        is_last = np.append(keys[1:] >> _POSITION != keys[:-1] >> _POSITION, True)[: len(keys)]
        last = keys[is_last] & (1 << _POSITION) - 1
    return np.asarray(last[prefixes[last] >= 0])
