"""Where keys stand among sorted ones, by guesses that are seldom far off."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.sources.conntrack.keys import Keys

_PER_BUCKET: Final = 8
_STEPS: Final = 2
_HALF: Final = np.uint64(32)


class Directory:
    """Finds keys of 64 bits that are spread evenly, as hashes are.

    The first bits of a key choose a bucket, whose bounds are written down, and the others say how
    far into it the key is to be expected. Three of four are one place off at most. That touches a
    fifth of the memory that halving intervals does. What is not found so is looked for by halves:
    unevenness costs time and nothing else.
    """

    def __init__(self, keys: Keys) -> None:
        bits = max(1, (len(keys) // _PER_BUCKET).bit_length())
        self._keys = keys
        self._bits = np.uint64(bits)
        self._shift = np.uint64(64 - bits)
        firsts = np.arange(1 << bits, dtype=np.uint64) << self._shift
        self._starts = np.append(np.searchsorted(keys, firsts), len(keys))

    @property
    def nbytes(self) -> int:
        """Octets that it takes beside the keys."""
        return self._starts.nbytes

    def find(self, wanted: Keys) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
        """Tell which keys are there, and where; the place of one that is not says nothing."""
        last = len(self._keys) - 1
        at = self._guess(wanted)
        for _ in range(_STEPS):
            there = self._keys.take(at)
            at += there < wanted
            at -= there > wanted
            np.clip(at, 0, last, out=at)
        found = self._keys.take(at) == wanted
        rest = np.flatnonzero(~found)
        if len(rest):
            at[rest] = np.minimum(np.searchsorted(self._keys, wanted[rest]), last)
            found[rest] = self._keys[at[rest]] == wanted[rest]
        return found, at

    def _guess(self, wanted: Keys) -> NDArray[np.intp]:
        bucket = (wanted >> self._shift).astype(np.intp)
        low = self._starts.take(bucket)
        span = (self._starts.take(bucket + 1) - low).astype(np.uint64)
        into = (wanted << self._bits >> _HALF) * span >> _HALF
        guess: NDArray[np.intp] = np.minimum(low + into.astype(np.intp), len(self._keys) - 1)
        return guess
