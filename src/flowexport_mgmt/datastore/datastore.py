"""The face of the datastore."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from flowexport_mgmt.datastore.candidate import Candidate, LogEntry
from flowexport_mgmt.datastore.components import Component, StateProvider, StateSnapshot
from flowexport_mgmt.datastore.documents import valid_configuration
from flowexport_mgmt.datastore.events import Bus
from flowexport_mgmt.datastore.files import StateFolder
from flowexport_mgmt.datastore.locks import Lock, Locks
from flowexport_mgmt.datastore.options import EditOptions, Store, TestOption
from flowexport_mgmt.datastore.own_state import OwnState, SessionReport
from flowexport_mgmt.datastore.participants import Participants
from flowexport_mgmt.datastore.record import CommitRecord
from flowexport_mgmt.datastore.running import load
from flowexport_mgmt.datastore.sessions import Session, Sessions, require_open
from flowexport_mgmt.datastore.state import StateReader
from flowexport_mgmt.datastore.transaction import Transactions
from flowexport_mgmt.datastore.validation import validate
from flowexport_mgmt.errors import ErrorTag, ErrorType, ManagementError
from flowexport_mgmt.model.configuration import Configuration
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.edits import EditNode
from flowexport_mgmt.schema.tree import Tree

Source = Store | Sequence[EditNode]
"""Where a whole configuration comes from: a datastore, or one given inline."""

_Result = TypeVar("_Result")


def _utc() -> datetime:
    return datetime.now(UTC)


class Datastore:
    """Running, the shared candidate, sessions, locks, history, and what takes part in commits.

    All methods are called on one event loop. Every refusal is a ManagementError that has left
    everything as it was.

    Args:
        schema: the modules that are served.
        folder: the state folder.
        now: the clock, for records.
    """

    def __init__(
        self, schema: SchemaContext, folder: Path, *, now: Callable[[], datetime] = _utc
    ) -> None:
        self.schema = schema
        self.events = Bus()
        self.rejected_sessions = 0
        self._clock = now
        self._files = StateFolder(folder)
        self._participants = Participants(schema)
        self._transactions = Transactions(
            schema, self._files, self._participants, self.events, self._now
        )
        self._sessions = Sessions()
        self._locks = Locks()
        self._candidate: Candidate | None = None
        self._writing = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._state = StateReader(schema)
        self._state.register(OwnState(self._report, lambda: self._transactions.history))

    # -- life

    def load(self, init: Path | None = None, data: bytes | None = None) -> None:
        """Read running.json, or else the init document, or else begin without configuration.

        ``data`` is the content of the init document where it has been read already.

        Raises:
            StartError: there is something, and it cannot be used; it is left as it is.
        """
        self._transactions.begin(load(self.schema, self._files, self._now, init, data))
        self._renew_candidate()

    def register(self, component: Component) -> None:
        """Let a component take part in commits."""
        self._participants.register(component)

    def register_state(self, provider: StateProvider) -> None:
        """Let a provider report state."""
        self._state.register(provider)

    async def start(self) -> None:
        """Give running to every component, which does of it what it can."""
        async with self._writing:
            await self._participants.restore(self.configuration, self.record.id)

    async def restore(self, component: Component) -> None:
        """Give running to one component again, such as an exporter that was started again."""
        async with self._writing:
            await self._participants.restore(self.configuration, self.record.id, [component])

    async def stop(self) -> None:
        """Let commits under way end, stop every component, and free the trees."""
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._participants.stop()
        self._shared.free()
        self._transactions.running.tree.free()

    # -- what is committed

    @property
    def record(self) -> CommitRecord:
        """The commit that running is."""
        return self._transactions.running.record

    @property
    def configuration(self) -> Configuration:
        """Running, typed."""
        return self._transactions.running.configuration

    @property
    def history(self) -> Sequence[CommitRecord]:
        """The kept commits, oldest first."""
        return tuple(self._transactions.history)

    # -- sessions

    @property
    def sessions(self) -> Sequence[Session]:
        """The open sessions."""
        return self._sessions.all

    def open_session(
        self, user: str, door: str, source: str, on_kill: Callable[[], None]
    ) -> Session:
        """Open a session with a new id."""
        return self._sessions.open(user, door, source, self._now(), on_kill)

    def close_session(self, session: Session) -> None:
        """End a session and its locks; a second time does nothing.

        What a session has in a candidate that it had locked goes with it, since nobody else could
        have put it there.
        """
        if not self._sessions.close(session):
            return
        if Store.CANDIDATE in self._locks.release(session):
            self._renew_candidate()

    def kill_session(self, session: Session, target: int) -> None:
        """End another session by its id (RFC 6241, section 7.9)."""
        victim = self._sessions.to_kill(session, target)
        self.close_session(victim)
        victim.on_kill()

    def _now(self) -> str:
        return self._clock().isoformat(timespec="milliseconds")

    def _report(self) -> SessionReport:
        return SessionReport(
            [(s, tuple(map(str, self._locks.held_by(s)))) for s in self._sessions.all],
            self.rejected_sessions,
        )

    # -- reading

    def read(self, store: Store) -> Tree:
        """Give a copy of a datastore; the caller frees it."""
        return self._tree(store).duplicate()

    async def state(self, paths: Sequence[str] = ("/",)) -> StateSnapshot:
        """Ask the providers of the given schema paths."""
        return await self._state.read(paths)

    async def operational(self, paths: Sequence[str] = ("/",)) -> Tree:
        """Give configuration and the state of the given paths in one tree; the caller frees it."""
        snapshot = await self._state.read(paths)
        tree = self.read(Store.RUNNING)
        self._state.add_to(tree, snapshot, paths)
        return tree

    # -- locks

    def lock(self, session: Session, target: Store) -> None:
        """Keep others from changing a datastore (RFC 6241, section 7.5)."""
        require_open(session)
        if target is Store.CANDIDATE and self._shared.modified:
            raise ManagementError.single(
                ErrorTag.LOCK_DENIED,
                "candidate has changes that are neither committed nor discarded",
                type=ErrorType.PROTOCOL,
                info={"session-id": "0"},
            )
        self._locks.lock(session, target, self._now())

    def unlock(self, session: Session, target: Store) -> None:
        """Release a lock (RFC 6241, section 7.6)."""
        self._locks.unlock(session, target)

    def lock_of(self, store: Store) -> Lock | None:
        """Give the lock on a datastore, if there is one."""
        return self._locks.of(store)

    # -- writing

    async def edit(
        self, session: Session, target: Store, edits: Sequence[EditNode], options: EditOptions
    ) -> None:
        """Edit the candidate, or running as a transaction of its own (RFC 6241, section 7.2)."""
        entry = LogEntry(tuple(edits), options.default_operation)
        if target is Store.RUNNING:
            await self._alone(self._edit_running(session, entry, options.test_option))
            return
        async with self._writing:
            self._require(session, target)
            self._edit_candidate(entry, options.test_option)

    def _edit_candidate(self, entry: LogEntry, test: TestOption | None) -> None:
        if test in (TestOption.TEST_THEN_SET, TestOption.TEST_ONLY):
            self._try(self._shared, entry)
        if test is not TestOption.TEST_ONLY:
            self._shared.edit(entry)

    async def _edit_running(
        self, session: Session, entry: LogEntry, test: TestOption | None
    ) -> None:
        self._require(session, Store.RUNNING)
        private = self._new_candidate()
        if test is TestOption.TEST_ONLY:
            self._try(private, entry)
            return
        try:
            private.edit(entry)
            await self._transactions.commit(private, session, "", self._follow_running)
        finally:
            private.free()

    def _try(self, candidate: Candidate, entry: LogEntry) -> None:
        """Validate what edits would make of a candidate."""

        def given() -> list[str]:
            return [*candidate.given(), *entry.given()]

        with candidate.trial(entry) as tree:
            validate(tree, given).tree.free()

    async def copy(self, session: Session, target: Store, source: Source) -> None:
        """Replace a whole datastore (RFC 6241, section 7.3)."""
        if target is source:
            raise ManagementError.single(
                ErrorTag.INVALID_VALUE, f"{target} is both source and target"
            )
        if source is Store.CANDIDATE:
            await self._alone(self._commit(session, "", Store.RUNNING))
        elif target is Store.RUNNING:
            await self._alone(self._edit_running(session, _whole(source), None))
        else:
            async with self._writing:
                self._require(session, target)
                self._replace_candidate(source)

    def _replace_candidate(self, source: Source) -> None:
        self._renew_candidate()
        if source is not Store.RUNNING:
            self._shared.edit(_whole(source))

    def delete(self, session: Session, target: Store) -> None:
        """Refuse to delete a datastore (RFC 6241, section 7.4): none of these can be."""
        require_open(session)
        raise ManagementError.single(
            ErrorTag.OPERATION_NOT_SUPPORTED, f"{target} cannot be deleted"
        )

    def validate(self, session: Session, source: Source) -> None:
        """Check a whole configuration (RFC 6241, section 8.6)."""
        require_open(session)
        if not isinstance(source, Store):
            valid_configuration(self.schema, tuple(source)).tree.free()
        elif source is Store.RUNNING or self._is_current(self._shared):
            candidate = self._shared if source is Store.CANDIDATE else self._new_candidate()
            validate(candidate.tree, candidate.given).tree.free()
        else:
            self._validate_rebased()

    def _validate_rebased(self) -> None:
        running = self._transactions.running
        candidate = self._shared.rebased(running.record, running.tree)
        try:
            validate(candidate.tree, candidate.given).tree.free()
        finally:
            candidate.free()

    async def commit(self, session: Session, *, comment: str = "") -> CommitRecord:
        """Make the candidate running.

        A candidate that changes nothing makes no commit, and running's record is the answer.
        """
        return await self._alone(self._commit(session, comment, Store.RUNNING, Store.CANDIDATE))

    async def _commit(self, session: Session, comment: str, *written: Store) -> CommitRecord:
        self._require(session, *written)
        commit = self._transactions.commit
        record = await commit(self._shared, session, comment, self._renew_candidate)
        if self._shared.log:
            self._renew_candidate()  # it changed nothing
        return record

    def discard(self, session: Session) -> None:
        """Make the candidate equal to running again."""
        self._require(session, Store.CANDIDATE)
        self._renew_candidate()

    # -- inside

    def _require(self, session: Session, *targets: Store) -> None:
        require_open(session)
        self._locks.require_writable(session, *targets)

    async def _alone(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """Run a write while no other runs; once begun it ends, whatever becomes of its caller."""

        async def run() -> _Result:
            async with self._writing:
                return await work

        task = asyncio.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return await asyncio.shield(task)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # its caller may be gone; nobody else wants to know

    @property
    def _shared(self) -> Candidate:
        if self._candidate is None:
            raise RuntimeError("the datastore was not loaded")
        return self._candidate

    def _tree(self, store: Store) -> Tree:
        return self._shared.tree if store is Store.CANDIDATE else self._transactions.running.tree

    def _new_candidate(self) -> Candidate:
        running = self._transactions.running
        return Candidate(running.record, running.tree)

    def _is_current(self, candidate: Candidate) -> bool:
        return candidate.base.id == self.record.id

    def _renew_candidate(self) -> None:
        if self._candidate is not None:
            self._candidate.free()
        self._candidate = self._new_candidate()

    def _follow_running(self) -> None:
        """Let a candidate without edits stay equal to running; another one keeps its base."""
        if self._shared.log:
            self._shared.keep_tree()
        else:
            self._renew_candidate()


def _whole(source: Source) -> LogEntry:
    """Give the log entry of a configuration that is given inline."""
    return LogEntry(() if isinstance(source, Store) else tuple(source), None)
