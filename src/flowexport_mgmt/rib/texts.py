"""Room for texts of different lengths in one array of words."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.enrich.rib_text import Counts, Words, spread
from flowexport_mgmt.rib.columns import distinct

Rows = NDArray[Any]

_UNIT: Final = 4
"""Words that lengths are rounded up to."""


class TextSpace:
    """Hands out runs of words; one that was given back serves another text of its length."""

    def __init__(self, words: NDArray[np.uint32]) -> None:
        self._words = words
        self._end = _UNIT  # the first words are those of row 0: a text without anything
        self._free: dict[int, Counts] = {}

    def store(self, texts: Words) -> Counts:
        """Write texts; give where each begins, 0 where there is no room."""
        units = -(-(texts.counts + 1) // _UNIT)
        places = np.zeros(len(units), np.int64)
        for each in np.flatnonzero(np.bincount(units)).tolist():
            wanted = np.flatnonzero(units == each)
            found = self._take(each, len(wanted))
            places[wanted[: len(found)]] = found
        there = np.flatnonzero(places)
        self._words[places[there]] = units[there]
        begins = np.where(places != 0, places + 1, 0)
        chosen = np.repeat(places != 0, texts.counts)
        self._words[spread(begins, texts.counts)[chosen]] = texts.words[chosen]
        return begins

    def release(self, begins: Rows) -> None:
        """Let other texts have the room of those that `store` gave."""
        places = begins[begins != 0].astype(np.int64) - 1
        units = self._words[places]
        for each in distinct(units).tolist():
            free = self._free.get(each, places[:0])
            self._free[each] = np.concatenate((free, places[units == each]))

    def _take(self, units: int, count: int) -> Counts:
        """Give as many runs as there is room for."""
        free = self._free.pop(units, np.zeros(0, np.int64))
        if len(free) > count:
            self._free[units] = free[count:]
        again = free[:count]
        size = units * _UNIT
        more = min(count - len(again), (len(self._words) - self._end) // size)
        begin, self._end = self._end, self._end + more * size
        return np.concatenate((again, begin + size * np.arange(more)))
