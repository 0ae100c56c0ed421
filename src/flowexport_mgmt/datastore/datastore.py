"""The face of the datastore."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from flowexport_mgmt.datastore.access import AccessControl
from flowexport_mgmt.datastore.audit import Audit
from flowexport_mgmt.datastore.calls import Action, Calls, Output, Parameters, Provider
from flowexport_mgmt.datastore.candidate import LogEntry
from flowexport_mgmt.datastore.candidates import Candidates, Source, whole
from flowexport_mgmt.datastore.cleartext import hash_cleartext
from flowexport_mgmt.datastore.clock import Clock
from flowexport_mgmt.datastore.commits import CommitRequest, Commits
from flowexport_mgmt.datastore.components import Component, StateProvider, StateSnapshot
from flowexport_mgmt.datastore.confirm import Confirmed
from flowexport_mgmt.datastore.documents import valid_configuration
from flowexport_mgmt.datastore.events import Bus
from flowexport_mgmt.datastore.files import StateFolder, Stored
from flowexport_mgmt.datastore.host import HostName
from flowexport_mgmt.datastore.locks import Lock, Locks, changed_candidate
from flowexport_mgmt.datastore.options import EditOptions, Store
from flowexport_mgmt.datastore.own_state import OwnState, PendingReport, SessionReport
from flowexport_mgmt.datastore.participants import Participants
from flowexport_mgmt.datastore.record import CommitRecord, PendingConfirm
from flowexport_mgmt.datastore.running import load
from flowexport_mgmt.datastore.sessions import Session, Sessions, require_open
from flowexport_mgmt.datastore.state import StateReader
from flowexport_mgmt.datastore.steps import Step
from flowexport_mgmt.datastore.transaction import Transactions
from flowexport_mgmt.errors import ErrorTag, ErrorType, ManagementError
from flowexport_mgmt.model.configuration import Configuration
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.edits import EditNode
from flowexport_mgmt.schema.from_json import edits_from_json
from flowexport_mgmt.schema.tree import Format, Tree


class Datastore:
    """Running, the shared candidate, sessions, locks, history, and what takes part in commits.

    All methods are called on one event loop. Every refusal is a ManagementError that has left
    everything as it was.

    Args:
        schema: the modules that are served.
        folder: the state folder.
        life: names this run of flowexportd: a confirmed commit of another one is rolled back.
        clock: the time.
    """

    def __init__(
        self, schema: SchemaContext, folder: Path, *, life: str = "", clock: Clock | None = None
    ) -> None:
        self.schema = schema
        self.events = Bus()
        self.rejected_sessions = 0
        self._clock = clock or Clock()
        self._files = StateFolder(folder)
        self._participants = Participants(schema)
        self._audit = Audit(folder, self._clock)
        self._transactions = Transactions(
            schema,
            self._files,
            self._participants,
            bus=self.events,
            audit=self._audit,
            clock=self._clock,
        )
        self._sessions = Sessions()
        self._locks = Locks()
        self._candidates = Candidates(lambda: self._transactions.running)
        self.access = AccessControl(
            schema,
            lambda: self.configuration,
            lambda session, rpc, fault: self._audit.refused(session, rpc, (fault,)),
        )
        self._commits = Commits(
            self._transactions,
            self._candidates,
            self._locks,
            self.access,
            bus=self.events,
            audit=self._audit,
            clock=self._clock,
            life=life,
        )
        self._state = StateReader(schema)
        self._calls = Calls(self.access, lambda: self._transactions.running.tree)
        own = OwnState(self._report, lambda: self.history, self._report_pending, self._audit)
        self._state.register(self.access, HostName(), own)

    # -- life

    def load(self, init: Path | None = None, data: bytes | None = None) -> None:
        """Read running.json, or else the init document, or else begin without configuration.

        A confirmed commit that was pending is rolled back, unless only the manager was started
        again and the commit has a persist token. ``data`` is the content of the init document where
        it has been read already.

        Raises:
            StartError: there is something, and it cannot be used; it is left as it is.
        """
        self._transactions.begin(load(self.schema, self._files, self._clock.text, init, data))
        try:
            self._commits.begin()
        except ManagementError as error:
            self._transactions.running.tree.free()
            raise self._files.unusable(f"the configuration to go back to: {error}") from None
        self._candidates.renew()

    def register(self, component: Component) -> None:
        """Let a component take part in commits."""
        self._participants.register(component)

    def register_state(self, provider: StateProvider) -> None:
        """Let a provider report state."""
        self._state.register(provider)

    def register_call(self, name: str, provider: Provider) -> None:
        """Let a provider carry out an operation of our own modules."""
        self._calls.register(name, provider)

    async def call(self, name: str, parameters: Parameters) -> Output:
        """Have an operation of our own modules carried out; see Calls.call."""
        return await self._calls.call(name, parameters)

    async def act(self, session: Session, action: Action) -> Output:
        """Have an action of a node of running carried out; see Calls.act."""
        return await self._calls.act(session, action)

    async def start(self) -> None:
        """Give running to every component, which does of it what it can."""
        async with self._commits.writes.lock:
            await self._participants.restore(self.configuration, self.record.id)
        self._commits.start()

    async def restore(self, *components: Component) -> None:
        """Give running again to some, such as an exporter that was started again, or to all."""
        async with self._commits.writes.lock:
            await self._participants.restore(self.configuration, self.record.id, components or None)

    async def stop(self) -> None:
        """Let commits under way end, stop every component, and free the trees."""
        await self._commits.drain()
        await self._participants.stop()
        await self._commits.drain()
        self._candidates.free()
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

    @property
    def pending(self) -> PendingConfirm | None:
        """What the latest commit waits for, if it is a confirmed commit nobody has confirmed."""
        return self._commits.confirms.pending

    # -- sessions

    @property
    def sessions(self) -> Sequence[Session]:
        """The open sessions."""
        return self._sessions.all

    def open_session(
        self,
        user: str,
        door: str,
        source: str,
        on_kill: Callable[[], None],
        *,
        recovery: bool = False,
        confined_to: str | None = None,
    ) -> Session:
        """Open a session with a new id; one for recovery obeys no rules of access.

        One that is confined may write at and below that path, read everything, and do nothing else,
        whatever rules say: a leaf of the configuration opens the door that it comes by.
        """
        now = self._clock.text()
        return self._sessions.open(
            user, door, source, now, on_kill, recovery=recovery, confined_to=confined_to
        )

    def close_session(self, session: Session) -> None:
        """End a session and its locks; a second time does nothing.

        What a session has in a candidate that it had locked goes with it, since nobody else could
        have put it there; a confirmed commit that was bound to it is rolled back.
        """
        if not self._sessions.close(session):
            return
        if Store.CANDIDATE in self._locks.release(session):
            self._candidates.renew()
        self._commits.session_ended(session)

    def kill_session(self, session: Session, target: int) -> None:
        """End another session by its id (RFC 6241, section 7.9)."""
        victim = self._sessions.to_kill(session, target)
        victim.killed_by = session.id
        self.close_session(victim)
        victim.on_kill()

    def _report(self) -> SessionReport:
        return SessionReport(
            [(s, tuple(map(str, self._locks.held_by(s)))) for s in self._sessions.all],
            self.rejected_sessions,
        )

    def _report_pending(self) -> PendingReport | None:
        confirms = self._commits.confirms
        if confirms.pending is None:
            return None
        return PendingReport(self.record, confirms.pending, confirms.owner, confirms.remaining)

    # -- reading

    def read(self, store: Store) -> Tree:
        """Give a copy of a datastore; the caller frees it."""
        return self._candidates.tree(store).duplicate()

    def read_commit(self, number: int) -> Tree:
        """Give the configuration of a commit of the history; the caller frees it.

        Raises:
            ManagementError: invalid-value: that commit is not kept.
        """
        return Tree.parse(self.schema, self._stored(number).document, Format.JSON)

    def _stored(self, number: int) -> Stored:
        stored = self._files.entry(number)
        if stored is None:
            message = f"commit {number} is not in the history"
            raise ManagementError.single(ErrorTag.INVALID_VALUE, message, type=ErrorType.PROTOCOL)
        return stored

    async def state(self, paths: Sequence[str] = ("/",)) -> StateSnapshot:
        """Ask the providers of the given schema paths."""
        return await self._state.read(paths)

    async def operational(self, paths: Sequence[str] = ("/",), *, whole: bool = True) -> Tree:
        """Give configuration, if ``whole``, and the state of paths in one tree to be freed."""
        snapshot = await self._state.read(paths)
        running = self._candidates.tree(Store.RUNNING)
        tree = running.duplicate() if whole else Tree(self.schema)
        return self._state.add_to(tree, snapshot, paths, running)

    # -- locks

    def lock(self, session: Session, target: Store) -> None:
        """Keep others from changing a datastore (RFC 6241, section 7.5)."""
        require_open(session)
        if target is Store.CANDIDATE and self._candidates.shared.modified:
            raise changed_candidate()
        if target is Store.RUNNING:
            self._commits.confirms.require_lockable(session)
        self._locks.lock(session, target, self._clock.text())

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
        entry = LogEntry(await hash_cleartext(edits), options.default_operation)
        if target is Store.RUNNING:
            await self._commits.write_running(session, entry, options.test_option)
            return
        async with self._commits.writes.lock:
            self._commits.require(session, target)
            check = self.access.edit_check(session)
            with self._audit.refusals(session, "edit candidate", ErrorTag.ACCESS_DENIED):
                self._candidates.edit(entry, options.test_option, check)

    async def copy(self, session: Session, target: Store, source: Source) -> None:
        """Replace a whole datastore (RFC 6241, section 7.3)."""
        if target is source:
            raise ManagementError.single(
                ErrorTag.INVALID_VALUE, f"{target} is both source and target"
            )
        if not isinstance(source, Store):
            source = await hash_cleartext(source)
        if source is Store.CANDIDATE:
            await self._commits.copy_candidate(session)
        elif target is Store.RUNNING:
            await self._commits.write_running(session, whole(source))
        else:
            async with self._commits.writes.lock:
                self._commits.require(session, target)
                self._candidates.replace(source, self.access.edit_check(session))

    def delete(self, session: Session, target: Store) -> None:
        """Refuse to delete a datastore (RFC 6241, section 7.4): none of these can be."""
        require_open(session)
        raise ManagementError.single(
            ErrorTag.OPERATION_NOT_SUPPORTED, f"{target} cannot be deleted"
        )

    def validate(self, session: Session, source: Source) -> None:
        """Check a whole configuration (RFC 6241, section 8.6)."""
        require_open(session)
        if isinstance(source, Store):
            self._candidates.validate(source)
        else:
            valid_configuration(self.schema, tuple(source)).tree.free()

    async def commit(
        self,
        session: Session,
        *,
        comment: str = "",
        label: str = "",
        confirmed: Confirmed | None = None,
        persist_id: str | None = None,
    ) -> CommitRecord:
        """Make the candidate running (RFC 6241, sections 8.3 and 8.4).

        A candidate that changes nothing makes no commit, and running's record is the answer; it
        still confirms, or extends, a confirmed commit that is pending.

        Args:
            session: whose commit it is.
            comment: why, for the history.
            label: a name for the commit, for the history.
            confirmed: that it has to be confirmed, and how; None confirms what is pending.
            persist_id: the token of the confirmed commit that is pending.
        """
        return await self._commits.commit(
            CommitRequest(session, comment, label, confirmed, persist_id)
        )

    async def transact(
        self,
        session: Session,
        steps: Sequence[Step],
        *,
        comment: str = "",
        confirmed: Confirmed | None = None,
        persist_id: str | None = None,
    ) -> CommitRecord:
        """Make steps in a private candidate and commit it, all or none; see Commits.transact."""
        request = CommitRequest(session, comment, "", confirmed, persist_id)
        return await self._commits.transact(request, steps)

    async def dry_run(
        self,
        session: Session,
        *,
        confirmed: Confirmed | None = None,
        persist_id: str | None = None,
    ) -> Tree:
        """Give what a commit would make running, and change nothing; the caller frees it.

        Whatever would refuse the commit refuses this too.
        """
        return await self._commits.dry_run(
            CommitRequest(session, confirmed=confirmed, persist_id=persist_id)
        )

    async def load_commit(self, session: Session, number: int) -> None:
        """Make the candidate equal to a commit of the history."""
        stored = self._stored(number)
        edits = edits_from_json(self.schema, stored.document)
        async with self._commits.writes.lock:
            self._commits.require(session, Store.CANDIDATE)
            self._candidates.replace(edits, self.access.edit_check(session))

    async def cancel_commit(self, session: Session, persist_id: str | None = None) -> None:
        """Roll the pending confirmed commit back (RFC 6241, section 8.4.4.1)."""
        await self._commits.cancel(session, persist_id)

    def discard(self, session: Session) -> None:
        """Make the candidate equal to running again."""
        self._commits.require(session, Store.CANDIDATE)
        self._candidates.renew()
