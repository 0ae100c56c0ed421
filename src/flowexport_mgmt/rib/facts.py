"""What is said of routes, once for all routes that it is said of."""

from __future__ import annotations

from collections import deque
from hashlib import blake2b
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.enrich.rib_memory import GRACE_S, MOST_FACTS, Memory
from flowexport_mgmt.enrich.rib_text import Text, encode_text
from flowexport_mgmt.rib.texts import TextSpace
from flowexport_mgmt.wire.bgp import Attributes

Rows = NDArray[Any]

_FIRST_ROWS: Final = 1024
_MOST_LENGTH: Final = (1 << 14) - 1
_REST: Final = 2 * GRACE_S
"""Seconds before a row is used again; twice what readers are promised."""


class Facts:
    """Rows of facts, counted by the paths that refer to them; row 0 stands for none.

    A row that nothing refers to rests before it is used again, so that no reader is misled.
    """

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._texts = TextSpace(memory.texts)
        self._rows: dict[bytes, int] = {}
        self._keys: list[bytes | None] = [None]
        self._free: list[int] = []
        self._idle: set[int] = set()
        self._resting: deque[tuple[float, int]] = deque()
        self.references = np.zeros(_FIRST_ROWS, np.uint32)
        self.rank = np.zeros(_FIRST_ROWS, np.uint64)
        """The lower the better: local preference, length of the path, origin."""
        self.med = np.zeros(_FIRST_ROWS, np.uint32)
        self.tie = np.zeros(_FIRST_ROWS, np.uint64)
        """The lower the better, last of all: clusters, then the originator."""
        self.refused = 0
        """Routes that there was no room for."""

    def __len__(self) -> int:
        """Count the rows that are in use."""
        return len(self._rows)

    def intern(self, attributes: Attributes, next_hop: bytes) -> int:
        """Give the row of what is said of routes; 0 when there is no room for it."""
        text = Text(
            attributes.as_path, attributes.communities, attributes.extended, attributes.large
        )
        words = encode_text(text)
        key = _digest(attributes, next_hop, words)
        row = self._rows.get(key)
        if row is None:
            row = self._add(key, attributes, next_hop, words)
        return row

    def refer(self, rows: Rows) -> None:
        """Count paths that refer to rows."""
        np.add.at(self.references, rows, 1)

    def release(self, rows: Rows) -> None:
        """Count paths that refer to rows no more."""
        np.subtract.at(self.references, rows, 1)
        self._idle.update(np.unique(rows[self.references[rows] == 0]).tolist())

    def sweep(self, now: float) -> None:
        """Let what nothing refers to rest, and give free what has rested."""
        for row in self._idle:
            key = self._keys[row]
            if row and key is not None and not self.references[row]:
                self._keys[row] = None
                del self._rows[key]
                self._resting.append((now + _REST, row))
        self._idle.clear()
        while self._resting and self._resting[0][0] <= now:
            row = self._resting.popleft()[1]
            self._texts.release(int(self._memory.text[row]))
            self._free.append(row)

    def _add(
        self, key: bytes, attributes: Attributes, next_hop: bytes, words: NDArray[np.uint32]
    ) -> int:
        at = self._texts.store(words)
        row = self._take_row()
        if at is None or not row:
            self.refused += 1
            return 0
        memory = self._memory
        memory.next_hop[row] = np.frombuffer(next_hop.rjust(16, b"\0"), ">u8")
        memory.version[row] = 4 if len(next_hop) == 4 else 6 if next_hop else 0
        memory.origin_as[row] = attributes.origin_as
        memory.neighbour_as[row] = attributes.neighbour_as
        memory.local_pref[row] = attributes.local_pref
        memory.text[row] = at
        memory.serial[row] = (int(memory.serial[row]) + 1) & 0xFFFFFFFF
        self.rank[row] = (
            (0xFFFFFFFF - attributes.local_pref) << 16
            | min(attributes.path_length, _MOST_LENGTH) << 2
            | attributes.origin
        )
        self.med[row] = attributes.med
        self.tie[row] = attributes.clusters << 32 | attributes.originator
        self.references[row] = 0
        self._keys[row] = key
        self._rows[key] = row
        self._idle.add(row)
        return row

    def _take_row(self) -> int:
        if self._free:
            return self._free.pop()
        row = len(self._keys)
        if row >= MOST_FACTS:
            return 0
        self._keys.append(None)
        if row == len(self.references):
            self._grow(min(MOST_FACTS, len(self.references) * 3 // 2))
        return row

    def _grow(self, size: int) -> None:
        for name in ("references", "rank", "med", "tie"):
            column = getattr(self, name)
            grown = np.zeros(size, column.dtype)
            grown[: len(column)] = column
            setattr(self, name, grown)


def _digest(attributes: Attributes, next_hop: bytes, words: NDArray[np.uint32]) -> bytes:
    """Tell sets of facts apart in 16 octets, which is less than they take."""
    numbers = (
        attributes.origin,
        attributes.med,
        attributes.local_pref,
        attributes.originator,
        attributes.clusters,
    )
    said = b"".join(number.to_bytes(4) for number in numbers) + next_hop + words.tobytes()
    return blake2b(said, digest_size=16).digest()
