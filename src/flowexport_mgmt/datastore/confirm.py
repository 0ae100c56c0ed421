"""Confirmed commits (RFC 6241, section 8.4): one at most is pending, for all doors together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flowexport_mgmt.datastore.clock import Clock, Timer
from flowexport_mgmt.datastore.record import PendingConfirm
from flowexport_mgmt.datastore.sessions import Session
from flowexport_mgmt.errors import ErrorTag, ErrorType, ManagementError

DEFAULT_TIMEOUT = 600
MAX_TIMEOUT = 0xFFFFFFFF
MAX_TOKEN = 1024


class PendingError(ManagementError):
    """A write was refused because a confirmed commit is pending."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmed:
    """How a commit wants to be confirmed: within ``timeout`` seconds, or it is rolled back.

    With a ``persist`` token it outlives its session, and any session that knows the token may
    extend, confirm or cancel it.
    """

    timeout: int = DEFAULT_TIMEOUT
    persist: str | None = None


class ConfirmedCommits:
    """Who may do what while a confirmed commit is pending, and when its time is up.

    Args:
        clock: the clock.
        life: the name of this run of flowexportd.
        expired: called when a pending confirmed commit was not confirmed in time.
    """

    def __init__(self, clock: Clock, life: str, expired: Callable[[], None]) -> None:
        self._clock = clock
        self._life = life
        self._expired = expired
        self._timer: Timer | None = None
        self.pending: PendingConfirm | None = None
        self.owner: Session | None = None
        """The session that issued it, while that is open."""

    # -- the life of one

    def plan(self, wanted: Confirmed | None, base: int) -> PendingConfirm | None:
        """Give what the next commit, on top of commit ``base``, will wait for.

        A follow-up goes back where the first one would, and keeps its token unless it brings
        another.
        """
        if wanted is None:
            return None
        earlier = self.pending
        token = earlier.persist if earlier is not None else None
        return PendingConfirm(
            back_to=base if earlier is None else earlier.back_to,
            timeout=wanted.timeout,
            expires=self._clock.monotonic() + wanted.timeout,
            deadline=self._clock.text(wanted.timeout),
            life=self._life,
            persist=token if wanted.persist is None else wanted.persist,
        )

    def outlives_restart(self, pending: PendingConfirm) -> bool:
        """Say whether a pending one that was found on disk goes on."""
        return pending.life == self._life and pending.persist is not None

    def hold(self, pending: PendingConfirm | None, owner: Session | None) -> None:
        """Take over what the latest commit waits for, if anything, and forget what was before."""
        self._stop_timer()
        self.pending = pending
        self.owner = owner if pending is not None else None

    def start_timer(self) -> None:
        """Watch the deadline; call it on the event loop."""
        if self.pending is not None:
            self._stop_timer()
            self._timer = self._clock.call_later(self.remaining, self._expired)

    def try_again(self, seconds: float) -> None:
        """Have `expired` called once more after a while, because it could not do its work."""
        self._stop_timer()
        self._timer = self._clock.call_later(seconds, self._expired)

    def stop(self) -> None:
        """Watch no deadline any more; a restart settles what is pending."""
        self._stop_timer()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def remaining(self) -> float:
        """Seconds until the deadline; 0 when it has passed or nothing is pending."""
        if self.pending is None:
            return 0.0
        left = self.pending.expires - self._clock.monotonic()
        return min(max(left, 0.0), float(self.pending.timeout))

    # -- who may do what

    def require_none(self) -> None:
        """Refuse a direct write to running while one is pending.

        Raises:
            PendingError: in-use.
        """
        if self.pending is not None:
            raise _busy(f"{self._name()} is pending: confirm or cancel it first")

    def require_lockable(self, session: Session) -> None:
        """Refuse a lock on running while one of another session is pending (section 7.5).

        Raises:
            ManagementError: lock-denied, with the session-id of the other or, when that has ended,
                0.
        """
        if self.pending is None or self.owner is session:
            return
        holder = str(self.owner.id) if self.owner is not None else "0"
        message = f"{self._name()} is pending"
        raise _refuse(ErrorTag.LOCK_DENIED, message, {"session-id": holder})

    def require_commit(
        self, session: Session, wanted: Confirmed | None, persist_id: str | None
    ) -> None:
        """Check the parameters of a commit against what is pending.

        Raises:
            ManagementError: invalid-value for a timeout of 0, a token that is empty or too long and
                a persist-id that is not the pending one's; in-use for a commit by somebody else.
        """
        if wanted is not None:
            _check(wanted)
        self._require_access(session, persist_id)

    def require_cancel(self, session: Session, persist_id: str | None) -> None:
        """Check a cancel-commit.

        Raises:
            ManagementError: as for a commit, and operation-failed when nothing is pending.
        """
        self._require_access(session, persist_id)
        if self.pending is None:
            raise _refuse(ErrorTag.OPERATION_FAILED, "no confirmed commit is pending")

    def _require_access(self, session: Session, persist_id: str | None) -> None:
        token = self.pending.persist if self.pending is not None else None
        if persist_id is not None:
            if persist_id != token:
                message = "persist-id: no confirmed commit with this token is pending"
                raise _refuse(ErrorTag.INVALID_VALUE, message, {"bad-element": "persist-id"})
        elif token is not None:
            raise _busy(f"{self._name()} is pending and needs its persist-id")
        elif self.pending is not None and self.owner is not session:
            raise _busy(f"{self._name()} is pending")

    def _name(self) -> str:
        if self.owner is None:
            return "a confirmed commit"
        return f"a confirmed commit of session {self.owner.id} ({self.owner.user})"


def _check(wanted: Confirmed) -> None:
    if not 1 <= wanted.timeout <= MAX_TIMEOUT:
        message = f"confirm-timeout: {wanted.timeout} is not from 1 to {MAX_TIMEOUT} seconds"
        raise _refuse(ErrorTag.INVALID_VALUE, message, {"bad-element": "confirm-timeout"})
    if wanted.persist is not None and not 1 <= len(wanted.persist) <= MAX_TOKEN:
        message = f"persist: the token has 1 to {MAX_TOKEN} characters"
        raise _refuse(ErrorTag.INVALID_VALUE, message, {"bad-element": "persist"})


def _busy(message: str) -> PendingError:
    return PendingError.single(ErrorTag.IN_USE, message, type=ErrorType.PROTOCOL)


def _refuse(tag: ErrorTag, message: str, info: dict[str, str] | None = None) -> ManagementError:
    return ManagementError.single(tag, message, type=ErrorType.PROTOCOL, info=info or {})
