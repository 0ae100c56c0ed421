"""What waits for a subscriber: newer values of a row take the place of older ones.

So the backlog of a client that does not read grows no further than there are rows. One that keeps
up gets the messages that were made for all, whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from flowexport_mgmt.north.gnmi.paths import Instance
from flowexport_mgmt.north.gnmi.subscribe.rows import (
    Batch,
    Chunk,
    Deletion,
    Key,
    Told,
    Update,
    Writer,
)

CAP: Final = 8 * 1024 * 1024
"""Octets that may wait for one subscriber."""


@dataclass(eq=False, slots=True)
class _Merged:
    """Values that were put together, and how often each was replaced before it was sent."""

    key: Key
    leaves: dict[Instance, Any]
    timestamp: int
    octets: int
    duplicates: dict[Instance, int] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class _Newest:
    """The newest of values that each took the place of all those before it."""

    update: Update
    times: int

    @property
    def key(self) -> Key:
        return self.update.key

    @property
    def leaves(self) -> Mapping[Instance, Any]:
        return self.update.leaves

    @property
    def octets(self) -> int:
        return self.update.octets


_Row = Update | _Newest | _Merged
_Waiting = _Row | Deletion | Chunk
_Slot = tuple[int, Any]


class Backlog:
    """Messages by what they are about, in the order in which they have to be sent."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._waiting: dict[_Slot, _Waiting] = {}
        self.octets = 0
        self.coalesced = 0

    def __len__(self) -> int:
        """Count the messages."""
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """Whether more waits than may."""
        return self.octets > CAP

    def put(self, source: int, told: Told) -> None:
        """Add what is told of one of the subscriptions of the list."""
        if isinstance(told, Deletion):
            self._open(source)
            self._delete(source, told)
        elif self._replaces(source, told):
            self._open(source)
            for row in told.rows:
                self._put(source, row)
        else:
            for chunk in told.chunks:
                self._waiting[source, chunk] = chunk
                self.octets += len(chunk.message)

    def _replaces(self, source: int, told: Batch) -> bool:
        """Tell whether older values wait of what is told."""
        return any(
            slot[0] == source
            and not told.keys.isdisjoint(waiting.keys if isinstance(waiting, Chunk) else (slot[1],))
            for slot, waiting in self._waiting.items()
        )

    def _open(self, source: int) -> None:
        """Let the rows of each message of a subscription wait for themselves."""
        chunks = [
            waiting
            for slot, waiting in self._waiting.items()
            if slot[0] == source and isinstance(waiting, Chunk)
        ]
        for chunk in chunks:
            self._drop((source, chunk))
            for row in chunk.rows:
                self._put(source, row)

    def _put(self, source: int, told: Update) -> None:
        slot = (source, told.key)
        waiting = self._waiting.get(slot)
        if waiting is None or isinstance(waiting, Deletion | Chunk):
            self._waiting[slot] = told
            self.octets += told.octets
            return
        self.coalesced += 1
        if not isinstance(waiting, _Merged) and waiting.leaves.keys() == told.leaves.keys():
            times = waiting.times if isinstance(waiting, _Newest) else 0
            self._waiting[slot] = _Newest(told, times + 1)
            self.octets += told.octets - _octets(waiting)
            return
        self._waiting[slot] = self._merge(waiting, told)

    def _merge(self, held: _Row, told: Update) -> _Merged:
        waiting = held if isinstance(held, _Merged) else _opened(held)
        for leaf in told.leaves.keys() & waiting.leaves.keys():
            waiting.duplicates[leaf] = waiting.duplicates.get(leaf, 0) + 1
        waiting.leaves.update(told.leaves)
        waiting.timestamp = told.timestamp
        octets = max(waiting.octets, told.octets)
        self.octets += octets - waiting.octets
        waiting.octets = octets
        return waiting

    def _delete(self, source: int, told: Deletion) -> None:
        """Add that a branch is gone; what waits to be said about it is said no more."""
        size = len(told.instance)
        for slot in [slot for slot in self._waiting if slot[0] == source]:
            waiting = self._waiting[slot]
            if isinstance(waiting, Deletion):
                if waiting.instance == told.instance:
                    self._drop(slot)
                continue
            if isinstance(waiting, Chunk):
                continue  # they were opened before
            outer = waiting.key[0]
            if outer[:size] == told.instance:
                self._drop(slot)
            elif told.instance[: len(outer)] == outer:
                self._thin(slot, told.instance[len(outer) :])
        self._waiting[source, told.instance] = told
        self.octets += len(told.message)

    def _thin(self, slot: _Slot, branch: Instance) -> None:
        """Take the leaves of a branch out of a row that waits."""
        waiting = self._waiting[slot]
        if isinstance(waiting, Deletion | Chunk):
            return
        left: Mapping[Instance, Any] = {
            leaf: value for leaf, value in waiting.leaves.items() if leaf[: len(branch)] != branch
        }
        if len(left) == len(waiting.leaves):
            return
        if not left:
            self._drop(slot)
            return
        opened = waiting if isinstance(waiting, _Merged) else _opened(waiting)
        self._waiting[slot] = _Merged(
            opened.key, dict(left), opened.timestamp, opened.octets, opened.duplicates
        )

    def _drop(self, slot: _Slot) -> None:
        self.octets -= _octets(self._waiting.pop(slot))

    def take(self) -> bytes:
        """Give the message that has waited longest."""
        slot = next(iter(self._waiting))
        waiting = self._waiting[slot]
        self._drop(slot)
        if isinstance(waiting, _Merged):
            return self._writer.write(
                waiting.key, waiting.leaves, waiting.timestamp, waiting.duplicates
            )
        if isinstance(waiting, _Newest):
            return waiting.update.missed(waiting.times)
        return waiting.message() if isinstance(waiting, Update) else waiting.message

    def clear(self) -> None:
        """Forget everything."""
        self._waiting.clear()
        self.octets = 0


def _octets(waiting: _Waiting) -> int:
    if isinstance(waiting, Deletion | Chunk):
        return len(waiting.message)
    return waiting.octets


def _opened(held: Update | _Newest) -> _Merged:
    """Give values that others can be put to."""
    update, times = (held.update, held.times) if isinstance(held, _Newest) else (held, 0)
    duplicates = dict.fromkeys(update.leaves, times) if times else {}
    return _Merged(update.key, dict(update.leaves), update.timestamp, update.octets, duplicates)
