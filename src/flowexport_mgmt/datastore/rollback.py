"""Going back: what it takes to make running what it was."""

from __future__ import annotations

from collections.abc import Sequence

from flowexport_mgmt.datastore.candidate import Candidate, LogEntry
from flowexport_mgmt.datastore.changes import Change
from flowexport_mgmt.datastore.running import Running
from flowexport_mgmt.datastore.validation import Valid, validate_in_place
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.from_json import edits_from_json


def valid_backup(schema: SchemaContext, running: Running) -> tuple[Valid, Sequence[Change]]:
    """Give the configuration to go back to, whose tree the caller frees, and what that changes.

    Raises:
        ManagementError: it is not valid by these modules.
    """
    if running.backup is None:
        raise RuntimeError("there is nothing to go back to")
    candidate = Candidate(running.record, running.tree)
    try:
        candidate.edit(LogEntry(edits_from_json(schema, running.backup.document), None))
        valid = validate_in_place(candidate.take_tree(), lambda: candidate.tree, tuple)
    finally:
        candidate.free()
    return valid, candidate.changes
