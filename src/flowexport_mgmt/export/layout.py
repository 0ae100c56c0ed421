"""Where the datagrams of a batch stand in memory, and which of them are of one size."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.records import Datagrams

_NOTHING: Final = Datagrams(b"", (0,), (), ())


class Layout:
    """The batch that is being sent, in as many bursts as it takes.

    ``view`` is its buffer; datagram ``i`` begins at ``offsets[i]`` and ends at ``offsets[i + 1]``.
    ``version`` changes with the batch. ``is_even`` tells that all datagrams are of one size, but
    for the last, which may be shorter: so are most batches.
    """

    view: memoryview
    offsets: tuple[int, ...]
    is_even: bool

    def __init__(self) -> None:
        self.version = 0
        self._take(_NOTHING)

    def load(self, datagrams: Datagrams) -> None:
        """Look at a batch, unless it is the one that was looked at last."""
        if datagrams is not self._datagrams:
            self._take(datagrams)

    def clear(self) -> None:
        """Let go of the batch."""
        self._take(_NOTHING)

    def run_end(self, begin: int, end: int) -> int:
        """Find where a run of equal datagrams ends; the last of a run may be shorter."""
        if self.is_even:
            return end
        offsets = self.offsets
        size = offsets[begin + 1] - offsets[begin]
        stop = begin + 1
        while stop < end and offsets[stop + 1] - offsets[stop] == size:
            stop += 1
        if stop < end and offsets[stop + 1] - offsets[stop] < size:
            stop += 1
        return stop

    def vectors(self, begin: int, end: int) -> tuple[NDArray[np.uintp], NDArray[np.uintp]]:
        """Give the addresses of datagrams and their lengths."""
        base = np.frombuffer(self.view, np.uint8).ctypes.data
        bounds = np.array(self.offsets[begin : end + 1], np.uintp)
        return bounds[:-1] + np.uintp(base), np.diff(bounds)

    def _take(self, datagrams: Datagrams) -> None:
        self._datagrams = datagrams
        self.version += 1
        self.view = memoryview(datagrams.buffer)
        self.offsets = datagrams.offsets
        self.is_even = _are_even(datagrams.offsets)


def _are_even(offsets: tuple[int, ...]) -> bool:
    if len(offsets) < 2:
        return True
    first, size = offsets[0], offsets[1] - offsets[0]
    alike = tuple(range(first, first + size * (len(offsets) - 1), size))
    return offsets[:-1] == alike and offsets[-1] - offsets[-2] <= size
