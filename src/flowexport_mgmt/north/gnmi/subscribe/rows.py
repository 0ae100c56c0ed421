"""Rows: the leaves of a list entry that are told together, and what changed of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from flowexport_mgmt.north.gnmi.messages import Mode, SubscribeResponse
from flowexport_mgmt.north.gnmi.paths import Instance, select, write_path
from flowexport_mgmt.north.gnmi.reading import Reading
from flowexport_mgmt.north.gnmi.shape import entries
from flowexport_mgmt.north.gnmi.subscribe.terms import Class, Terms, Wanted, class_of, reach
from flowexport_mgmt.north.gnmi.values import encode_leaf
from flowexport_mgmt.schema.context import SchemaContext

Key = tuple[Instance, Class]
"""A list entry, or what is in no list, and what makes the leaves change."""

Leaves = Mapping[Instance, Any]
"""Values by the way from the entry to the leaf."""

Rows = Mapping[Key, Leaves]


@dataclass(eq=False, slots=True)
class Update:
    """New values of leaves of one row, and the message that tells them."""

    key: Key
    leaves: Leaves
    timestamp: int
    message: bytes
    marked: dict[int, bytes] = field(default_factory=dict)

    def missed(self, times: int) -> bytes:
        """Give the message for a client that missed the row that often; made once for all."""
        found = self.marked.get(times)
        if found is None:
            message = SubscribeResponse.FromString(self.message)
            for update in message.update.update:
                update.duplicates = times
            found = self.marked[times] = bytes(message.SerializeToString())
        return found


@dataclass(eq=False, slots=True)
class Deletion:
    """A branch that is gone, and the message that tells it."""

    instance: Instance
    message: bytes


Told = Update | Deletion


def read_rows(schema: SchemaContext, terms: Terms, wanted: Wanted, reading: Reading) -> Rows:
    """Take the rows of one subscription out of a reading.

    Where everything is sampled there are two rows for an entry, by the two times that count.
    """
    rows: dict[Key, dict[Instance, Any]] = {}
    together = wanted.mode is Mode.SAMPLE
    for instance, value in select(schema, wanted.pattern, reading.data):
        for outer, leaves in entries(schema, instance, value, terms.shape):
            for leaf in leaves:
                kind = class_of(leaf.schema)
                if together and kind is Class.COUNTER:
                    kind = Class.STATE
                rows.setdefault((outer, kind), {})[leaf.inner] = leaf.value
    return rows


def time_of(key: Key, reading: Reading) -> int:
    """Give the time of a row: configuration has that of its commit."""
    return reading.committed if key[1] is Class.CONFIGURATION else reading.collected


def changed(old: Leaves | None, new: Leaves) -> Leaves:
    """Give the leaves that are new or have another value."""
    if old is None or not old:
        return new
    if old == new:
        return {}
    return {leaf: value for leaf, value in new.items() if leaf not in old or old[leaf] != value}


def removed(wanted: Wanted, old: Rows, new: Rows) -> Iterator[Instance]:
    """Give the branches that are gone, as near to the top as the subscription goes."""
    gone = [
        (*key[0], *leaf)
        for key, leaves in old.items()
        if key not in new or leaves.keys() - new[key].keys()
        for leaf in leaves
        if leaf not in new.get(key, {})
    ]
    if not gone:
        return
    alive: set[Instance] = set()
    for key, leaves in new.items():
        for leaf in leaves:
            _add_prefixes(alive, (*key[0], *leaf))
    told: dict[Instance, None] = {}
    for path in gone:
        size = max(1, reach(wanted.pattern.elements, path) or 1)
        while size < len(path) and path[:size] in alive:
            size += 1
        told[path[:size]] = None
    yield from told


def _add_prefixes(alive: set[Instance], path: Instance) -> None:
    for size in range(len(path), 0, -1):
        prefix = path[:size]
        if prefix in alive:
            return
        alive.add(prefix)


class Writer:
    """Writes messages for all who have the same terms.

    A row that comes again and again is written into the message of the last time: that costs a
    fraction of making one.
    """

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._kept: dict[Key, tuple[tuple[Instance, ...], Any]] = {}

    def update(self, key: Key, leaves: Leaves, timestamp: int, *, keep: bool = False) -> Update:
        """Write new values of a row; ``keep`` its message for the next time."""
        return Update(key, leaves, timestamp, self.write(key, leaves, timestamp, keep=keep))

    def write(
        self,
        key: Key,
        leaves: Leaves,
        timestamp: int,
        duplicates: Mapping[Instance, int] | None = None,
        *,
        keep: bool = False,
    ) -> bytes:
        """Give a notification with the values of a row."""
        message = self._message(key, leaves, keep=keep)
        notification = message.update
        notification.timestamp = timestamp
        encoding = self._terms.encoding
        for update, (leaf, value) in zip(notification.update, leaves.items(), strict=True):
            update.val.CopyFrom(encode_leaf(leaf[-1].schema, value, encoding))
            if duplicates and leaf in duplicates:
                update.duplicates = duplicates[leaf]
        return bytes(message.SerializeToString())

    def _message(self, key: Key, leaves: Leaves, *, keep: bool) -> Any:
        names = tuple(leaves)
        kept = self._kept.get(key)
        if keep and kept is not None and kept[0] == names:
            return kept[1]
        message = self._empty()
        for leaf in names:
            message.update.update.add(path=write_path((*key[0], *leaf)))
        if keep:
            self._kept[key] = (names, message)
        return message

    def forget(self, keys: Iterable[Key]) -> None:
        """Forget the messages of rows that are gone."""
        for key in keys:
            self._kept.pop(key, None)

    def deletion(self, instance: Instance, timestamp: int) -> Deletion:
        """Write that a branch is gone."""
        message = self._empty()
        message.update.timestamp = timestamp
        message.update.delete.append(write_path(instance))
        return Deletion(instance, bytes(message.SerializeToString()))

    def _empty(self) -> Any:
        message = SubscribeResponse()
        message.update.SetInParent()
        if self._terms.target or self._terms.origin:
            message.update.prefix.target = self._terms.target
            message.update.prefix.origin = self._terms.origin
        return message


SYNC: bytes = SubscribeResponse(sync_response=True).SerializeToString()
"""The message that everything has been sent once."""
