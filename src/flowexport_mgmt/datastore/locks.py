"""Locks of whole datastores (RFC 6241, sections 7.5 and 7.6)."""

from __future__ import annotations

from dataclasses import dataclass

from flowexport_mgmt.datastore.options import Store
from flowexport_mgmt.datastore.sessions import Session
from flowexport_mgmt.errors import ErrorTag, ErrorType, ManagementError


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock: who holds it, and since when (RFC 3339 text)."""

    session: Session
    since: str


class Locks:
    """Who holds which lock."""

    def __init__(self) -> None:
        self._locks: dict[Store, Lock] = {}

    def held_by(self, session: Session) -> tuple[Store, ...]:
        """Give the datastores that a session has locked."""
        return tuple(store for store, lock in self._locks.items() if lock.session is session)

    def of(self, store: Store) -> Lock | None:
        """Give the lock on a datastore, if there is one."""
        return self._locks.get(store)

    def lock(self, session: Session, store: Store, since: str) -> None:
        """Take a lock.

        Raises:
            ManagementError: lock-denied, with the holder's session-id.
        """
        holder = self._holder(store)
        if holder is not None:
            raise ManagementError.single(
                ErrorTag.LOCK_DENIED,
                f"{store} is locked by session {holder.id} ({holder.user})",
                type=ErrorType.PROTOCOL,
                info={"session-id": str(holder.id)},
            )
        self._locks[store] = Lock(session, since)

    def unlock(self, session: Session, store: Store) -> None:
        """Release a lock.

        Raises:
            ManagementError: operation-failed when the session does not hold it.
        """
        holder = self._holder(store)
        if holder is not session:
            by = f"by session {holder.id} ({holder.user})" if holder else "by nobody"
            raise ManagementError.single(
                ErrorTag.OPERATION_FAILED,
                f"{store} is locked {by}, not by this session",
                type=ErrorType.PROTOCOL,
            )
        del self._locks[store]

    def release(self, session: Session) -> tuple[Store, ...]:
        """Release all locks of a session that ends, and give what it had locked."""
        held = self.held_by(session)
        for store in held:
            del self._locks[store]
        return held

    def require_writable(self, session: Session, *stores: Store) -> None:
        """Refuse a write to what another session has locked.

        Raises:
            ManagementError: in-use.
        """
        for store in stores:
            holder = self._holder(store)
            if holder is not None and holder is not session:
                raise ManagementError.single(
                    ErrorTag.IN_USE,
                    f"{store} is locked by session {holder.id} ({holder.user})",
                    type=ErrorType.PROTOCOL,
                )

    def _holder(self, store: Store) -> Session | None:
        lock = self._locks.get(store)
        return lock.session if lock else None


def changed_candidate() -> ManagementError:
    """Make the refusal of a lock on a candidate with changes (RFC 6241, section 8.3.5.2)."""
    return ManagementError.single(
        ErrorTag.LOCK_DENIED,
        "candidate has changes that are neither committed nor discarded",
        type=ErrorType.PROTOCOL,
        info={"session-id": "0"},
    )
