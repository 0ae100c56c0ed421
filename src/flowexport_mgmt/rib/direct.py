"""The IPv4 table in memory that the exporter reads: an entry for each 24 bits, changed in place.

A prefix of 9 to 24 bits has its entry written over all that it contains and that no longer one has;
one that is longer gets a block of 256 entries for its 24 bits; shorter ones have a table of their
own, so that no change takes more than 32768 entries (DIR-24-8, Gupta, Lin and McKeown, 1998).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.enrich.rib_memory import BLOCK, GRACE_S, LENGTH_BITS, MOST_BLOCKS, Memory
from flowexport_mgmt.rib.columns import PrefixKeys, distinct
from flowexport_mgmt.rib.paths import Best
from flowexport_mgmt.rib.room import Rows

U4 = NDArray[np.uint32]

_SHORT: Final = 8
_DIRECT: Final = 24
_REST: Final = 2 * GRACE_S

Find = Callable[[PrefixKeys], U4]
"""Gives the facts of the best path of each prefix, 0 where there is none."""


class DirectTable:
    """Writes best paths of IPv4 prefixes where readers find them."""

    def __init__(self, memory: Memory, find: Find) -> None:
        self._memory = memory
        self._find = find
        self._blocks = memory.blocks4.reshape(-1)
        self._next_block = 1
        self._free: list[int] = []
        self._resting: deque[tuple[float, int]] = deque()
        self._counts = np.zeros(33, np.int64)
        self.unplaced = 0
        """Changes of prefixes of more than 24 bits that there was no block for."""

    def update(self, best: Best, now: float) -> None:
        """Write what is best now."""
        while self._resting and self._resting[0][0] <= now:
            self._free.append(self._resting.popleft()[1])
        addresses, lengths = best.keys.hi.astype(np.int64), best.keys.lengths.astype(np.int64)
        gone = best.facts == 0
        self._counts += np.bincount(lengths[(best.before == 0) & ~gone], minlength=33)
        self._counts -= np.bincount(lengths[gone], minlength=33)
        self._withdraw(addresses[gone], lengths[gone], now)
        there = np.flatnonzero(~gone)
        for length in distinct(lengths[there]).tolist():
            rows = there[lengths[there] == length]
            entries = best.facts[rows] << LENGTH_BITS | np.uint32(length + 1)
            self._write(addresses[rows], length, entries, length + 1)

    def _withdraw(self, addresses: Rows, lengths: Rows, now: float) -> None:
        """Let what they had have what the longest shorter prefix has."""
        covers = self._cover(addresses, lengths)
        for length in distinct(lengths).tolist():
            rows = np.flatnonzero(lengths == length)
            self._write(addresses[rows], length, covers[rows], length + 1, only=True)
            if length > _DIRECT:
                self._collapse(distinct(addresses[rows] >> 8), now)

    def _cover(self, addresses: Rows, lengths: Rows) -> U4:
        """Give the entries of the longest shorter prefixes that the same table has."""
        entries = np.zeros(len(addresses), np.uint32)
        for length in np.flatnonzero(self._counts[: int(lengths.max(initial=0))])[::-1].tolist():
            asked = (entries == 0) & (lengths > length)
            if length <= _SHORT:
                asked &= lengths <= _SHORT
            left = np.flatnonzero(asked)
            if not len(left):
                continue
            rest = 32 - length
            keys = PrefixKeys(
                (addresses[left] >> rest << rest).astype(np.uint32),
                None,
                np.full(len(left), length, np.uint8),
            )
            facts = self._find(keys)
            entries[left] = np.where(facts != 0, facts << LENGTH_BITS | np.uint32(length + 1), 0)
        return entries

    def _write(
        self, addresses: Rows, length: int, entries: U4, tag: int, *, only: bool = False
    ) -> None:
        """Write over entries of prefixes that are not longer; ``only`` over those as long."""
        if length <= _SHORT:
            places = _spread(addresses >> 24, 1 << (_SHORT - length))
            values = np.repeat(entries, 1 << (_SHORT - length))
            _put(self._memory.short4, places, values, tag, only=only)
        elif length <= _DIRECT:
            self._write_direct(addresses >> 8, 1 << (_DIRECT - length), entries, tag, only=only)
        else:
            blocks = self._enter_blocks(addresses >> 8, make=not only)
            has_block = np.flatnonzero(blocks)
            count = 1 << (32 - length)
            starts = blocks[has_block] << 8 | addresses[has_block] & 0xFF
            values = np.repeat(entries[has_block], count)
            _put(self._blocks, _spread(starts, count), values, tag, only=only)

    def _write_direct(self, starts: Rows, count: int, entries: U4, tag: int, *, only: bool) -> None:
        direct = self._memory.direct4
        places, values = _spread(starts, count), np.repeat(entries, count)
        current = direct[places]
        inside = np.flatnonzero((current & BLOCK) == BLOCK)
        _put(direct, places, values, tag, only=only)
        if len(inside):
            blocks = current[inside].astype(np.int64) >> LENGTH_BITS
            _put(
                self._blocks,
                _spread(blocks << 8, 256),
                np.repeat(values[inside], 256),
                tag,
                only=only,
            )

    def _enter_blocks(self, slots: Rows, *, make: bool) -> Rows:
        """Give the block of each slot, 0 for none; or ``make`` one that says the same."""
        direct = self._memory.direct4
        if make:
            wanted = distinct(slots)
            current = direct[wanted]
            for slot, entry in zip(
                wanted[(current & BLOCK) != BLOCK].tolist(),
                current[(current & BLOCK) != BLOCK].tolist(),
                strict=True,
            ):
                self._make_block(slot, entry)
        entries = direct[slots]
        return np.where((entries & BLOCK) == BLOCK, entries >> LENGTH_BITS, 0).astype(np.int64)

    def _make_block(self, slot: int, entry: int) -> None:
        if self._free:
            block = self._free.pop()
        elif self._next_block < MOST_BLOCKS:
            block, self._next_block = self._next_block, self._next_block + 1
        else:
            self.unplaced += 1
            return
        self._memory.blocks4[block] = entry
        self._memory.direct4[slot] = block << LENGTH_BITS | BLOCK

    def _collapse(self, slots: Rows, now: float) -> None:
        """Do without blocks in which no prefix is longer than 24 bits."""
        blocks = self._enter_blocks(slots, make=False)
        slots, blocks = slots[blocks != 0], blocks[blocks != 0]
        inside = self._memory.blocks4[blocks]
        is_plain = ((inside & BLOCK) <= _DIRECT + 1).all(axis=1)
        self._memory.direct4[slots[is_plain]] = inside[is_plain, 0]
        self._resting.extend((now + _REST, block) for block in blocks[is_plain].tolist())


def _spread(starts: Rows, count: int) -> Rows:
    """Give runs of ``count`` numbers from each start on, one after the other."""
    if count == 1:
        return starts
    return (starts[:, None] + np.arange(count)).reshape(-1)


def _put(table: U4, places: Rows, values: U4, tag: int, *, only: bool) -> None:
    """Write values over the entries of prefixes of that length or, but for ``only``, less."""
    tags: NDArray[Any] = table[places] & BLOCK
    chosen = tags == tag if only else tags <= tag
    table[places[chosen]] = values[chosen]
