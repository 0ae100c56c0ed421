"""The commit: validate, prepare, make durable, apply, and only then tell the world."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from flowexport_mgmt.datastore.access.control import CheckChanges
from flowexport_mgmt.datastore.audit import Audit
from flowexport_mgmt.datastore.candidate import Candidate
from flowexport_mgmt.datastore.changes import Change, Kind
from flowexport_mgmt.datastore.clock import Clock
from flowexport_mgmt.datastore.components import Component
from flowexport_mgmt.datastore.description import describe
from flowexport_mgmt.datastore.events import Bus, ConfigurationChanged
from flowexport_mgmt.datastore.files import HISTORY, StateFolder, Stored
from flowexport_mgmt.datastore.participants import Participants
from flowexport_mgmt.datastore.record import Author, CommitRecord, PendingConfirm
from flowexport_mgmt.datastore.rollback import valid_backup
from flowexport_mgmt.datastore.running import Running, keep
from flowexport_mgmt.datastore.sessions import Session
from flowexport_mgmt.datastore.validation import Valid, validate_in_place
from flowexport_mgmt.errors import ErrorTag, ManagementError
from flowexport_mgmt.observe import crash
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.tree import Tree

_AFTER_PREPARE = crash.declare("datastore.commit.after-prepare")
_BEFORE_APPLY = crash.declare("datastore.commit.before-apply")
_AFTER_APPLY = crash.declare("datastore.commit.after-apply")
_BEFORE_ROLLBACK = crash.declare("datastore.rollback.before-write")
_AFTER_ROLLBACK = crash.declare("datastore.rollback.after-write")

_NO_ROOM = frozenset((errno.ENOSPC, errno.EDQUOT))

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is asked of a commit besides its changes.

    ``check`` looks at the changes before anything else does. ``pend`` gives what the commit will
    wait for, if it has to be confirmed, at the moment that it is written.
    """

    author: Author
    check: CheckChanges | None = None
    comment: str = ""
    label: str = ""
    pend: Callable[[], PendingConfirm | None] = field(default=lambda: None)


@dataclass(frozen=True, slots=True)
class _Daemon:
    """The daemon as the author of a rollback that nobody asked for."""

    user: str = ""
    door: str = "rollback"
    source: str = ""


DAEMON = _Daemon()


