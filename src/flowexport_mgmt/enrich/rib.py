"""Routes that the rib process learned, looked up for columns of addresses."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.enrich import rib_memory
from flowexport_mgmt.enrich.prefixes import Version
from flowexport_mgmt.enrich.rib_memory import (
    BLOCK,
    GRACE_S,
    LENGTH_BITS,
    READY_BITS,
    Word,
)
from flowexport_mgmt.enrich.rib_tables6 import Tables6Reader
from flowexport_mgmt.enrich.rib_text import Text, decode_text
from flowexport_mgmt.records.flows import Addresses

U1 = NDArray[np.uint8]
U4 = NDArray[np.uint32]

_ATTEMPTS: Final = 3
_MOST_TEXTS: Final = 1 << 16
_MOST_WORDS: Final = 1 << 14
"""What a text may come to: more than a message of BGP can say."""

NO_TEXT: Final = Text()


class Routes(NamedTuple):
    """The routes of a column of addresses; 0 in every column where there is none.

    ``rows`` are those of the facts; ``next_hops`` has addresses of IPv4 in its second half, and
    ``versions`` says of which family each is.
    """

    rows: U4
    lengths: NDArray[np.uint8]
    versions: NDArray[np.uint8]
    next_hops: NDArray[np.uint64]
    origin_as: U4
    neighbour_as: U4

    @property
    def found(self) -> NDArray[np.bool_]:
        """Where there is a route."""
        return np.asarray(self.rows != 0)

    def next_hops_of(self, version: Version) -> Addresses:
        """Give the next hops of a family; 0 for those of the other."""
        same = self.versions == version
        if version == 4:
            return np.where(same, self.next_hops[:, 1], 0).astype(np.uint32)
        return np.where(same[:, None], self.next_hops, np.uint64(0))


class RibTables:
    """The tables that the rib process writes; any thread may look up.

    Nothing that is written there makes a look-up fail: what makes no sense is no route.
    """

    def __init__(self, descriptor: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Map the tables that ``descriptor`` stands for, and close it.

        Raises:
            OSError: they cannot be mapped.
        """
        self._clock = clock
        try:
            self._memory = rib_memory.map_memory(descriptor)
        finally:
            os.close(descriptor)
        self._blocks = self._memory.blocks4.reshape(-1)
        self._tables6 = Tables6Reader(self._memory)
        self._texts: dict[tuple[int, int], Text] = {}
        self.failures = 0
        """Look-ups that what is written made impossible."""

    @property
    def is_ready(self) -> bool:
        """Whether there is a table that may be used."""
        return bool(self._memory.header[Word.READY])

    def covers(self, former: RibTables) -> bool:
        """Whether there are tables of each family that former ones have a table of."""
        missing = former._memory.header[Word.READY] & ~self._memory.header[Word.READY]
        return self.is_ready and not int(missing)

    @property
    def own_as(self) -> int:
        """The AS that this host is in; 0 when it is not known."""
        return int(self._memory.header[Word.OWN_AS]) & 0xFFFFFFFF

    def find(self, version: Version, addresses: Addresses) -> Routes:
        """Look up the routes of addresses: shape (N,) for IPv4, (N, 2) for IPv6.

        One that took so long that what it found may have been replaced is repeated.
        """
        for _ in range(_ATTEMPTS):
            begun = self._clock()
            found = self._find(version, addresses)
            if self._clock() - begun < GRACE_S / 2:
                break
        return found

    def describe(self, row: int) -> Text:
        """Give the AS path and the communities of a row of facts."""
        key = row, int(self._memory.serial[row])
        text = self._texts.get(key)
        if text is None:
            begin = int(self._memory.text[row])
            try:
                text = decode_text(self._memory.texts[begin : begin + _MOST_WORDS])
            except ValueError:
                self.failures += 1
                text = NO_TEXT
            if len(self._texts) >= _MOST_TEXTS:
                self._texts.clear()
            self._texts[key] = text
        return text

    def local_pref(self, row: int) -> int:
        """Give the local preference of a row of facts."""
        return int(self._memory.local_pref[row])

    def _find(self, version: Version, addresses: Addresses) -> Routes:
        if not int(self._memory.header[Word.READY]) & READY_BITS[version]:
            rows, lengths = _find_nothing(len(addresses))
        else:
            rows, lengths = self._find4(addresses) if version == 4 else self._find6(addresses)
        np.minimum(rows, rib_memory.MOST_FACTS - 1, out=rows)
        memory = self._memory
        return Routes(
            rows,
            lengths,
            memory.version.take(rows),
            memory.next_hop.take(rows, axis=0),
            memory.origin_as.take(rows),
            memory.neighbour_as.take(rows),
        )

    def _find4(self, addresses: Addresses) -> tuple[U4, U1]:
        keys = addresses.astype(np.uint32, copy=False)
        entries = self._memory.direct4.take(keys >> 8)
        deeper = np.flatnonzero((entries & BLOCK) == BLOCK)
        if len(deeper):
            places = (entries[deeper].astype(np.int64) >> LENGTH_BITS) << 8
            places += keys[deeper] & 0xFF
            entries[deeper] = self._blocks.take(places, mode="clip")
        missing = np.flatnonzero(entries == 0)
        if len(missing):
            entries[missing] = self._memory.short4.take(keys[missing] >> 24)
        lengths = (entries & BLOCK).astype(np.uint8)
        lengths -= lengths != 0
        return (entries >> LENGTH_BITS).astype(np.uint32, copy=False), lengths

    def _find6(self, addresses: Addresses) -> tuple[U4, U1]:
        try:
            lookup = self._tables6.read()
            matches = None if lookup is None else lookup.find(addresses)
        except (ValueError, IndexError):
            self.failures += 1
            matches = None
        if matches is None:
            return _find_nothing(len(addresses))
        rows: U4 = np.maximum(matches.values, 0).astype(np.uint32)
        return rows, matches.lengths


def _find_nothing(count: int) -> tuple[U4, U1]:
    return np.zeros(count, np.uint32), np.zeros(count, np.uint8)
