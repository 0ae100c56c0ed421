"""The entries of confined lists that edits touch: what is left to validate of a configuration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from flowexport_mgmt.datastore.changes import Change, chain
from flowexport_mgmt.schema.edits import EditNode
from flowexport_mgmt.schema.nodes import SchemaNode
from flowexport_mgmt.schema.paths import PathStep, parse_path

_MOST = 64
"""Entries that are validated one by one; of more the whole is cheaper."""

Confined = AbstractSet[SchemaNode]


class Entry(NamedTuple):
    """An entry of a list: its schema node and the steps of its path."""

    schema: SchemaNode
    steps: tuple[PathStep, ...]


class _ElsewhereError(Exception):
    """Something is touched that stands in no such entry."""


def touched_entries(
    confined: Confined, edits: Iterable[EditNode], changes: Iterable[Change]
) -> tuple[Entry, ...] | None:
    """Give the entries that edits speak of and those around the changes that they made.

    Both are needed: an edit may add a container that counts as no change, and delete what it does
    not speak of. None when something else is touched, or so much that entries are of no use.
    """
    found: dict[Entry, None] = {}
    try:
        for entry in _entries(confined, edits, changes):
            found[entry] = None
            if len(found) > _MOST:
                return None
    except _ElsewhereError:
        return None
    return tuple(found)


def _entries(
    confined: Confined, edits: Iterable[EditNode], changes: Iterable[Change]
) -> Iterator[Entry]:
    for change in changes:
        yield _around(confined, change)
    for edit in edits:
        yield from _spoken_of(confined, edit)


def _around(confined: Confined, change: Change) -> Entry:
    for position, schema in enumerate(chain(change.schema)):
        if schema in confined:
            return Entry(schema, parse_path(change.path)[: position + 1])
    raise _ElsewhereError


def _spoken_of(confined: Confined, edit: EditNode) -> Iterator[Entry]:
    if edit.schema in confined:
        yield Entry(edit.schema, parse_path(edit.path))
    elif edit.children:
        for child in edit.children:
            yield from _spoken_of(confined, child)
    else:
        raise _ElsewhereError
