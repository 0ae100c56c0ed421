"""An index by which rows are found by keys of 128 bits; rows come and go."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.rib.columns import grow

Keys = NDArray[np.uint64]
"""Shape (N, 2): digests, of which any bits are as good as others."""

Rows = NDArray[Any]

_FIRST_SLOTS: Final = 2048
_EMPTY: Final = 0
_GONE: Final = -1


class KeyIndex:
    """Rows, from 1 on, by their keys; 0 is no row."""

    def __init__(self) -> None:
        self.count = 0
        self._used = 0
        self._keys: Keys = np.zeros((_FIRST_SLOTS // 2, 2), np.uint64)
        self._slots = np.full(_FIRST_SLOTS, _EMPTY, np.int32)

    def find(self, keys: Keys) -> NDArray[np.uint32]:
        """Give the row of each key."""
        found = np.zeros(len(keys), np.uint32)
        places, left = self._places(keys), np.arange(len(keys))
        while len(left):
            rows = self._slots[places[left]]
            known = self._keys[np.maximum(rows, 0)]
            is_same = (known[:, 0] == keys[left, 0]) & (known[:, 1] == keys[left, 1]) & (rows > 0)
            found[left[is_same]] = rows[is_same]
            left = left[~is_same & (rows != _EMPTY)]
            places[left] = places[left] + 1 & len(self._slots) - 1
        return found

    def add(self, keys: Keys, rows: Rows) -> None:
        """Enter keys that are not there, none twice, with rows that have none."""
        last = int(rows.max(initial=0))
        if last >= len(self._keys):
            size = max(last + 1, len(self._keys) * 5 // 4)
            self._keys = grow(self._keys.reshape(-1), 2 * size).reshape(-1, 2)
        self._keys[rows] = keys
        self.count += len(rows)
        if self._used + len(rows) > len(self._slots) * 5 // 8:
            self._spread(rows)
        else:
            self._enter(rows)

    def remove(self, rows: Rows) -> None:
        """Forget rows that have keys."""
        places, left = self._places(self._keys[rows]), np.arange(len(rows))
        while len(left):
            is_it = self._slots[places[left]] == rows[left]
            self._slots[places[left[is_it]]] = _GONE
            left = left[~is_it]
            places[left] = places[left] + 1 & len(self._slots) - 1
        self.count -= len(rows)

    def _places(self, keys: Keys) -> NDArray[np.int64]:
        return (keys[:, 0] & np.uint64(len(self._slots) - 1)).astype(np.int64)

    def _enter(self, rows: Rows) -> None:
        places, left = self._places(self._keys[rows]), np.arange(len(rows))
        self._used += len(rows)
        while len(left):
            at = places[left]
            is_free = self._slots[at] <= _EMPTY
            self._slots[at[is_free]] = rows[left[is_free]]
            left = left[self._slots[at] != rows[left]]
            places[left] = places[left] + 1 & len(self._slots) - 1

    def _spread(self, more: Rows) -> None:
        """Enter all rows anew, in so many slots that half of them are free."""
        rows = np.concatenate((self._slots[self._slots > 0], more))
        slots = _FIRST_SLOTS
        while len(rows) > slots // 2:
            slots *= 2
        self._slots = np.full(slots, _EMPTY, np.int32)
        self._used = 0
        self._enter(rows)
