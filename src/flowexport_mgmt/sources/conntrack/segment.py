"""Flows sorted by key."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.sources.conntrack.keys import Keys

Counters = NDArray[np.uint64]
"""Octets and packets of the original direction, then of the reply: shape (N, 4)."""


@dataclass(slots=True)
class Segment:
    """45 octets per flow: its key, its counters, when it was first seen, and flags.

    ``keys`` is sorted and without repeats; the others are parallel to it. ``since`` is in Unix
    seconds.
    """

    keys: Keys
    counters: Counters
    since: NDArray[np.uint32]
    flags: NDArray[np.uint8]

    @classmethod
    def empty(cls) -> Segment:
        """Make one without flows."""
        return cls(
            np.empty(0, np.uint64),
            np.empty((0, 4), np.uint64),
            np.empty(0, np.uint32),
            np.empty(0, np.uint8),
        )

    def __len__(self) -> int:
        """Count the flows."""
        return len(self.keys)

    def find(self, keys: Keys) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
        """Tell which of the sorted ``keys`` are here, and where those stand."""
        if not len(self.keys):
            return np.zeros(len(keys), np.bool_), np.empty(0, np.intp)
        at = np.searchsorted(self.keys, keys)
        np.minimum(at, len(self.keys) - 1, out=at)
        found = self.keys[at] == keys
        return found, at if found.all() else at[found]

    def merge(self, other: Segment) -> Segment:
        """Put two segments without common keys together."""
        keys = np.concatenate((self.keys, other.keys))
        order = np.argsort(keys, kind="stable")  # two sorted runs: linear
        return Segment(
            keys[order],
            np.concatenate((self.counters, other.counters))[order],
            np.concatenate((self.since, other.since))[order],
            np.concatenate((self.flags, other.flags))[order],
        )

    def keep(self, rows: NDArray[np.bool_]) -> Segment:
        """Copy some of the flows, so that the memory of the others is given back."""
        if rows.all():
            return self
        return Segment(self.keys[rows], self.counters[rows], self.since[rows], self.flags[rows])
