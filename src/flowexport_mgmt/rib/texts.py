"""Room for texts of different lengths in one array of words."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_UNIT: Final = 4
"""Words that lengths are rounded up to."""


class TextSpace:
    """Hands out runs of words; one that was given back serves another text of its length."""

    def __init__(self, words: NDArray[np.uint32]) -> None:
        self._words = words
        self._end = _UNIT  # the first words are those of row 0: a text without anything
        self._free: dict[int, list[int]] = {}

    def store(self, text: NDArray[np.uint32]) -> int | None:
        """Write a text; give where it begins, or None when there is no room."""
        units = -(-(len(text) + 1) // _UNIT)
        free = self._free.get(units)
        if free:
            at = free.pop()
        elif self._end + units * _UNIT > len(self._words):
            return None
        else:
            at = self._end
            self._end += units * _UNIT
        self._words[at] = units
        self._words[at + 1 : at + 1 + len(text)] = text
        return at + 1

    def release(self, begin: int) -> None:
        """Let another text have the room of one that `store` gave."""
        if begin:
            at = begin - 1
            self._free.setdefault(int(self._words[at]), []).append(at)
