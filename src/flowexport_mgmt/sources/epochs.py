"""Where the counters of an interface start anew."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


class Epochs:
    """Follows the counters of all interfaces from read to read.

    The interfaces of the first read have epoch 0. An interface that appears later, or whose
    counters went backwards, gets the next number, so that an interface that comes back with its
    old ifindex is never taken for the one that went.
    """

    def __init__(self, started_ns: int) -> None:
        self.restarts = 0
        """Times that counters of an interface went backwards."""
        self._started_ns = started_ns
        self._latest = 0
        self._ifindex: NDArray[np.uint32] | None = None
        self._counters = np.empty((0, 0), np.uint64)
        self._epochs = np.empty(0, np.uint32)
        self._since = np.empty(0, np.int64)

    def follow(
        self,
        ifindex: NDArray[np.uint32],
        counters: NDArray[np.uint64],
        time_ns: int,
        replaced: Sequence[int] = (),
    ) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
        """Take a read.

        Args:
            ifindex: shape (N,), sorted.
            counters: shape (N, M), the counters of each interface.
            time_ns: Unix time of the read in nanoseconds.
            replaced: those of ``ifindex`` under which there is another interface now.

        Returns:
            Epoch of each interface, and the Unix time in nanoseconds since which its counters can
            be compared (the start of the program where they could from the start).
        """
        epochs = np.zeros(len(ifindex), np.uint32)
        since = np.full(len(ifindex), self._started_ns, np.int64)
        if self._ifindex is not None:
            known, at = _match(self._ifindex, ifindex)
            if replaced:
                strangers = np.isin(ifindex, replaced)
                at, known = at[~strangers[known]], known & ~strangers
            epochs[known], since[known] = self._epochs[at], self._since[at]
            anew = ~known
            anew[known] = (counters[known] < self._counters[at]).any(axis=1)
            self.restarts += int((anew & known).sum())
            self._latest += bool(anew.any())
            epochs[anew], since[anew] = self._latest, time_ns
        self._ifindex, self._counters = ifindex, counters
        self._epochs, self._since = epochs, since
        return epochs.copy(), since.copy()


def _match(
    old: NDArray[np.uint32], new: NDArray[np.uint32]
) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    """Tell which of ``new`` are in ``old``, and where those stand."""
    at = np.searchsorted(old, new)
    known = np.zeros(len(new), np.bool_)
    inside = at < len(old)
    known[inside] = old[at[inside]] == new[inside]
    return known, at[known]
