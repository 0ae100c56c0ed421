"""Locks of whole datastores (RFC 6241, sections 7.5 and 7.6)."""

from __future__ import annotations

from flowexport_mgmt.datastore.options import Store
from flowexport_mgmt.datastore.sessions import Session
from flowexport_mgmt.errors import ErrorTag, ErrorType, ManagementError


class Locks:
    """Who holds which lock."""

    def __init__(self) -> None:
        self._holders: dict[Store, Session] = {}

    def held_by(self, session: Session) -> tuple[Store, ...]:
        """Give the datastores that a session has locked."""
        return tuple(store for store, holder in self._holders.items() if holder is session)

    def lock(self, session: Session, store: Store) -> None:
        """Take a lock.

        Raises:
            ManagementError: lock-denied, with the holder's session-id.
        """
        holder = self._holders.get(store)
        if holder is not None:
            raise ManagementError.single(
                ErrorTag.LOCK_DENIED,
                f"{store} is locked by session {holder.id} ({holder.user})",
                type=ErrorType.PROTOCOL,
                info={"session-id": str(holder.id)},
            )
        self._holders[store] = session

    def unlock(self, session: Session, store: Store) -> None:
        """Release a lock.

        Raises:
            ManagementError: operation-failed when the session does not hold it.
        """
        holder = self._holders.get(store)
        if holder is not session:
            by = f"by session {holder.id} ({holder.user})" if holder else "by nobody"
            raise ManagementError.single(
                ErrorTag.OPERATION_FAILED,
                f"{store} is locked {by}, not by this session",
                type=ErrorType.PROTOCOL,
            )
        del self._holders[store]

    def release(self, session: Session) -> tuple[Store, ...]:
        """Release all locks of a session that ends, and give what it had locked."""
        held = self.held_by(session)
        for store in held:
            del self._holders[store]
        return held

    def require_writable(self, session: Session, *stores: Store) -> None:
        """Refuse a write to what another session has locked.

        Raises:
            ManagementError: in-use.
        """
        for store in stores:
            holder = self._holders.get(store)
            if holder is not None and holder is not session:
                raise ManagementError.single(
                    ErrorTag.IN_USE,
                    f"{store} is locked by session {holder.id} ({holder.user})",
                    type=ErrorType.PROTOCOL,
                )
