"""Batches of messages to columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.errors import DecodeError
from flowexport_mgmt.wire.psample.layouts import (
    COLUMNS,
    UNKNOWN,
    Frames,
    GroupChange,
    Layout,
    Samples,
    is_sample,
    read_group_change,
)
from flowexport_mgmt.wire.ragged import Octets, Positions, windows

_LAYOUTS: Final = 8
"""Layouts that are remembered: one for each of the places in which the kernel takes samples."""

_WORD: Final = 4
_NOTHING: Final = np.zeros(0, np.int64)
_OF_OTHER_TYPES: Final = {"time_ns": np.uint64, "protocol": np.uint16} | dict.fromkeys(
    ("at", "length"), np.int64
)


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a batch of messages says.

    ``samples`` are in the order of their messages, ``positions`` says which messages those are.
    ``malformed`` counts the messages that break the protocol; ``error`` tells of the first.
    """

    samples: Samples
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
    """A batch on the way from messages to samples; ``pending`` are those still to be read."""

    def __init__(self, buffer: Octets, offsets: Positions, lengths: Positions) -> None:
        self._lengths = lengths
        self._frames = _gather(buffer, offsets, lengths)
        self._octets = self._frames.reshape(-1)
        self._parts: list[Samples] = []
        self._rows: list[Positions] = []
        self._changes: list[GroupChange] = []
        self._malformed = 0
        self._error: DecodeError | None = None
        self.pending = np.arange(len(offsets))

    def first(self) -> bytes:
        row = self.pending[0]
        return self._frames[row, : int(self._lengths[row])].tobytes()

    def take(self, layout: Layout) -> int:
        """Read all pending messages of a layout; say how many there were."""
        rows = self.pending
        is_whole_batch = len(rows) == len(self._frames)
        frames = self._frames if is_whole_batch else self._frames[rows]
        lengths = self._lengths if is_whole_batch else self._lengths[rows]
        matches = layout.match(frames, lengths)
        if matches.all():
            self.pending = _NOTHING
        else:
            self.pending, rows = rows[~matches], rows[matches]
            frames, lengths = frames[matches], lengths[matches]
        if len(rows):
            self._parts.append(layout.read(frames, lengths, rows, self._octets))
            self._rows.append(rows)
        return len(rows)

    def note(self, change: GroupChange) -> None:
        self._changes.append(change)
        self.pending = self.pending[1:]

    def refuse(self, error: DecodeError) -> None:
        self._malformed += 1
        self._error = self._error or error
        self.pending = self.pending[1:]

    def finish(self) -> Parsed:
        changes = tuple(sorted(self._changes))
        if len(self._parts) == 1:
            samples, positions = self._parts[0], self._rows[0]
        else:
            positions = np.concatenate((_NOTHING, *self._rows))
            order = np.argsort(positions)
            samples, positions = _join(self._parts, self._octets, order), positions[order]
        return Parsed(samples, positions, changes, self._malformed, self._error)


def _gather(buffer: Octets, offsets: Positions, lengths: Positions) -> Frames:
    """Copy messages to one place, as much for each as the longest has, in whole words."""
    width = -(-int(lengths.max(initial=1)) // _WORD) * _WORD
    if int(offsets.max(initial=0)) + width > len(buffer):
        buffer = np.append(buffer, np.zeros(width, np.uint8))
    return windows(buffer, width)[offsets].view(np.uint8).reshape(len(offsets), width)


def _join(parts: Sequence[Samples], octets: Octets, order: Positions) -> Samples:
    """Put samples of several layouts into one order."""
    columns: dict[str, Any] = {}
    for name in COLUMNS:
        pieces = [getattr(part, name) for part in parts]
        if name in _TOLD and all(piece is None for piece in pieces):
            continue
        filled = (
            np.full(len(part), UNKNOWN, np.uint32) if piece is None else piece
            for part, piece in zip(parts, pieces, strict=True)
        )
        none = np.zeros(0, _OF_OTHER_TYPES.get(name, np.uint32))
        columns[name] = np.concatenate((none, *filled))[order]
    return Samples(**columns, octets=octets)


_TOLD: Final = ("queue", "depth", "latency")
"""Columns that are left out where no device told."""
