"""Room for texts of different lengths in one array of words."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.enrich.rib_text import Counts, Words, spread

_UNIT: Final = 4
"""Words that lengths are rounded up to."""


class TextSpace:
    """Hands out runs of words; one that was given back serves another text of its length."""

    def __init__(self, words: NDArray[np.uint32]) -> None:
        self._words = words
        self._end = _UNIT  # the first words are those of row 0: a text without anything
        self._free: dict[int, list[int]] = {}

    def store(self, texts: Words) -> Counts:
        """Write texts; give where each begins, 0 where there is no room."""
        units = -(-(texts.counts + 1) // _UNIT)
        places = np.array([self._take(each) for each in units.tolist()], np.int64)
        there = np.flatnonzero(places)
        self._words[places[there]] = units[there]
        begins = np.where(places != 0, places + 1, 0)
        chosen = np.repeat(places != 0, texts.counts)
        self._words[spread(begins, texts.counts)[chosen]] = texts.words[chosen]
        return begins

    def _take(self, units: int) -> int:
        free = self._free.get(units)
        if free:
            return free.pop()
        at = self._end
        if at + units * _UNIT > len(self._words):
            return 0
        self._end += units * _UNIT
        return at

    def release(self, begin: int) -> None:
        """Let another text have the room of one that `store` gave."""
        if begin:
            at = begin - 1
            self._free.setdefault(int(self._words[at]), []).append(at)