class Transactions:
    """Turns candidates into running, one at a time; the caller keeps them from overlapping."""

    def __init__(
        self,
        schema: SchemaContext,
        files: StateFolder,
        participants: Participants,
        *,
        bus: Bus,
        audit: Audit,
        clock: Clock,
    ) -> None:
        self._schema = schema
        self._files = files
        self._participants = participants
        self._bus = bus
        self._audit = audit
        self._clock = clock
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

    # -- commits

    async def commit(
        self, candidate: Candidate, order: Order, installed: Callable[[], None]
    ) -> CommitRecord:
        """Make a candidate running; the candidate itself stays as it is.

        A candidate that changes nothing makes no commit, and running's record is the answer; it may
        wait for another confirmation from then on, or for none. ``installed`` is called when
        running has changed and the tree of the old one is about to go.

        Raises:
            ManagementError: every reason against it; nothing has changed.
        """
        with self._current(candidate) as current:
            return await self._commit(current, order, installed)

    async def trial(self, candidate: Candidate, order: Order) -> Tree:
        """Do what a commit does before anything changes; give the tree that it would make running.

        The caller frees it.

        Raises:
            ManagementError: every reason against the commit.
        """
        with self._current(candidate) as current:
            valid, changes = self._validated(current, order)
        chosen = self._participants.concerned(changes)
        old, new = self.running.configuration, valid.configuration
        try:
            await self._participants.prepare(chosen, old, new, self.running.record.id + 1)
        except BaseException:
            valid.tree.free()
            raise
        await self._participants.abort(chosen)
        return valid.tree

    @contextlib.contextmanager
    def _current(self, candidate: Candidate) -> Iterator[Candidate]:
        """Give the candidate, made again on running if that has changed since."""
        base = self.running
        if candidate.base.id == base.record.id:
            yield candidate
            return
        rebased = candidate.rebased(base.record, base.tree)
        try:
            yield rebased
        finally:
            rebased.free()

    def _validated(self, candidate: Candidate, order: Order) -> tuple[Valid, list[Change]]:
        """Check access and validity; give the configuration and what it changes."""
        if order.check is not None:
            order.check(candidate.changes, self.running.tree, candidate.tree)
        valid = validate_in_place(
            candidate.take_tree(), lambda: candidate.tree, candidate.given, candidate.entries()
        )
        return valid, [*candidate.changes, *self._ruled_out(valid)]

    async def _commit(
        self, candidate: Candidate, order: Order, installed: Callable[[], None]
    ) -> CommitRecord:
        valid, changes = self._validated(candidate, order)
        if valid.document == self.running.document:
            valid.tree.free()
            return await self._confirm(order)
        chosen = self._participants.concerned(changes)
        try:
            running = await self._secure(order, valid, changes, chosen)
        except BaseException:
            valid.tree.free()
            raise
        crash.point(_BEFORE_APPLY)
        described = describe(changes, running.tree)
        self._install(running, installed)
        await self._participants.apply(chosen)
        crash.point(_AFTER_APPLY)
        self._tell(order.author, changes, described)
        return running.record

    async def _confirm(self, order: Order) -> CommitRecord:
        """Commit without changes: what running waits for may be another thing, or over."""
        base = self.running
        pending = order.pend()
        if pending is None and base.record.pending is None:
            return base.record
        record = msgspec.structs.replace(
            base.record,
            comment=order.comment or base.record.comment,
            label=order.label or base.record.label,
            pending=pending,
        )
        running = replace(base, record=record, backup=None, since=None)
        if pending is not None:
            running = running.waiting(base, ())
        await self._save(running.stored)
        self._running = running
        self._keep()
        return record

    def _record(self, order: Order, changes: Sequence[Change]) -> CommitRecord:
        author = order.author
        return CommitRecord(
            id=self.running.record.id + 1,
            time=self._clock.text(),
            user=author.user,
            door=author.door,
            source=author.source,
            comment=order.comment,
            label=order.label,
            changes=sum(change.nodes for change in changes),
            pending=order.pend(),
        )

    def _ruled_out(self, valid: Valid) -> list[Change]:
        """Give the nodes that a ``when`` deleted."""
        return [
            Change(Kind.DELETED, path, self._schema.resolve(path)[-1]) for path in valid.deleted
        ]

    async def _secure(
        self, order: Order, valid: Valid, changes: Sequence[Change], chosen: Sequence[Component]
    ) -> Running:
        """Prepare the components and write the file; on a failure nothing has changed."""
        old, new = self.running.configuration, valid.configuration
        await self._participants.prepare(chosen, old, new, self.running.record.id + 1)
        crash.point(_AFTER_PREPARE)
        try:
            record = self._record(order, changes)
            running = Running.of(record, valid)
            if record.pending is not None:
                running = running.waiting(self.running, changes)
            await self._save(running.stored)
        except BaseException:
            await self._participants.abort(chosen)
            raise
        return running

    async def _save(self, stored: Stored) -> None:
        """Write the file.

        Raises:
            ManagementError: it cannot be written, and is as it was.
        """
        try:
            await self._write(stored)
        except OSError as error:
            tag = (
                ErrorTag.RESOURCE_DENIED if error.errno in _NO_ROOM else (ErrorTag.OPERATION_FAILED)
            )
            message = (
                f"the configuration cannot be saved in {self._files.running}: {error.strerror}"
            )
            raise ManagementError.single(tag, message) from None

    async def _write(self, stored: Stored) -> None:
        """Write the file; a disk that was slow the last time keeps nobody else waiting."""
        if self._files.is_quick:
            self._files.write(stored)
        else:
            await asyncio.to_thread(self._files.write, stored)

    def _install(self, running: Running, installed: Callable[[], None]) -> None:
        """Make what is on disk so in memory; nothing can refuse any more."""
        old, self._running = self.running, running
        installed()
        old.tree.free()

    def _tell(
        self, author: Author, changes: Sequence[Change], described: Sequence[Mapping[str, Any]]
    ) -> None:
        self._keep()
        if changes:
            self._audit.commit(author, self.running.record, described)
            session = author.id if isinstance(author, Session) else 0
            event = ConfigurationChanged(self.running.record, tuple(changes), session)
            self._bus.publish(event)

    def _keep(self) -> None:
        """Keep running in the history; an entry of the same commit is replaced."""
        record = msgspec.structs.replace(self.running.record, pending=None)
        if self.history and self.history[-1].id == record.id:
            self.history.pop()
        self.history.append(record)
        if self._files.holds == record.id:  # not when a rollback could not be saved
            keep(self._files, record)

    # -- rollbacks

    async def roll_back(
        self, author: Author, comment: str, installed: Callable[[], None]
    ) -> CommitRecord:
        """Go back to the configuration before the confirmed commit that is pending.

        Components restore what they can. A file that cannot be written keeps nothing from going
        back: what it holds makes the next start go back too.
        """
        running, changes = self._plan_rollback(author, comment)
        chosen = self._participants.concerned(changes)
        crash.point(_BEFORE_ROLLBACK)
        try:
            await self._write(running.stored)
        except OSError as error:
            self._warn(error)
        except BaseException:
            running.tree.free()
            raise
        crash.point(_AFTER_ROLLBACK)
        described = describe(changes, running.tree)
        self._install(running, installed)
        await self._participants.restore(running.configuration, running.record.id, chosen)
        self._tell(author, changes, described)
        return running.record

    def roll_back_at_start(self, comment: str) -> CommitRecord:
        """Go back before anything has been started."""
        running, changes = self._plan_rollback(DAEMON, comment)
        crash.point(_BEFORE_ROLLBACK)
        try:
            self._files.write(running.stored)
        except OSError as error:
            self._warn(error)
        crash.point(_AFTER_ROLLBACK)
        described = describe(changes, running.tree)
        self._install(running, lambda: None)
        self._tell(DAEMON, changes, described)
        return running.record

    def _warn(self, error: OSError) -> None:
        file, reason = self._files.running, error.strerror
        _log.error("a rollback cannot be saved in %s; a start repeats it: %s", file, reason)

    def _plan_rollback(self, author: Author, comment: str) -> tuple[Running, Sequence[Change]]:
        base = self.running
        valid, changes = valid_backup(self._schema, base)
        if changes:
            record = self._record(Order(author=author, comment=comment), changes)
        else:
            record = msgspec.structs.replace(base.record, pending=None)
        return Running.of(record, valid), changes
