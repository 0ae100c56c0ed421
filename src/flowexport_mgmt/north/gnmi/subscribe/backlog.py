"""What waits for a subscriber: newer values of a row take the place of older ones.

So the backlog of a client that does not read grows no further than there are rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from flowexport_mgmt.north.gnmi.paths import Instance
from flowexport_mgmt.north.gnmi.subscribe.rows import Deletion, Key, Told, Update, Writer

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
        return len(self.update.message)


_Waiting = Update | Deletion | _Newest | _Merged
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
        """Add a message about a row of one of the subscriptions of the list."""
        if isinstance(told, Deletion):
            self._delete(source, told)
            return
        slot = (source, told.key)
        waiting = self._waiting.get(slot)
        if waiting is None or isinstance(waiting, Deletion):
            self._waiting[slot] = told
            self.octets += len(told.message)
            return
        self.coalesced += 1
        if not isinstance(waiting, _Merged) and waiting.leaves.keys() == told.leaves.keys():
            times = waiting.times if isinstance(waiting, _Newest) else 0
            self._waiting[slot] = _Newest(told, times + 1)
            self.octets += len(told.message) - _octets(waiting)
            return
        self._waiting[slot] = self._merge(waiting, told)

    def _merge(self, held: Update | _Newest | _Merged, told: Update) -> _Merged:
        waiting = held if isinstance(held, _Merged) else _opened(held)
        for leaf in told.leaves.keys() & waiting.leaves.keys():
            waiting.duplicates[leaf] = waiting.duplicates.get(leaf, 0) + 1
        waiting.leaves.update(told.leaves)
        waiting.timestamp = told.timestamp
        octets = max(waiting.octets, len(told.message))
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
        if isinstance(waiting, Deletion):
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
        return waiting.message

    def clear(self) -> None:
        """Forget everything."""
        self._waiting.clear()
        self.octets = 0


def _octets(waiting: _Waiting) -> int:
    if isinstance(waiting, _Merged | _Newest):
        return waiting.octets
    return len(waiting.message)


def _opened(held: Update | _Newest) -> _Merged:
    """Give values that others can be put to."""
    update, times = (held.update, held.times) if isinstance(held, _Newest) else (held, 0)
    duplicates = dict.fromkeys(update.leaves, times) if times else {}
    return _Merged(
        update.key, dict(update.leaves), update.timestamp, len(update.message), duplicates
    )
