"""Path attributes of many UPDATEs at once, as long as they are what nearly all look like.

All attribute blocks are walked through side by side: the first attribute of each, then the second
of each. What a strict look would find fault with, and what is rare, is left to one
(`wire.bgp.attributes`); what is accepted here means the same there.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.wire.bgp import attributes as a

Mask = NDArray[np.bool_]
Octets = NDArray[np.uint8]
Positions = NDArray[np.int64]

PADDING: Final = 32
"""Octets behind a buffer that may be looked at, too."""

_MOST_ATTRIBUTES: Final = 24
_OTHER: Final = 0
_KINDS: Final = {
    a.ORIGIN: a.TRANSITIVE,
    a.AS_PATH: a.TRANSITIVE,
    a.NEXT_HOP: a.TRANSITIVE,
    a.MED: a.OPTIONAL,
    a.LOCAL_PREF: a.TRANSITIVE,
    a.ATOMIC_AGGREGATE: a.TRANSITIVE,
    a.AGGREGATOR: a.OPTIONAL | a.TRANSITIVE,
    a.COMMUNITIES: a.OPTIONAL | a.TRANSITIVE,
    a.ORIGINATOR_ID: a.OPTIONAL,
    a.CLUSTER_LIST: a.OPTIONAL,
    a.MP_REACH: a.OPTIONAL,
    a.MP_UNREACH: a.OPTIONAL,
    a.EXTENDED_COMMUNITIES: a.OPTIONAL | a.TRANSITIVE,
    a.AS4_PATH: a.OPTIONAL | a.TRANSITIVE,
    a.AS4_AGGREGATOR: a.OPTIONAL | a.TRANSITIVE,
    a.LARGE_COMMUNITIES: a.OPTIONAL | a.TRANSITIVE,
}
_SIZES: Final = {
    a.ORIGIN: 1,
    a.NEXT_HOP: 4,
    a.MED: 4,
    a.LOCAL_PREF: 4,
    a.ATOMIC_AGGREGATE: 0,
    a.ORIGINATOR_ID: 4,
}
_UNITS: Final = {
    a.COMMUNITIES: 4,
    a.CLUSTER_LIST: 4,
    a.EXTENDED_COMMUNITIES: 8,
    a.LARGE_COMMUNITIES: 12,
}
_SEQUENCE: Final = 2


def _make_tables() -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.uint8]]:
    """Make the row, the flags that count, and what they have to be, of each type of attribute."""
    rows = np.full(256, _OTHER, np.int64)
    masks = np.full(256, a.OPTIONAL, np.uint8)  # of one that nobody here knows
    flags = np.full(256, a.OPTIONAL, np.uint8)
    for row, (kind, expected) in enumerate(_KINDS.items(), 1):
        rows[kind], masks[kind], flags[kind] = row, a.OPTIONAL | a.TRANSITIVE, expected
    return rows, masks, flags


_ROWS, _MASKS, _FLAGS = _make_tables()


class Spans:
    """The attributes of N blocks: by type where the values begin, and their lengths.

    ``is_plain`` tells of which blocks all is well so far; the rest is said of these only. A length
    of -1 is an attribute that is not there.
    """

    def __init__(
        self, octets: Octets, begins: Positions, ends: Positions, *, four_octets: bool
    ) -> None:
        """Walk through blocks; ``octets`` go on for `PADDING` behind the last.

        ``four_octets`` tells whether AS numbers take 4 of them (RFC 6793), else 2.
        """
        self.octets = octets
        self.four_octets = four_octets
        count = len(begins)
        self._heads = np.zeros((len(_KINDS) + 1, count), np.int64)
        self._begins = np.zeros((len(_KINDS) + 1, count), np.int64)
        self._lengths = np.full((len(_KINDS) + 1, count), -1, np.int64)
        self.is_plain = np.ones(count, np.bool_)
        at = begins.copy()
        for _ in range(_MOST_ATTRIBUTES):
            blocks = np.flatnonzero(at < ends)
            if not len(blocks):
                break
            at[blocks] = self._step(blocks, at[blocks], ends[blocks])
        self.is_plain &= at == ends

    def heads(self, kind: int) -> Positions:
        """Say where attributes of a type begin."""
        found: Positions = self._heads[_ROWS[kind]]
        return found

    def begins(self, kind: int) -> Positions:
        """Say where the values of a type begin."""
        found: Positions = self._begins[_ROWS[kind]]
        return found

    def lengths(self, kind: int) -> Positions:
        """Say how long the values of a type are."""
        found: Positions = self._lengths[_ROWS[kind]]
        return found

    def has(self, kind: int) -> Mask:
        """Tell where there is an attribute of a type."""
        return np.asarray(self.lengths(kind) >= 0)

    def check(self, *, announcing: Mask, ipv4: Mask) -> None:
        """Look at the values; some have to be there for routes, and one more for those of IPv4."""
        fine = self.is_plain
        for kind, size in (*_SIZES.items(), (a.AGGREGATOR, 8 if self.four_octets else 6)):
            fine &= (self.lengths(kind) == size) | ~self.has(kind)
        for kind, unit in _UNITS.items():
            lengths = self.lengths(kind)
            fine &= (lengths == -1) | (lengths > 0) & (lengths % unit == 0)
        fine &= ~self.has(a.ORIGIN) | (self.octets[self.begins(a.ORIGIN)] <= 2)
        fine &= self._is_sequence(a.AS_PATH, 4 if self.four_octets else 2)
        if not self.four_octets:
            fine &= self._is_sequence(a.AS4_PATH, 4)
        fine &= ~announcing | self.has(a.ORIGIN) & self.has(a.AS_PATH)
        fine &= ~ipv4 | self.has(a.NEXT_HOP)

    def _is_sequence(self, kind: int, width: int) -> Mask:
        """Tell which paths are one sequence, or nothing."""
        begins, lengths = self.begins(kind), self.lengths(kind)
        kinds, counts = self.octets[begins], self.octets[begins + 1].astype(np.int64)
        is_sequence = (kinds == _SEQUENCE) & (counts > 0) & (lengths == 2 + width * counts)
        return np.asarray((lengths <= 0) | is_sequence)

    def _step(self, blocks: Positions, at: Positions, ends: Positions) -> Positions:
        """Enter the attributes at ``at``; give where the next ones begin, -1 after a bad one."""
        flags, kinds = self.octets[at], self.octets[at + 1]
        is_long = (flags & a.EXTENDED) != 0
        lengths = self.octets[at + 2].astype(np.int64)
        lengths = np.where(is_long, lengths << 8 | self.octets[at + 3], lengths)
        begins = at + 3 + is_long
        rows = _ROWS[kinds]
        fine = begins + lengths <= ends
        fine &= (flags & _MASKS[kinds]) == _FLAGS[kinds]
        fine &= (self._lengths[rows, blocks] < 0) | (rows == _OTHER)
        self._heads[rows, blocks] = at
        self._begins[rows, blocks] = np.where(fine, begins, 0)
        self._lengths[rows, blocks] = lengths
        return np.where(fine, begins + lengths, 1 << 62)


class Pieces(NamedTuple):
    """Words of 32 bits, so many for each of N sets, one after the other."""

    words: NDArray[np.uint32]
    counts: Positions


class AttributeSets:
    """What is said of routes, N times; `take` some before asking for columns.

    ``keys`` are octets that are the same for those that say the same in the same way; no path of
    one width of AS numbers is one of the other width, too. The columns
    are what `wire.bgp.Attributes` has, and ``next_hops`` 128 bits as two numbers, those of IPv4 in
    the second.
    """

    def __init__(
        self,
        spans: Spans,
        rows: Positions,
        keys: list[bytes],
        is_ipv4: Mask,
        skipped: Positions | None = None,
    ) -> None:
        self.keys = keys
        self._spans = spans
        self._rows = rows
        self.is_ipv4 = is_ipv4
        self._skipped = np.zeros(len(rows), np.int64) if skipped is None else skipped

    def __len__(self) -> int:
        """Count the sets."""
        return len(self.keys)

    def take(self, chosen: Positions) -> AttributeSets:
        """Take some of them."""
        keys = [self.keys[number] for number in chosen.tolist()]
        rows, skipped = self._rows[chosen], self._skipped[chosen]
        return AttributeSets(self._spans, rows, keys, self.is_ipv4[chosen], skipped)

    def skip_first(self, chosen: Mask) -> AttributeSets:
        """Leave the first number of some paths, which have one, away."""
        keys = [
            key + b"-" if is_one else key
            for key, is_one in zip(self.keys, chosen.tolist(), strict=True)
        ]
        skipped = self._skipped + chosen
        return AttributeSets(self._spans, self._rows, keys, self.is_ipv4, skipped)

    @property
    def origins(self) -> NDArray[np.uint8]:
        """ORIGIN."""
        return self._spans.octets[self._spans.begins(a.ORIGIN)[self._rows]]

    @property
    def meds(self) -> NDArray[np.uint32]:
        """MULTI_EXIT_DISC, or 0."""
        return self._numbers(a.MED, 0)

    @property
    def local_prefs(self) -> NDArray[np.uint32]:
        """LOCAL_PREF, or what is usual."""
        return self._numbers(a.LOCAL_PREF, a.DEFAULT_PREFERENCE)

    @property
    def originators(self) -> NDArray[np.uint32]:
        """ORIGINATOR_ID, or 0."""
        return self._numbers(a.ORIGINATOR_ID, 0)

    @property
    def clusters(self) -> Positions:
        """How many clusters the route went through."""
        return np.maximum(self._spans.lengths(a.CLUSTER_LIST)[self._rows], 0) // 4

    @property
    def next_hops(self) -> NDArray[np.uint64]:
        """The next hops: shape (N, 2)."""
        hops = np.zeros((len(self), 2), np.uint64)
        short = self._words(self._spans.begins(a.NEXT_HOP)[self._rows])
        hops[:, 1] = np.where(self.is_ipv4, short, 0)
        begins = self._spans.begins(a.MP_REACH)[self._rows][~self.is_ipv4] + 4
        octets = self._spans.octets[begins[:, None] + np.arange(16)]
        hops[~self.is_ipv4] = octets.view(">u8")
        return hops

    @property
    def paths(self) -> Pieces:
        """The numbers of the AS paths, each of which is one sequence or nothing."""
        width = 4 if self._spans.four_octets else 2
        begins, counts = self._find_path(a.AS_PATH, width)
        if width == 4:
            return self._pieces(begins + 4 * self._skipped, counts - self._skipped)
        return self._merge(begins, counts)

    def _merge(self, begins: Positions, counts: Positions) -> Pieces:
        """Take the last numbers of paths from AS4_PATH, if it is not longer (RFC 6793, 4.2.3)."""
        wide_begins, wide = self._find_path(a.AS4_PATH, 4)
        narrow = counts - np.where(wide <= counts, wide, 0)
        told = counts - self._skipped
        first = np.cumsum(told) - told
        of = np.repeat(np.arange(len(told)), told)
        number = np.arange(len(of)) + (self._skipped - first)[of]
        behind = number - narrow[of]
        at = np.where(behind < 0, begins[of] + 2 * number, wide_begins[of] + 4 * behind)
        words = self._words(at)
        return Pieces(np.where(behind < 0, words >> np.uint32(16), words), told)

    def _find_path(self, kind: int, width: int) -> tuple[Positions, Positions]:
        """Say where the numbers of paths begin, and how many there are."""
        lengths = np.maximum(self._spans.lengths(kind)[self._rows] - 2, 0)
        return self._spans.begins(kind)[self._rows] + 2, lengths // width

    def pieces(self, kind: int) -> Pieces:
        """Give communities of a kind as words."""
        lengths = np.maximum(self._spans.lengths(kind)[self._rows], 0)
        return self._pieces(self._spans.begins(kind)[self._rows], lengths >> 2)

    def _numbers(self, kind: int, default: int) -> NDArray[np.uint32]:
        there = self._spans.has(kind)[self._rows]
        words = self._words(self._spans.begins(kind)[self._rows])
        return np.where(there, words, np.uint32(default))

    def _words(self, at: Positions) -> NDArray[np.uint32]:
        octets = self._spans.octets
        view: NDArray[Any] = np.ndarray((len(octets) - 3,), ">u4", octets.data, strides=(1,))
        return view[at].astype(np.uint32)

    def _pieces(self, begins: Positions, counts: Positions) -> Pieces:
        first = np.cumsum(counts) - counts
        at = np.repeat(begins - 4 * first, counts) + 4 * np.arange(int(counts.sum()))
        return Pieces(self._words(at), counts)
