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


_Slot = tuple[int, Any]


class Backlog:
    """Messages by what they are about, in the order in which they have to be sent."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._waiting: dict[_Slot, Update | Deletion | _Merged] = {}
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
        self._waiting[slot] = self._merge(waiting, told)

    def _merge(self, held: Update | _Merged, told: Update) -> _Merged:
        if isinstance(held, Update):
            waiting = _Merged(held.key, dict(held.leaves), held.timestamp, len(held.message))
        else:
            waiting = held
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
        octets = waiting.octets if isinstance(waiting, _Merged) else len(waiting.message)
        self._waiting[slot] = _Merged(waiting.key, dict(left), waiting.timestamp, octets)

    def _drop(self, slot: _Slot) -> None:
        waiting = self._waiting.pop(slot)
        self.octets -= waiting.octets if isinstance(waiting, _Merged) else len(waiting.message)

    def take(self) -> bytes:
        """Give the message that has waited longest."""
        slot = next(iter(self._waiting))
        waiting = self._waiting[slot]
        self._drop(slot)
        if isinstance(waiting, _Merged):
            return self._writer.write(
                waiting.key, waiting.leaves, waiting.timestamp, waiting.duplicates
            )
        return waiting.message

    def clear(self) -> None:
        """Forget everything."""
        self._waiting.clear()
        self.octets = 0
