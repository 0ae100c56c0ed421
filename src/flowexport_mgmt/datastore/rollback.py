"""Going back: what it takes to make running what it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flowexport_mgmt.datastore.candidate import Candidate, LogEntry
from flowexport_mgmt.datastore.changes import Change, Kind
from flowexport_mgmt.datastore.running import Running
from flowexport_mgmt.datastore.validation import Valid, validate_in_place
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.from_json import edits_from_json
from flowexport_mgmt.schema.tree import Format, Tree

_OPPOSITE = {Kind.CREATED: Kind.DELETED, Kind.DELETED: Kind.CREATED}


def valid_backup(schema: SchemaContext, running: Running) -> tuple[Valid, Sequence[Change]]:
    """Give the configuration to go back to, whose tree the caller frees, and what that changes.

    Raises:
        ManagementError: it is not valid by these modules.
        RuntimeError: there is nothing to go back to.
    """
    if running.backup is None:
        raise RuntimeError("there is nothing to go back to")
    document = running.backup.document
    if running.since is None:
        return _replaced(schema, running, document)
    tree = Tree.parse(schema, document, Format.JSON)
    valid = validate_in_place(tree, lambda: running.tree, tuple)
    same = document == running.document
    return valid, () if same else undone(running.since)


def _replaced(
    schema: SchemaContext, running: Running, document: bytes
) -> tuple[Valid, Sequence[Change]]:
    """Find out what changes by looking at every node, which takes a while."""
    candidate = Candidate(running.record, running.tree)
    try:
        candidate.edit(LogEntry(edits_from_json(schema, document), None))
        valid = validate_in_place(candidate.take_tree(), lambda: candidate.tree, tuple)
    finally:
        candidate.free()
    return valid, candidate.changes


def undone(changes: Sequence[Change]) -> tuple[Change, ...]:
    """Give the changes that undo others."""
    return tuple(map(_undone, reversed(changes)))


def _undone(change: Change) -> Change:
    kind = _OPPOSITE.get(change.kind, change.kind)
    return replace(change, kind=kind, old=change.new, new=change.old)
