"""Flows sorted by key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.sources.conntrack.directory import Directory
from flowexport_mgmt.sources.conntrack.keys import Keys

Counters = NDArray[np.uint64]
"""Octets and packets of the original direction, then of the reply: shape (N, 4)."""

COUNTERS: Final = slice(0, 4)
STATE: Final = 4
"""Columns of a segment's rows: counters, and what else is known of a flow as one number."""

SEEN: Final = np.uint64(1)
"""In the dump that is under way."""
MISSED: Final = np.uint64(2)
"""In the latest whole dump it was not."""
GONE: Final = np.uint64(4)
"""Its end was told: what a dump still says of it is of before."""
SINCE_SHIFT: Final = np.uint64(8)
"""Above the flags stands since when it has been seen, in Unix seconds."""


@dataclass(slots=True)
class Segment:
    """48 octets per flow: its key, and a row of its counters and its state.

    ``keys`` is sorted and without repeats; ``rows`` is parallel to it, of shape (N, 5), so that a
    flow's row is one line of the processor's cache.
    """

    keys: Keys
    rows: NDArray[np.uint64]
    directory: Directory | None = None
    """Finds keys fast, while it is worth it."""

    @classmethod
    def empty(cls) -> Segment:
        """Make one without flows."""
        return cls(np.empty(0, np.uint64), np.empty((0, STATE + 1), np.uint64))

    @property
    def flags(self) -> NDArray[np.uint64]:
        """The states; only their flags are to be looked at and changed."""
        return self.rows[:, STATE]

    def __len__(self) -> int:
        """Count the flows."""
        return len(self.keys)

    @property
    def memory(self) -> int:
        """Octets that the flows take."""
        index = 0 if self.directory is None else self.directory.nbytes
        return self.keys.nbytes + self.rows.nbytes + index

    def put(self, at: NDArray[np.intp], rows: NDArray[np.uint64]) -> None:
        """Replace rows, each as one piece of memory, which is twice as fast as number by number."""
        whole = f"V{rows.strides[0]}"
        self.rows.view(whole).reshape(-1)[at] = rows.view(whole).reshape(-1)

    def find(self, keys: Keys) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
        """Tell which of the sorted ``keys`` are here, and where those stand."""
        if not len(self.keys):
            return np.zeros(len(keys), np.bool_), np.empty(0, np.intp)
        if self.directory is not None:
            found, at = self.directory.find(keys)
        else:
            at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
            found = self.keys[at] == keys
        return found, at if found.all() else at[found]

    def merge(self, other: Segment) -> Segment:
        """Put two segments without common keys together."""
        at = np.searchsorted(self.keys, other.keys)
        return Segment(
            np.insert(self.keys, at, other.keys), np.insert(self.rows, at, other.rows, axis=0)
        )

    def keep(self, chosen: NDArray[np.bool_], other: Segment | None = None) -> Segment:
        """Copy some of the flows, so that the memory of the others is given back.

        Those of ``other``, which are not here, are sorted in meanwhile.
        """
        if not len(self) and other is not None:
            return other
        if other is None or not len(other):
            return self if chosen.all() else Segment(self.keys[chosen], self.rows[chosen])
        from_here = np.flatnonzero(chosen)
        keys = self.keys[from_here]
        at = np.searchsorted(keys, other.keys)
        rows = self.rows.take(np.insert(from_here, at, 0), axis=0, mode="clip")
        rows[at + np.arange(len(other))] = other.rows
        return Segment(np.insert(keys, at, other.keys), rows)
