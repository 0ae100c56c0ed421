"""Prefixes that lie inside of each other, laid out as ranges of addresses side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.records.flows import Addresses

U8 = NDArray[np.uint64]
Numbers = NDArray[np.int64]
Rows = NDArray[np.int64] | NDArray[np.bool_]

WIDTHS: Final = {4: 32, 6: 128}
"""Bits of an address."""

_ONE: Final = np.uint64(1)


class Keys(NamedTuple):
    """Addresses as numbers: all of an IPv4 address in ``hi``, the halves of an IPv6 address."""

    hi: U8
    lo: U8 | None

    def take(self, rows: Rows) -> Keys:
        """Take some of the addresses."""
        return Keys(self.hi[rows], None if self.lo is None else self.lo[rows])


def split(addresses: Addresses) -> Keys:
    """Make numbers of a column of addresses: shape (N,) for IPv4, (N, 2) for IPv6."""
    if addresses.ndim == 1:
        return Keys(addresses.astype(np.uint64), None)
    return Keys(
        np.ascontiguousarray(addresses[:, 0], np.uint64),
        np.ascontiguousarray(addresses[:, 1], np.uint64),
    )


def join(keys: Keys) -> Addresses:
    """Make a column of addresses of numbers."""
    if keys.lo is None:
        return keys.hi.astype(np.uint32)
    return np.stack((keys.hi, keys.lo), axis=1)


@dataclass(frozen=True, slots=True)
class PrefixColumns:
    """Prefixes in order: by address, the shorter first; none is there twice, no host bit is set."""

    keys: Keys
    lengths: Numbers

    def __len__(self) -> int:
        """Count the prefixes."""
        return len(self.lengths)


class Ranges(NamedTuple):
    """All addresses as ranges of one owner each.

    Range ``i`` begins at ``keys[i]``, the first one at 0. ``owners`` has the position of the
    longest prefix that a range lies in, or the number of prefixes where it lies in none;
    ``parents`` the same for each prefix: the longest other one that it lies in.
    """

    keys: Keys
    owners: Numbers
    parents: Numbers


def sort(
    version: Literal[4, 6], addresses: Addresses, lengths: Numbers
) -> tuple[PrefixColumns, Numbers]:
    """Put prefixes in order, host bits cleared; of one that is there twice the last counts.

    Returns:
        The prefixes, and for each the position that it was given at.
    """
    keys = _clear(split(addresses), lengths, version)
    if keys.lo is None:
        order = np.argsort(keys.hi << np.uint64(8) | lengths.astype(np.uint64), kind="stable")
    else:
        order = np.lexsort((lengths, keys.lo, keys.hi))
    keys, lengths = keys.take(order), lengths[order]
    last = np.ones(len(order), np.bool_)
    last[:-1] = _differ(keys) | (lengths[1:] != lengths[:-1])
    return PrefixColumns(keys.take(last), lengths[last]), order[last]


def lay_out(version: Literal[4, 6], prefixes: PrefixColumns) -> Ranges:
    """Find the ranges between the begins and the ends of all prefixes."""
    keys, begins, ends = _find_bounds(version, prefixes)
    owners = np.full(len(keys.hi), len(prefixes), np.int64)
    parents = np.full(len(prefixes), len(prefixes), np.int64)
    for length in np.flatnonzero(np.bincount(prefixes.lengths)):
        chosen = np.flatnonzero(prefixes.lengths == length)
        parents[chosen] = owners[begins[chosen]]
        counts = ends[chosen] - begins[chosen]
        owners[_spread(begins[chosen], counts)] = np.repeat(chosen, counts)
    return Ranges(keys, owners, parents)


def _find_bounds(version: Literal[4, 6], prefixes: PrefixColumns) -> tuple[Keys, Numbers, Numbers]:
    """Give all bounds in order, and the positions where each prefix begins and is over."""
    behind, is_last = _add_sizes(prefixes, version)
    zero = np.zeros(1, np.uint64)
    lo = None
    if prefixes.keys.lo is not None and behind.lo is not None:
        lo = np.concatenate((zero, prefixes.keys.lo, behind.lo[~is_last]))
    hi = np.concatenate((zero, prefixes.keys.hi, behind.hi[~is_last]))
    keys, places = _find_unique(Keys(hi, lo))
    ends = np.full(len(prefixes), len(keys.hi), np.int64)
    ends[~is_last] = places[1 + len(prefixes) :]
    return keys, places[1 : 1 + len(prefixes)], ends


def _find_unique(keys: Keys) -> tuple[Keys, Numbers]:
    """Sort keys without repetition; give them and where each of the given ones is among them."""
    if keys.lo is None:
        order = np.argsort(keys.hi, kind="stable")  # what is in order by halves sorts fast so
    else:
        order = np.lexsort((keys.lo, keys.hi))
    keys = keys.take(order)
    is_new = np.concatenate((np.ones(1, np.bool_), _differ(keys)))
    places = np.empty(len(order), np.int64)
    places[order] = np.cumsum(is_new) - 1
    return keys.take(is_new), places


def _differ(keys: Keys) -> NDArray[np.bool_]:
    """Tell of each key but the first whether it differs from the one before."""
    differ: NDArray[np.bool_] = keys.hi[1:] != keys.hi[:-1]
    if keys.lo is not None:
        differ |= keys.lo[1:] != keys.lo[:-1]
    return differ


def _spread(begins: Numbers, counts: Numbers) -> Numbers:
    """Give all numbers of runs: ``counts[i]`` of them from ``begins[i]`` on."""
    before = np.cumsum(counts) - counts
    return np.repeat(begins - before, counts) + np.arange(int(counts.sum()))


def _clear(keys: Keys, lengths: Numbers, version: Literal[4, 6]) -> Keys:
    """Clear the bits behind each prefix."""
    if keys.lo is None:
        return Keys(keys.hi & _mask(32 - lengths) & np.uint64(0xFFFFFFFF), None)
    half = WIDTHS[version] // 2
    return Keys(
        keys.hi & _mask(np.maximum(half - lengths, 0)),
        keys.lo & _mask(np.minimum(2 * half - lengths, half)),
    )


def _mask(host_bits: Numbers) -> U8:
    """Make masks that clear as many low bits."""
    return ~(_power(host_bits) - _ONE)


def _power(exponents: Numbers) -> U8:
    """Give powers of two modulo 2^64."""
    shifted = _ONE << np.minimum(exponents, 63).astype(np.uint64)
    return np.where(exponents > 63, np.uint64(0), shifted)


def _add_sizes(prefixes: PrefixColumns, version: Literal[4, 6]) -> tuple[Keys, NDArray[np.bool_]]:
    """Give the address behind each prefix, and whether there is none any more."""
    hi, lo = prefixes.keys
    host_bits = WIDTHS[version] - prefixes.lengths
    if lo is None:
        return Keys(hi + _power(host_bits), None), np.zeros(len(hi), np.bool_)
    is_long = host_bits < 64  # it ends inside of the low half
    behind_lo = np.where(is_long, lo + _power(np.minimum(host_bits, 63)), lo)
    carry = np.where(
        is_long, (behind_lo < lo).astype(np.uint64), _power(np.maximum(host_bits - 64, 0))
    )
    behind_hi = hi + carry
    is_last = (host_bits == WIDTHS[version]) | (behind_hi < hi)
    return Keys(behind_hi, behind_lo), is_last
