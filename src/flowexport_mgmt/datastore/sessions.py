"""Management sessions: who is in, through which door, and what they have done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from flowexport_mgmt.errors import ErrorTag, ErrorType, ManagementError


@dataclass(eq=False, slots=True)
class Session:
    """One session of a door. The door counts its requests here; the datastore owns the rest.

    ``door`` names the way in (``netconf-ssh``, ``netconf-unix``), ``source`` where from, ``since``
    is RFC 3339 text. ``on_kill`` ends the session's transport when another session kills it, and
    ``killed_by`` is then the id of that one. ``recovery`` is that of RFC 8341, section 2.4: no
    rules of access count for it. ``confined_to`` is the one path below which a session may write
    that has rights of its own instead of those of rules.
    """

    id: int
    user: str
    door: str
    source: str
    since: str
    on_kill: Callable[[], None]
    recovery: bool = False
    confined_to: str | None = None
    closed: bool = False
    in_rpcs: int = field(default=0)
    in_bad_rpcs: int = field(default=0)
    out_rpc_errors: int = field(default=0)
    out_notifications: int = field(default=0)
    killed_by: int = field(default=0)


class Sessions:
    """The open sessions by id; ids are never used twice while the daemon runs."""

    def __init__(self) -> None:
        self._open: dict[int, Session] = {}
        self._last = 0

    def open(
        self,
        user: str,
        door: str,
        source: str,
        since: str,
        on_kill: Callable[[], None],
        *,
        recovery: bool,
        confined_to: str | None = None,
    ) -> Session:
        """Open a session."""
        self._last += 1
        session = Session(self._last, user, door, source, since, on_kill, recovery, confined_to)
        self._open[session.id] = session
        return session

    def close(self, session: Session) -> bool:
        """Close a session; say whether it was open."""
        session.closed = True
        return self._open.pop(session.id, None) is not None

    def to_kill(self, session: Session, target: int) -> Session:
        """Find the session that another one wants to end (RFC 6241, section 7.9).

        Raises:
            ManagementError: invalid-value for the session's own id and for one that is not open.
        """
        found = self._open.get(target)
        if found is None or found is session:
            own = "is this session" if found else "is not open"
            raise ManagementError.single(
                ErrorTag.INVALID_VALUE, f"session {target} {own}", type=ErrorType.PROTOCOL
            )
        return found

    @property
    def all(self) -> tuple[Session, ...]:
        """The open sessions in the order of their ids."""
        return tuple(self._open.values())


def require_open(session: Session) -> None:
    """Refuse what a session that has ended still had under way.

    Raises:
        ManagementError: operation-failed.
    """
    if session.closed:
        raise ManagementError.single(ErrorTag.OPERATION_FAILED, "the session has ended")
