"""Batches of messages to columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.errors import DecodeError
from flowexport_mgmt.wire.psample.layouts import (
    SAMPLE_DTYPE,
    GroupChange,
    Layout,
    is_sample,
    read_group_change,
)
from flowexport_mgmt.wire.ragged import Octets, Positions

_LAYOUTS: Final = 8
"""Layouts that are remembered: one for each of the places in which the kernel takes samples."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a batch of messages says.

    ``rows`` (SAMPLE_DTYPE) has the samples in the order of their messages, ``positions`` says
    which messages those are. ``malformed`` counts the messages that break the protocol; ``error``
    tells of the first.
    """

    rows: NDArray[np.void]
    positions: NDArray[np.intp]
    changes: tuple[GroupChange, ...] = ()
    malformed: int = 0
    error: DecodeError | None = None


class Parser:
    """Parses messages of the family whose number the kernel chose.

    Every message is compared with a known layout in all the places that matter; one that differs is
    taken apart, and what it teaches serves the others.
    """

    def __init__(self, family: int) -> None:
        self._family = family
        self._layouts: list[Layout] = []

    def parse(self, buffer: Octets, offsets: Positions, lengths: Positions) -> Parsed:
        """Parse the messages ``buffer[offsets[i] : offsets[i] + lengths[i]]``, one each."""
        work = _Work(buffer, offsets, lengths)
        for layout in self._layouts:
            if len(work.pending):
                work.take(layout)
        while len(work.pending):
            self._learn(work)
        return work.finish()

    def _learn(self, work: _Work) -> None:
        """Take the first pending message apart."""
        message = work.first()
        try:
            if not is_sample(message, self._family):
                work.note(read_group_change(message, int(work.pending[0])))
                return
            layout = Layout(message, self._family)
        except DecodeError as error:
            work.refuse(error)
            return
        if work.take(layout):
            self._layouts = [layout, *self._layouts][:_LAYOUTS]
        else:
            work.refuse(DecodeError("message-length", "the packet ends outside of the message"))


class _Work:
    """A batch on the way from messages to rows; ``pending`` are the messages still to be read."""

    def __init__(self, buffer: Octets, offsets: Positions, lengths: Positions) -> None:
        self._buffer, self._offsets, self._lengths = buffer, offsets, lengths
        self._rows = np.empty(len(offsets), SAMPLE_DTYPE)
        self._found = np.zeros(len(offsets), np.bool_)
        self._changes: list[GroupChange] = []
        self._malformed = 0
        self._error: DecodeError | None = None
        self.pending = np.arange(len(offsets))

    def first(self) -> bytes:
        row = self.pending[0]
        begin = int(self._offsets[row])
        return self._buffer[begin : begin + int(self._lengths[row])].tobytes()

    def take(self, layout: Layout) -> int:
        """Read all pending messages of a layout; say how many there were."""
        offsets, lengths = self._offsets[self.pending], self._lengths[self.pending]
        matches, rows = layout.read(self._buffer, offsets, lengths)
        chosen = self.pending[matches]
        self._rows[chosen] = rows
        self._found[chosen] = True
        self.pending = self.pending[~matches]
        return len(chosen)

    def note(self, change: GroupChange) -> None:
        self._changes.append(change)
        self.pending = self.pending[1:]

    def refuse(self, error: DecodeError) -> None:
        self._malformed += 1
        self._error = self._error or error
        self.pending = self.pending[1:]

    def finish(self) -> Parsed:
        positions = np.flatnonzero(self._found)
        rows = self._rows if len(positions) == len(self._rows) else self._rows[positions]
        changes = tuple(sorted(self._changes))
        return Parsed(rows, positions, changes, self._malformed, self._error)
