"""Everything that changes running: direct writes, commits, and rollbacks of confirmed commits."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from flowexport_mgmt.datastore.access import AccessControl
from flowexport_mgmt.datastore.audit import Audit
from flowexport_mgmt.datastore.candidate import LogEntry
from flowexport_mgmt.datastore.candidates import Candidates, try_edit
from flowexport_mgmt.datastore.clock import Clock
from flowexport_mgmt.datastore.confirm import Confirmed, ConfirmedCommits
from flowexport_mgmt.datastore.events import Bus, ConfirmedCommitChanged, ConfirmEvent
from flowexport_mgmt.datastore.locks import Locks
from flowexport_mgmt.datastore.options import Store, TestOption
from flowexport_mgmt.datastore.record import Author, CommitRecord, PendingConfirm
from flowexport_mgmt.datastore.sessions import Session, require_open
from flowexport_mgmt.datastore.steps import Step, take_steps
from flowexport_mgmt.datastore.transaction import DAEMON, Order, Transactions
from flowexport_mgmt.datastore.writing import Writes
from flowexport_mgmt.errors import ErrorTag, ManagementError
from flowexport_mgmt.schema.tree import Tree

_RETRY = 10.0
"""Seconds until a rollback that failed is tried again."""

_log = logging.getLogger(__name__)


class CommitRequest(NamedTuple):
    """A commit as a session asks for it; see `Datastore.commit`."""

    session: Session
    comment: str = ""
    label: str = ""
    confirmed: Confirmed | None = None
    persist_id: str | None = None


class Commits:
    """Lets in what may be written, one write at a time, and goes back when nobody confirms.

    Args:
        transactions: what makes candidates running.
        candidates: the shared candidate and the private ones.
        locks: who holds which lock.
        access: who may do what.
        bus: where it is told.
        audit: where it is written down.
        clock: the clock.
        life: the name of this run of flowexportd.
    """

    def __init__(
        self,
        transactions: Transactions,
        candidates: Candidates,
        locks: Locks,
        access: AccessControl,
        *,
        bus: Bus,
        audit: Audit,
        clock: Clock,
        life: str,
    ) -> None:
        self._transactions = transactions
        self._candidates = candidates
        self._locks = locks
        self._access = access
        self._bus = bus
        self._audit = audit
        self._life = life
        self._stopping = False
        self.writes = Writes()
        self.confirms = ConfirmedCommits(clock, life, self._expire)

    # -- life

    def begin(self) -> None:
        """Settle what was pending when the manager ended.

        Raises:
            ManagementError: the configuration to go back to is not valid.
        """
        record = self._transactions.running.record
        if record.pending is None:
            return
        if self.confirms.outlives_restart(record.pending):
            self.confirms.hold(record.pending, None)
            return
        bound = record.pending.life == self._life
        what = "the session that had to confirm" if bound else "flowexportd was started before"
        tail = "ended" if bound else "was confirmed"
        self._report(self._transactions.roll_back_at_start(f"{what} commit {record.id} {tail}"))

    def start(self) -> None:
        """Watch the deadline of what is pending."""
        self.confirms.start_timer()

    async def drain(self) -> None:
        """Let the writes under way end and begin no rollback any more: the next start does."""
        self._stopping = True
        self.confirms.stop()
        await self.writes.drain()

    # -- writing

    async def write_running(
        self, session: Session, entry: LogEntry, test: TestOption | None = None
    ) -> None:
        """Edit running as a transaction of its own."""
        with self._audit.refusals(session, "write running"):
            await self.writes.run(self._write_running(session, entry, test))

    async def _write_running(
        self, session: Session, entry: LogEntry, test: TestOption | None
    ) -> None:
        self._require_direct(session)
        private = self._candidates.new()
        if test is TestOption.TEST_ONLY:
            try_edit(private, entry, self._access.edit_check(session))
            return
        try:
            private.edit(entry, self._access.edit_check(session))
            order, follow = Order(author=session), self._candidates.follow_running
            await self._transactions.commit(private, order, follow)
        finally:
            private.free()

    async def transact(self, request: CommitRequest, steps: Sequence[Step]) -> CommitRecord:
        """Make the steps in a private candidate, and that running.

        While a confirmed commit is pending only its persist-id lets a transaction in (others get a
        PendingError), which confirms it, or extends it. StepRefusedError: a step is wrong.
        """
        with self._audit.refusals(request.session, "transaction"):
            return await self.writes.run(self._transact(request, steps))

    async def _transact(self, request: CommitRequest, steps: Sequence[Step]) -> CommitRecord:
        session, earlier = request.session, self.confirms.pending
        self.require(session, Store.RUNNING)
        if request.persist_id is None:
            self.confirms.require_none()
        order = replace(self._unlocked_order(request), check=None)
        private = self._candidates.new()
        try:
            await take_steps(private, steps, self._access.edit_check(session))
            follow = self._candidates.follow_running
            record = await self._transactions.commit(private, order, follow)
        finally:
            private.free()
        self._follow(session, earlier, record)
        return record

    async def copy_candidate(self, session: Session) -> None:
        """Make the candidate running without a commit operation (RFC 6241, section 7.3)."""
        with self._audit.refusals(session, "copy candidate to running"):
            await self.writes.run(self._copy_candidate(session))

    async def _copy_candidate(self, session: Session) -> None:
        self._require_direct(session)
        check = self._access.commit_check(session)
        await self._commit_shared(Order(author=session, check=check))

    async def commit(self, request: CommitRequest) -> CommitRecord:
        """Make the candidate running."""
        with self._audit.refusals(request.session, "commit"):
            return await self.writes.run(self._commit(request))

    async def _commit(self, request: CommitRequest) -> CommitRecord:
        session, earlier = request.session, self.confirms.pending
        record = await self._commit_shared(self._order(request))
        self._follow(session, earlier, record)
        return record

    async def dry_run(self, request: CommitRequest) -> Tree:
        """Give what a commit would make running; the caller frees it."""
        return await self.writes.run(self._dry_run(request))

    async def _dry_run(self, request: CommitRequest) -> Tree:
        return await self._transactions.trial(self._candidates.shared, self._order(request))

    def _order(self, request: CommitRequest) -> Order:
        """Check whether a commit may be made now, and say what is asked of it."""
        self.require(request.session, Store.RUNNING, Store.CANDIDATE)
        return self._unlocked_order(request)

    def _unlocked_order(self, request: CommitRequest) -> Order:
        session = request.session
        self.confirms.require_commit(session, request.confirmed, request.persist_id)
        base = self._transactions.running.record.id
        return Order(
            author=session,
            check=self._access.commit_check(session),
            comment=request.comment,
            label=request.label,
            pend=partial(self.confirms.plan, request.confirmed, base),
        )

    async def _commit_shared(self, order: Order) -> CommitRecord:
        shared, renew = self._candidates.shared, self._candidates.renew
        record = await self._transactions.commit(shared, order, renew)
        if self._candidates.shared.log:
            renew()  # it changed nothing
        return record

    def require(self, session: Session, *targets: Store) -> None:
        """Refuse a write by a session that has ended, or to what another one has locked.

        Raises:
            ManagementError: operation-failed or in-use.
        """
        require_open(session)
        self._locks.require_writable(session, *targets)

    def _require_direct(self, session: Session) -> None:
        self.require(session, Store.RUNNING)
        self.confirms.require_none()

    # -- confirmed commits

    def _follow(
        self, session: Session, earlier: PendingConfirm | None, record: CommitRecord
    ) -> None:
        """Let the timer follow a commit, and tell what that means."""
        pending = record.pending
        self.confirms.hold(pending, session)
        if pending is not None:
            self.confirms.start_timer()
            event = ConfirmEvent.EXTEND if earlier else ConfirmEvent.START
            self._publish(event, session, session.id, pending.timeout)
            if session.closed:
                self.session_ended(session)
        elif earlier is not None:
            self._publish(ConfirmEvent.COMPLETE, session, session.id)

    async def cancel(self, session: Session, persist_id: str | None) -> None:
        """Roll the pending confirmed commit back (RFC 6241, section 8.4.4.1)."""
        with self._audit.refusals(session, "cancel-commit"):
            await self.writes.run(self._cancel(session, persist_id))

    async def _cancel(self, session: Session, persist_id: str | None) -> None:
        self.require(session, Store.RUNNING)
        self.confirms.require_cancel(session, persist_id)
        why = f"commit {self._transactions.running.record.id} was cancelled"
        if not await self._roll_back(session, why, ConfirmEvent.CANCEL, session.id):
            raise ManagementError.single(
                ErrorTag.ROLLBACK_FAILED, "the rollback failed and is tried again; see the log"
            )

    def session_ended(self, session: Session) -> None:
        """Go back if a confirmed commit is pending that was bound to a session."""
        pending = self.confirms.pending
        if pending is None or self.confirms.owner is not session:
            return
        if pending.persist is not None:
            self.confirms.owner = None
            return
        number = self._transactions.running.record.id
        why = f"session {session.id} ended before it confirmed commit {number}"
        self._roll_back_later(why, ConfirmEvent.CANCEL, session.id)

    def _expire(self) -> None:
        why = f"commit {self._transactions.running.record.id} was not confirmed in time"
        self._roll_back_later(why, ConfirmEvent.TIMEOUT, 0)

    def _roll_back_later(self, why: str, event: ConfirmEvent, session: int) -> None:
        pending = self.confirms.pending
        if self._stopping:
            return

        async def roll_back() -> None:
            if self.confirms.pending is pending:
                await self._roll_back(DAEMON, why, event, session)

        self.writes.begin(roll_back())

    async def _roll_back(self, author: Author, why: str, event: ConfirmEvent, session: int) -> bool:
        follow: Callable[[], None] = self._candidates.follow_running
        try:
            record = await self._transactions.roll_back(author, why, follow)
        except Exception:  # noqa: BLE001 - nobody may be left without the way back
            _log.exception("a rollback failed and is tried again in %g s", _RETRY)
            self.confirms.try_again(_RETRY)
            return False
        self.confirms.hold(None, None)
        self._report(record)
        self._publish(event, author, session)
        return True

    def _report(self, record: CommitRecord) -> None:
        _log.warning("%s: rolled back, commit %d runs", record.comment, record.id)

    def _publish(
        self, event: ConfirmEvent, author: Author, session: int, timeout: int | None = None
    ) -> None:
        record = self._transactions.running.record
        self._audit.confirmed(author, record, event)
        self._bus.publish(ConfirmedCommitChanged(event, record, session, timeout))
