"""The face of the datastore."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from flowexport_mgmt.datastore.components import Component, StateProvider, StateSnapshot
from flowexport_mgmt.datastore.events import Bus
from flowexport_mgmt.datastore.options import EditOptions, Store
from flowexport_mgmt.datastore.record import CommitRecord
from flowexport_mgmt.datastore.sessions import Lock, Session
from flowexport_mgmt.errors import Fault
from flowexport_mgmt.model.configuration import Configuration
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.edits import EditNode
from flowexport_mgmt.schema.tree import Tree

Source = Store | Sequence[EditNode]
"""Where a whole configuration comes from: a datastore, or one given inline."""


class Datastore:
    """Running, the shared candidate, sessions, locks, history, and what takes part in commits.

    All methods are called on one event loop. Every refusal is a ManagementError.
    """

    events: Bus
    schema: SchemaContext

    def __init__(
        self, schema: SchemaContext, folder: Path, *, now: Callable[[], datetime] | None = None
    ) -> None:
        raise NotImplementedError

    # -- life
    def load(self, init: Path | None = None) -> None:
        """Read running.json, or the init document, or start empty (StartError, exit 78)."""
        raise NotImplementedError

    async def start(self) -> None:
        """Give the running configuration to every component, restoring what can be (not strict)."""
        raise NotImplementedError

    async def restore(self, component: Component) -> None:
        """Give the running configuration to one component again, such as a restarted exporter."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Stop every component, last registered first, and free the trees."""
        raise NotImplementedError

    def register(self, component: Component) -> None:
        """Let a component take part in commits."""
        raise NotImplementedError

    def register_state(self, provider: StateProvider) -> None:
        """Let a provider report state."""
        raise NotImplementedError

    @property
    def record(self) -> CommitRecord:
        """The commit that running is."""
        raise NotImplementedError

    @property
    def configuration(self) -> Configuration:
        """The running configuration, typed."""
        raise NotImplementedError

    @property
    def sessions(self) -> Sequence[Session]:
        """The open sessions."""
        raise NotImplementedError

    rejected_sessions: int
    """Connections that doors refused; doors add to it."""

    # -- sessions
    def open_session(
        self, user: str, door: str, source: str, on_kill: Callable[[], None]
    ) -> Session:
        """Open a session with a new id."""
        raise NotImplementedError

    def close_session(self, session: Session) -> None:
        """End a session and its locks; a second time does nothing."""
        raise NotImplementedError

    def kill_session(self, session: Session, target: int) -> None:
        """End another session by its id (RFC 6241, section 7.9)."""
        raise NotImplementedError

    # -- reading
    def read(self, store: Store) -> Tree:
        """Give a copy of a datastore; the caller frees it."""
        raise NotImplementedError

    async def state(self, paths: Sequence[str] = ("/",)) -> StateSnapshot:
        """Ask the providers of the given schema paths."""
        raise NotImplementedError

    async def operational(self, paths: Sequence[str] = ("/",)) -> Tree:
        """Give configuration and state in one tree; the caller frees it."""
        raise NotImplementedError

    # -- writing
    async def edit(
        self, session: Session, target: Store, edits: Sequence[EditNode], options: EditOptions
    ) -> None:
        """Edit the candidate, or running as a transaction of its own (RFC 6241, section 7.2)."""
        raise NotImplementedError

    async def copy(self, session: Session, target: Store, source: Source) -> None:
        """Replace a whole datastore (RFC 6241, section 7.3)."""
        raise NotImplementedError

    def delete(self, session: Session, target: Store) -> None:
        """Refuse to delete a datastore (RFC 6241, section 7.4): none of ours can be."""
        raise NotImplementedError

    def validate(self, session: Session, source: Source) -> None:
        """Check a whole configuration (RFC 6241, section 8.6)."""
        raise NotImplementedError

    async def commit(self, session: Session, *, comment: str = "") -> CommitRecord:
        """Make the candidate running; without a change, running's record is the answer."""
        raise NotImplementedError

    def discard(self, session: Session) -> None:
        """Make the candidate equal to running again."""
        raise NotImplementedError

    def lock(self, session: Session, target: Store) -> None:
        """Keep others from changing a datastore (RFC 6241, section 7.5)."""
        raise NotImplementedError

    def unlock(self, session: Session, target: Store) -> None:
        """Release a lock (RFC 6241, section 7.6)."""
        raise NotImplementedError

    def lock_of(self, store: Store) -> Lock | None:
        """Give the lock on a datastore: its session and since when (ietf-netconf-monitoring)."""
        raise NotImplementedError


def check_document(schema: SchemaContext, path: Path) -> tuple[Fault, ...]:
    """Check an instance document in JSON or XML; no faults means that it would be accepted."""
    raise NotImplementedError
