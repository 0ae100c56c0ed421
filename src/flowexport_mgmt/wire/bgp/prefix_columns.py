"""Prefixes of many UPDATEs at once (RFC 4271, section 4.3; RFC 7911)."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.wire.bgp.opening import Version

Octets = NDArray[np.uint8]
Positions = NDArray[np.int64]

_BITS: Final[dict[Version, int]] = {4: 32, 6: 128}
_BROKEN: Final = 1 << 40
_STEPS: Final = {
    version: [1 + (length + 7 >> 3) if length <= bits else _BROKEN for length in range(256)]
    for version, bits in _BITS.items()
}
"""Octets of a prefix by the first of them, its length."""
_MASKS4: Final = np.array([(1 << 32) - (1 << 32 - n) for n in range(33)], np.uint32)
_MASKS: Final = np.array([(1 << 64) - (1 << 64 - n) for n in range(65)], np.uint64)


class PrefixColumns(NamedTuple):
    """Prefixes: the address in ``hi`` (IPv4) or in both halves, host bits 0; path identifiers."""

    hi: NDArray[Any]
    lo: NDArray[np.uint64] | None
    lengths: NDArray[np.uint8]
    identifiers: NDArray[np.uint32]

    def take(self, rows: slice) -> PrefixColumns:
        """Take some of them."""
        lo = None if self.lo is None else self.lo[rows]
        return PrefixColumns(self.hi[rows], lo, self.lengths[rows], self.identifiers[rows])


def find_prefixes(
    version: Version, octets: bytes, begins: list[int], ends: list[int], *, has_ids: bool
) -> tuple[list[int], list[int]]:
    """Find the prefixes in stretches of a buffer.

    Returns:
        Where each begins, behind its identifier if it has one, and how many are in each stretch:
        -1 in one that does not end where its last prefix does.
    """
    places: list[int] = []
    counts: list[int] = []
    steps, ahead = _STEPS[version], 4 if has_ids else 0
    size, enter = len(octets), places.append
    for begin, end in zip(begins, ends, strict=True):
        at, before = begin + ahead, len(places)
        while at < end:
            enter(at)
            at += steps[octets[at]] + ahead
        if at - ahead == end and at <= size:
            counts.append(len(places) - before)
        else:
            del places[before:]
            counts.append(-1)
    return places, counts


def decode_prefixes(
    version: Version, octets: Octets, places: Positions, *, has_ids: bool
) -> PrefixColumns:
    """Decode the prefixes that begin at places; ``octets`` go on for 16 behind the last."""
    lengths = octets[places]
    if has_ids:
        identifiers = _view(octets, ">u4")[places - 4].astype(np.uint32)
    else:
        identifiers = np.zeros(len(places), np.uint32)
    if version == 4:
        addresses = _view(octets, ">u4")[places + 1].astype(np.uint32) & _MASKS4[lengths]
        return PrefixColumns(addresses, None, lengths, identifiers)
    halves = _view(octets, ">u8")
    hi = halves[places + 1].astype(np.uint64) & _MASKS[np.minimum(lengths, 64)]
    lo = halves[places + 9].astype(np.uint64) & _MASKS[np.maximum(lengths, 64) - 64]
    return PrefixColumns(hi, lo, lengths, identifiers)


def _view(octets: Octets, kind: str) -> NDArray[Any]:
    """View a buffer as the numbers that begin at each of its octets."""
    count = len(octets) - np.dtype(kind).itemsize + 1
    return np.ndarray((count,), kind, octets.data, strides=(1,))
