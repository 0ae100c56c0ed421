"""Decoding ctnetlink: messages of the same layout become columns together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from flowexport_mgmt.errors import DecodeError
from flowexport_mgmt.wire.conntrack import numbers as n
from flowexport_mgmt.wire.conntrack.entries import Entries
from flowexport_mgmt.wire.conntrack.layout import MAX_LENGTH, Layout, learn
from flowexport_mgmt.wire.conntrack.messages import Octets, Positions

MAX_LAYOUTS: Final = 256
"""Layouts that are remembered; messages of further ones are taken apart one at a time."""


class Decoder:
    """Turns messages into entries, and remembers the layouts that it met.

    A layout is learned from one message that is walked attribute by attribute, and used only for
    messages whose headers are word by word the same.
    """

    def __init__(self, max_layouts: int = MAX_LAYOUTS) -> None:
        self._max_layouts = max_layouts
        self._layouts: dict[int, list[Layout]] = {}
        self.layouts = 0
        """How many layouts are remembered."""

    def decode(
        self, octets: Octets, offsets: Positions, lengths: NDArray[np.uint32]
    ) -> list[Entries]:
        """Take messages of types CT_NEW and CT_DELETE apart.

        Args:
            octets: the buffer, which begins at a multiple of four octets.
            offsets: where the messages begin, multiples of four; shape (N,).
            lengths: their lengths without padding; shape (N,).

        Returns:
            Entries by layout. Those of one layout keep their order.

        Raises:
            DecodeError: a message breaks the rules; ``offset`` counts from the message's begin.
        """
        found: list[Entries] = []
        while len(lengths):
            length = int(lengths[0])
            same = lengths == length
            rows = _gather(octets, offsets if same.all() else offsets[same], length)
            found.extend(self._group(rows, length))
            offsets, lengths = offsets[~same], lengths[~same]
        return found

    def _group(self, rows: NDArray[np.void], length: int) -> Iterator[Entries]:
        for layout in self._layouts.get(length, ()):
            match = layout.match(_as_words(rows))
            if match.all():
                yield Entries(layout, rows)
                return
            if match.any():
                yield Entries(layout, rows[match])
                rows = rows[~match]
        while len(rows):
            taken, rows = self._learn(rows, length)
            yield taken

    def _learn(self, rows: NDArray[np.void], length: int) -> tuple[Entries, NDArray[np.void]]:
        """Learn the first row's layout; give what has it, and the rest."""
        layout = learn(rows[0].tobytes())
        if self.layouts >= self._max_layouts:
            return Entries(layout, rows[:1]), rows[1:]
        self.layouts += 1
        self._layouts.setdefault(length, []).append(layout)
        match = layout.match(_as_words(rows))
        return Entries(layout, rows[match]), rows[~match]


def _gather(octets: Octets, offsets: Positions, length: int) -> NDArray[np.void]:
    """Copy messages of one length, padding included, out of the buffer: shape (N,)."""
    size = (length + 3) & ~3
    if not n.BODY <= length <= MAX_LENGTH:
        raise DecodeError("message-length", f"{length} octets are no message")
    if offsets.min() < 0 or offsets.max() + size > len(octets):
        raise DecodeError("message-length", "a message ends outside of its buffer")
    if (offsets & 3).any():
        raise DecodeError("message-length", "a message begins at no multiple of four octets")
    places = (len(octets) - size) // 4 + 1
    windows: NDArray[Any] = as_strided(
        octets[:size].view(f"V{size}"), shape=(places,), strides=(4,), writeable=False
    )
    rows: NDArray[np.void] = windows[offsets >> 2]
    return rows


def _as_words(rows: NDArray[np.void]) -> NDArray[np.uint32]:
    return rows.view(np.uint32).reshape(len(rows), rows.dtype.itemsize // 4)
