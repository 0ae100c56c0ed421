"""Room that is there from the begin, however much is needed of it, so that nothing is ever moved.

Columns that are made longer by copying make everybody wait while they are copied.
"""

from __future__ import annotations

import mmap
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]

_NO_RESERVE: Final = 0x4000
"""MAP_NORESERVE of mmap(2)."""
_SMALL: Final = 4 << 20
"""Octets that are had in small pages, so that a small table takes little."""


def reserve(size: int, kind: type[np.generic]) -> NDArray[Any]:
    """Give a column of so many numbers, all 0; only what is written takes memory."""
    octets = size * np.dtype(kind).itemsize
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NO_RESERVE
    mapped = mmap.mmap(-1, octets, flags)
    if octets > _SMALL:
        mapped.madvise(mmap.MADV_HUGEPAGE, _SMALL, octets - _SMALL)
    return np.frombuffer(mapped, kind)


class FreeRows:
    """Rows that were given back, at most so many; the last of them is the first to be had."""

    def __init__(self, most: int) -> None:
        self._rows = reserve(most, np.int32)
        self.count = 0

    def give_back(self, rows: NDArray[Any]) -> None:
        """Take rows that nobody uses."""
        self._rows[self.count : self.count + len(rows)] = rows
        self.count += len(rows)

    def take(self, most: int) -> Rows:
        """Give so many rows, or all that there are."""
        begin = max(0, self.count - most)
        rows = self._rows[begin : self.count].astype(np.int64)
        self.count = begin
        return rows
