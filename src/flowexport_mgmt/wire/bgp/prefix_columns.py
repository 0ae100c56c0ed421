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
_MANY: Final = 40
"""Stretches that are followed together in less time than one by one."""
_STEPS: Final = {
    version: np.array(
        [1 + (length + 7 >> 3) if length <= bits else _BROKEN for length in range(256)]
    )
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
    version: Version, octets: Octets, begins: Positions, ends: Positions, *, has_ids: bool
) -> tuple[Positions, Positions]:
    """Find the prefixes in stretches of a buffer, which follow each other.

    The first of all stretches, then the second, as long as there are many; then one by one.

    Returns:
        Where each prefix begins, behind its identifier if it has one, and of each stretch how many
        there are: -1 in one that does not end where its last prefix does.
    """
    ahead = 4 if has_ids else 0
    steps = _STEPS[version] + ahead
    at, found = begins + ahead, [np.zeros(0, np.int64)]
    left = np.flatnonzero(at < ends)
    while len(left) > _MANY:
        places = at[left]
        found.append(places)
        at[left] = places + steps[octets[places]]
        left = left[at[left] < ends[left]]
    rest: list[int] = []
    numbers, data = steps.tolist(), octets.data
    for stretch in left.tolist():
        place, end = int(at[stretch]), int(ends[stretch])
        while place < end:
            rest.append(place)
            place += numbers[data[place]]
        at[stretch] = place
    places = np.sort(np.concatenate((*found, np.array(rest, np.int64))))
    bounds = np.searchsorted(places, np.append(begins, ends[-1:]))
    is_whole = at == ends + ahead
    counts = np.diff(bounds)
    return places[np.repeat(is_whole, counts)], np.where(is_whole, counts, -1)


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
