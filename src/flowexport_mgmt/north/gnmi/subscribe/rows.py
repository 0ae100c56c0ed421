"""Rows: the leaves of a list entry that are told together, and what changed of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from flowexport_mgmt.north.gnmi.messages import Mode, Notification, SubscribeResponse
from flowexport_mgmt.north.gnmi.paths import Instance, select, write_path
from flowexport_mgmt.north.gnmi.reading import Reading
from flowexport_mgmt.north.gnmi.shape import entries
from flowexport_mgmt.north.gnmi.subscribe.terms import Class, Terms, Wanted, class_of, reach
from flowexport_mgmt.north.gnmi.values import set_leaf
from flowexport_mgmt.schema.context import SchemaContext

Key = tuple[Instance, Class]
"""A list entry, or what is in no list, and what makes the leaves change."""

Leaves = Mapping[Instance, Any]
"""Values by the way from the entry to the leaf."""

Rows = Mapping[Key, Leaves]


@dataclass(eq=False, slots=True)
class Update:
    """New values of leaves of one row: ``head`` and ``body`` together are a Notification.

    The head is its time and prefix, the same for all rows of a moment.
    """

    key: Key
    leaves: Leaves
    timestamp: int
    head: bytes
    body: bytes
    marked: dict[int, bytes] = field(default_factory=dict)

    @property
    def octets(self) -> int:
        """About the size of the message."""
        return len(self.head) + len(self.body)

    def message(self) -> bytes:
        """Give the message that tells it alone."""
        return wrap(self.head, self.body)

    def missed(self, times: int) -> bytes:
        """Give the message for a client that missed the row that often; made once for all."""
        found = self.marked.get(times)
        if found is None:
            message = SubscribeResponse.FromString(self.message())
            for update in message.update.update:
                update.duplicates = times
            found = self.marked[times] = bytes(message.SerializeToString())
        return found


@dataclass(eq=False, slots=True)
class Deletion:
    """A branch that is gone, and the message that tells it."""

    instance: Instance
    message: bytes


@dataclass(eq=False, slots=True)
class Chunk:
    """Rows of one moment that one message tells, which is made once for all."""

    rows: tuple[Update, ...]
    keys: frozenset[Key]
    message: bytes


CHUNK: Final = 64 * 1024
"""Octets after which a message takes no further row."""


class Batch:
    """Rows that are told together."""

    def __init__(self, rows: Iterable[Update]) -> None:
        self.chunks = tuple(map(_chunk, _cut(rows)))
        self.keys = frozenset[Key]().union(*(chunk.keys for chunk in self.chunks))

    @property
    def rows(self) -> Iterator[Update]:
        """Its rows, one by one."""
        return (row for chunk in self.chunks for row in chunk.rows)


def _cut(rows: Iterable[Update]) -> Iterator[list[Update]]:
    """Give the rows of each message: of one moment, and no more than a client takes at once."""
    moments: dict[bytes, list[Update]] = {}
    for row in rows:
        moments.setdefault(row.head, []).append(row)
    for together in moments.values():
        held: list[Update] = []
        octets = 0
        for row in together:
            if held and octets + len(row.body) > CHUNK:
                yield held
                held, octets = [], 0
            held.append(row)
            octets += len(row.body)
        yield held


def _chunk(rows: Sequence[Update]) -> Chunk:
    keys = frozenset(row.key for row in rows)
    return Chunk(tuple(rows), keys, wrap(rows[0].head, *(row.body for row in rows)))


def wrap(*parts: bytes) -> bytes:
    """Put the parts of a Notification into a SubscribeResponse.

    Messages of protobuf whose octets follow each other are one message with the fields of all.
    """
    size = sum(map(len, parts))
    length = bytearray()
    while size > 0x7F:
        length.append(size & 0x7F | 0x80)
        size >>= 7
    length.append(size)
    return b"".join((_UPDATE, length, *parts))


_UPDATE: Final = bytes([SubscribeResponse.DESCRIPTOR.fields_by_name["update"].number << 3 | 2])
"""The tag of the field, whose value has a length."""

Told = Batch | Deletion


def read_rows(schema: SchemaContext, terms: Terms, wanted: Wanted, reading: Reading) -> Rows:
    """Take the rows of one subscription out of a reading.

    Where everything is sampled there are two rows for an entry, by the two times that count.
    """
    rows: dict[Key, dict[Instance, Any]] = {}
    together = wanted.mode is Mode.SAMPLE
    for instance, value in select(schema, wanted.pattern, reading.data, reading.index):
        for outer, leaves in entries(schema, instance, value, terms.shape):
            kinds: dict[Class, dict[Instance, Any]] = {}
            for leaf in leaves:
                kind = class_of(leaf.schema)
                if together and kind is Class.COUNTER:
                    kind = Class.STATE
                kinds.setdefault(kind, {})[leaf.inner] = leaf.value
            for kind, found in kinds.items():
                rows.setdefault((outer, kind), {}).update(found)
    return rows


Row = tuple[Key, Leaves, Reading]
"""Values, and the reading that they come from."""


def once_each(rows: Iterable[Row]) -> Iterator[Row]:
    """Leave out leaves that an earlier row has told: no message tells a path twice."""
    told: dict[Instance, set[Instance]] = {}
    for key, leaves, reading in rows:
        known = told.setdefault(key[0], set())
        left = leaves
        if not known.isdisjoint(leaves):
            left = {leaf: value for leaf, value in leaves.items() if leaf not in known}
        known.update(leaves)
        if left:
            yield key, left, reading


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
        self._last = (0, b"")

    def update(self, key: Key, leaves: Leaves, timestamp: int, *, keep: bool = False) -> Update:
        """Write new values of a row; ``keep`` its message for the next time."""
        body = self._body(key, leaves, {}, keep=keep)
        return Update(key, leaves, timestamp, self._head(timestamp), body)

    def write(
        self, key: Key, leaves: Leaves, timestamp: int, duplicates: Mapping[Instance, int]
    ) -> bytes:
        """Give the message that tells a row some of whose values were replaced unsent."""
        return wrap(self._head(timestamp), self._body(key, leaves, duplicates, keep=False))

    def _head(self, timestamp: int) -> bytes:
        """Give time and prefix; those who come together have the same."""
        if self._last[0] != timestamp:
            message = self._empty()
            message.timestamp = timestamp
            self._last = (timestamp, bytes(message.SerializeToString()))
        return self._last[1]

    def _body(
        self, key: Key, leaves: Leaves, duplicates: Mapping[Instance, int], *, keep: bool
    ) -> bytes:
        message = self._message(key, leaves, keep=keep)
        encoding = self._terms.encoding
        for update, (leaf, value) in zip(message.update, leaves.items(), strict=True):
            set_leaf(update.val, leaf[-1].schema, value, encoding)
            if duplicates and leaf in duplicates:
                update.duplicates = duplicates[leaf]
        return bytes(message.SerializeToString())

    def _message(self, key: Key, leaves: Leaves, *, keep: bool) -> Any:
        names = tuple(leaves)
        kept = self._kept.get(key)
        if keep and kept is not None and kept[0] == names:
            return kept[1]
        message = Notification()
        for leaf in names:
            message.update.add(path=write_path((*key[0], *leaf)))
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
        message.timestamp = timestamp
        message.delete.append(write_path(instance))
        return Deletion(instance, wrap(message.SerializeToString()))

    def _empty(self) -> Any:
        message = Notification()
        if self._terms.target or self._terms.origin:
            message.prefix.target = self._terms.target
            message.prefix.origin = self._terms.origin
        return message


SYNC: bytes = SubscribeResponse(sync_response=True).SerializeToString()
"""The message that everything has been sent once."""
