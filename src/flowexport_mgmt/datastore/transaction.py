"""The commit: validate, prepare, make durable, apply, and only then tell the world."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections import deque
from collections.abc import Callable, Sequence

from flowexport_mgmt.datastore.candidate import Candidate
from flowexport_mgmt.datastore.changes import Change, Kind
from flowexport_mgmt.datastore.components import Component
from flowexport_mgmt.datastore.events import Bus, ConfigurationChanged
from flowexport_mgmt.datastore.files import HISTORY, StateFolder
from flowexport_mgmt.datastore.participants import Participants
from flowexport_mgmt.datastore.record import CommitRecord
from flowexport_mgmt.datastore.running import Running, keep
from flowexport_mgmt.datastore.sessions import Session
from flowexport_mgmt.datastore.validation import Valid, validate_in_place
from flowexport_mgmt.errors import ErrorTag, ManagementError
from flowexport_mgmt.observe import crash
from flowexport_mgmt.schema.context import SchemaContext

_AFTER_PREPARE = crash.declare("datastore.commit.after-prepare")
_BEFORE_APPLY = crash.declare("datastore.commit.before-apply")
_AFTER_APPLY = crash.declare("datastore.commit.after-apply")

_NO_ROOM = frozenset((errno.ENOSPC, errno.EDQUOT))

_log = logging.getLogger(__name__)


class Transactions:
    """Turns candidates into running, one at a time; the caller keeps them from overlapping."""

    def __init__(
        self,
        schema: SchemaContext,
        files: StateFolder,
        participants: Participants,
        bus: Bus,
        now: Callable[[], str],
    ) -> None:
        self._schema = schema
        self._files = files
        self._participants = participants
        self._bus = bus
        self._now = now
        self._running: Running | None = None
        self.history: deque[CommitRecord] = deque(maxlen=HISTORY)

    @property
    def running(self) -> Running:
        """What is committed.

        Raises:
            RuntimeError: nothing was loaded yet.
        """
        if self._running is None:
            raise RuntimeError("the datastore was not loaded")
        return self._running

    def begin(self, running: Running) -> None:
        """Start from what was loaded."""
        self._running = running
        self.history.extend(self._files.records())

    async def commit(
        self,
        candidate: Candidate,
        session: Session,
        comment: str,
        installed: Callable[[], None],
    ) -> CommitRecord:
        """Make a candidate running; the candidate itself stays as it is.

        A candidate that changes nothing makes no commit, and running's record is the answer.
        ``installed`` is called when running has changed and the tree of the old one is about to go.

        Raises:
            ManagementError: every reason against it; nothing has changed.
        """
        base = self.running
        if candidate.base.id == base.record.id:
            return await self._commit(candidate, session, comment, installed)
        rebased = candidate.rebased(base.record, base.tree)
        try:
            return await self._commit(rebased, session, comment, installed)
        finally:
            rebased.free()

    async def _commit(
        self,
        candidate: Candidate,
        session: Session,
        comment: str,
        installed: Callable[[], None],
    ) -> CommitRecord:
        base = self.running
        valid = validate_in_place(candidate.take_tree(), lambda: candidate.tree, candidate.given)
        if valid.document == base.document:
            valid.tree.free()
            return base.record
        changes = [*candidate.changes, *self._ruled_out(valid)]
        record = self._record(session, comment, changes)
        chosen = self._participants.concerned(changes)
        try:
            await self._secure(record, valid, chosen)
        except BaseException:
            valid.tree.free()
            raise
        self._install(Running.of(record, valid), installed)
        await self._participants.apply(chosen)
        crash.point(_AFTER_APPLY)
        self._tell(record, changes)
        return record

    def _record(self, session: Session, comment: str, changes: Sequence[Change]) -> CommitRecord:
        return CommitRecord(
            id=self.running.record.id + 1,
            time=self._now(),
            user=session.user,
            door=session.door,
            source=session.source,
            comment=comment,
            changes=sum(change.nodes for change in changes),
        )

    def _ruled_out(self, valid: Valid) -> list[Change]:
        """Give the nodes that a ``when`` deleted."""
        return [
            Change(Kind.DELETED, path, self._schema.resolve(path)[-1].schema_path)
            for path in valid.deleted
        ]

    async def _secure(
        self, record: CommitRecord, valid: Valid, chosen: Sequence[Component]
    ) -> None:
        """Prepare the components and write the file; on a failure nothing has changed."""
        old, new = self.running.configuration, valid.configuration
        await self._participants.prepare(chosen, old, new, record.id)
        crash.point(_AFTER_PREPARE)
        try:
            await self._write(record, valid.document)
        except OSError as error:
            await self._participants.abort(chosen)
            tag = (
                ErrorTag.RESOURCE_DENIED if error.errno in _NO_ROOM else (ErrorTag.OPERATION_FAILED)
            )
            message = (
                f"the configuration cannot be saved in {self._files.running}: {error.strerror}"
            )
            raise ManagementError.single(tag, message) from None
        except BaseException:
            await self._participants.abort(chosen)
            raise

    async def _write(self, record: CommitRecord, document: bytes) -> None:
        """Write the file; a disk that was slow the last time keeps nobody else waiting."""
        if self._files.is_quick:
            self._files.write(record, document)
        else:
            await asyncio.to_thread(self._files.write, record, document)

    def _install(self, running: Running, installed: Callable[[], None]) -> None:
        """Make what is on disk so in memory; nothing can refuse any more."""
        crash.point(_BEFORE_APPLY)
        old, self._running = self.running, running
        installed()
        old.tree.free()

    def _tell(self, record: CommitRecord, changes: Sequence[Change]) -> None:
        self.history.append(record)
        keep(self._files, record)
        self._bus.publish(ConfigurationChanged(record, tuple(changes)))
