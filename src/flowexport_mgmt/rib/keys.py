"""An index by which rows are found by keys of 128 bits; rows come and go."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.rib.room import Rows, reserve
from flowexport_mgmt.rib.slots import Mask, Slots

Keys = NDArray[np.uint64]
"""Shape (N, 2): digests, of which any bits are as good as others."""


class KeyIndex:
    """Rows, from 1 on, by their keys; 0 is no row."""

    def __init__(self, most: int) -> None:
        """Begin empty; rows are below ``most``."""
        self._keys: Keys = reserve(2 * most, np.uint64).reshape(-1, 2)
        self._slots = Slots(lambda rows: self._keys[rows, 0], most)

    @property
    def count(self) -> int:
        """How many keys there are."""
        return self._slots.count

    def find(self, keys: Keys) -> NDArray[np.uint32]:
        """Give the row of each key."""

        def is_same(rows: Rows, left: Rows) -> Mask:
            known = self._keys[rows]
            return np.asarray((known[:, 0] == keys[left, 0]) & (known[:, 1] == keys[left, 1]))

        return np.maximum(self._slots.find(keys[:, 0], is_same), 0).astype(np.uint32)

    def add(self, keys: Keys, rows: NDArray[Any]) -> None:
        """Enter keys that are not there, none twice, with rows that have none."""
        self._keys[rows] = keys
        self._slots.enter(rows)

    def remove(self, rows: NDArray[Any]) -> None:
        """Forget rows that have keys."""
        self._slots.remove(rows)
