"""Where the datagrams of a batch stand in memory, and which of them are of one size."""

from __future__ import annotations

import bisect
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.records import Datagrams

_NOTHING: Final = Datagrams(b"", (0,), (), ())


class Layout:
    """The batch that is being sent, looked at once however many bursts it takes.

    ``view`` is its buffer; datagram ``i`` begins at ``offsets[i]`` and ends at ``offsets[i + 1]``.
    """

    view: memoryview
    offsets: tuple[int, ...]

    def __init__(self) -> None:
        self._datagrams = _NOTHING
        self._vectors: tuple[NDArray[np.uint64], NDArray[np.uint64]] | None = None
        self._changes: list[int] = []
        self._take(_NOTHING)

    def load(self, datagrams: Datagrams) -> None:
        """Look at a batch, unless it is the one that was looked at last."""
        if datagrams is not self._datagrams:
            self._take(datagrams)

    def clear(self) -> None:
        """Let go of the batch."""
        self._take(_NOTHING)

    def octets(self, begin: int, end: int) -> memoryview:
        """Give the octets of datagrams that follow each other."""
        return self.view[self.offsets[begin] : self.offsets[end]]

    def size(self, position: int) -> int:
        """Give the octets of one datagram."""
        return self.offsets[position + 1] - self.offsets[position]

    def run_end(self, begin: int, end: int) -> int:
        """Find where a run of equal datagrams ends; the last of a run may be shorter."""
        stop = self._changes[bisect.bisect_right(self._changes, begin)]
        if stop < end and self.size(stop) < self.size(begin):
            stop += 1
        return min(stop, end)

    def vectors(self) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """Give the address and the length of each datagram."""
        if self._vectors is None:
            base = np.frombuffer(self.view, np.uint8).ctypes.data
            offsets = np.array(self.offsets, np.uint64)
            self._vectors = offsets[:-1] + np.uint64(base), np.diff(offsets)
        return self._vectors

    def _take(self, datagrams: Datagrams) -> None:
        self._datagrams = datagrams
        self._vectors = None
        self.view = memoryview(datagrams.buffer)
        self.offsets = datagrams.offsets
        sizes = np.diff(np.array(datagrams.offsets, np.int64))
        self._changes = [*(np.flatnonzero(np.diff(sizes)) + 1).tolist(), len(sizes)]
