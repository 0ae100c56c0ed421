"""The running datastore: read at start, replaced by commits."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from flowexport_mgmt.datastore.access.first import with_first_access
from flowexport_mgmt.datastore.changes import Change
from flowexport_mgmt.datastore.documents import read_document, valid_configuration
from flowexport_mgmt.datastore.files import Backup, StateFolder, Stored
from flowexport_mgmt.datastore.record import CommitRecord
from flowexport_mgmt.datastore.validation import Valid, validate
from flowexport_mgmt.errors import ExitCode, ManagementError, StartError
from flowexport_mgmt.model.configuration import Configuration
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.from_json import edits_from_json
from flowexport_mgmt.schema.library import LibraryError
from flowexport_mgmt.schema.tree import Format, Tree

_SHOWN = 3
"""Faults that a start error tells; ``--check`` tells all."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Running:
    """A committed configuration: as a tree, as its document, as typed values.

    ``backup`` is the configuration to go back to unless the commit is confirmed, and ``since`` what
    was changed since then; None after a restart, when nobody knows.
    """

    record: CommitRecord
    tree: Tree
    document: bytes
    configuration: Configuration
    backup: Backup | None = None
    since: tuple[Change, ...] | None = None

    @classmethod
    def of(cls, record: CommitRecord, valid: Valid, backup: Backup | None = None) -> Running:
        """Make a valid configuration the one of a commit."""
        return cls(record, valid.tree, valid.document, valid.configuration, backup)

    def waiting(self, base: Running, changes: Sequence[Change]) -> Running:
        """Give what this is when it waits to be confirmed, made by changes on top of another one.

        The first of a row of confirmed commits goes back to the one below it, the others with it.
        """
        if base.backup is None:
            backup = Backup(base.record, base.document)
            return replace(self, backup=backup, since=tuple(changes))
        since = None if base.since is None else (*base.since, *changes)
        return replace(self, backup=base.backup, since=since)

    @property
    def stored(self) -> Stored:
        """The form in which it is kept on disk."""
        return Stored(self.record, self.document, self.backup)


def load(
    schema: SchemaContext,
    files: StateFolder,
    now: Callable[[], str],
    init: Path | None = None,
    data: bytes | None = None,
) -> Running:
    """Read running.json, or else the init document, or else begin without configuration.

    Raises:
        StartError: there is something, and it cannot be used.
    """
    stored = files.read()
    if stored is not None:
        running = Running.of(stored.record, _restore(schema, files, stored), stored.backup)
        keep(files, running.record)
        return running
    if init is None:
        record = CommitRecord(id=files.last_id, time=now(), user="", door="start")
        return Running.of(record, valid_configuration(schema, ()))
    return _begin(schema, files, now(), init, data)


def _restore(schema: SchemaContext, files: StateFolder, stored: Stored) -> Valid:
    try:
        with Tree.parse(schema, stored.document, Format.JSON) as tree:
            return validate(tree)
    except ManagementError as error:
        raise files.unusable(_summary(error)) from None
    except LibraryError as error:
        raise files.unusable(_explain(schema, stored.document, str(error))) from None


def _explain(schema: SchemaContext, document: bytes, otherwise: str) -> str:
    """Say by our own reading what the library could not parse."""
    try:
        edits_from_json(schema, document)
    except ManagementError as error:
        return _summary(error)
    return otherwise


def _begin(
    schema: SchemaContext, files: StateFolder, time: str, init: Path, data: bytes | None
) -> Running:
    try:
        edits = with_first_access(schema, read_document(schema, init, data))
        valid = valid_configuration(schema, edits)
    except OSError as error:
        raise _unusable(init, error, ExitCode.RESOURCE_MISSING) from None
    except ManagementError as error:
        raise StartError(f"{init}: {_summary(error)}", ExitCode.CONFIGURATION) from None
    record = CommitRecord(
        id=files.last_id + 1, time=time, user="", door="init", changes=_count(valid.tree)
    )
    try:
        files.write(Stored(record, valid.document))
    except OSError as error:
        valid.tree.free()
        raise _unusable(files.running, error, ExitCode.UNEXPECTED) from None
    keep(files, record)
    return Running.of(record, valid)


def _unusable(path: Path, error: OSError, otherwise: ExitCode) -> StartError:
    denied = isinstance(error, PermissionError)
    return StartError(f"{path}: {error.strerror}", ExitCode.PERMISSION if denied else otherwise)


def _count(tree: Tree) -> int:
    return sum(node.count() for node in tree.top())


def keep(files: StateFolder, record: CommitRecord) -> None:
    """Keep a commit in the history; that it cannot be kept is no reason to fail."""
    try:
        files.keep(record)
    except OSError as error:
        _log.warning("commit %d is not kept in the history: %s", record.id, error)


def _summary(error: ManagementError) -> str:
    told = "; ".join(map(str, error.faults[:_SHOWN]))
    rest = len(error.faults) - _SHOWN
    return told + (f"; and {rest} more" if rest > 0 else "")
