"""The state that the datastore itself reports: sessions and history."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from flowexport_mgmt.datastore.audit import Audit
from flowexport_mgmt.datastore.changes import overlaps
from flowexport_mgmt.datastore.record import CommitRecord, PendingConfirm
from flowexport_mgmt.datastore.sessions import Session
from flowexport_mgmt.model import server

_TOP = "flow-export-server:server"
_SESSIONS, _HISTORY = "/server/sessions", "/server/history"
_PENDING, _AUDIT = "/server/pending-confirm", "/server/audit"


class SessionReport(NamedTuple):
    """The sessions, what each has locked, and how many were refused."""

    sessions: Sequence[tuple[Session, tuple[str, ...]]]
    rejected: int


class PendingReport(NamedTuple):
    """The commit that waits to be confirmed, by whom, and for how many seconds more."""

    record: CommitRecord
    pending: PendingConfirm
    owner: Session | None
    remaining: float


class OwnState:
    """Reports sessions, history, what waits to be confirmed and the audit log's counters."""

    paths = (_SESSIONS, _HISTORY, _PENDING, _AUDIT)

    def __init__(
        self,
        sessions: Callable[[], SessionReport],
        history: Callable[[], Sequence[CommitRecord]],
        pending: Callable[[], PendingReport | None],
        audit: Audit,
    ) -> None:
        self._sessions = sessions
        self._history = history
        self._pending = pending
        self._audit = audit

    async def state(self, paths: Sequence[str]) -> Mapping[str, server.ServerState]:
        """Report what is asked for."""
        wanted = [path.rstrip("/") for path in paths]
        return {
            _TOP: server.ServerState(
                sessions=self._report_sessions() if _any(_SESSIONS, wanted) else None,
                history=self._report_history() if _any(_HISTORY, wanted) else None,
                audit=self._report_audit() if _any(_AUDIT, wanted) else None,
                pending_confirm=self._report_pending() if _any(_PENDING, wanted) else None,
            )
        }

    def _report_sessions(self) -> server.Sessions:
        report = self._sessions()
        return server.Sessions(
            rejected=report.rejected,
            session=tuple(_describe(session, locks) for session, locks in report.sessions),
        )

    def _report_history(self) -> server.History:
        return server.History(
            commit=tuple(
                server.HistoryCommit(
                    id=record.id,
                    time=record.time,
                    user=record.user,
                    door=record.door,
                    source=record.source or None,
                    comment=record.comment or None,
                    label=record.label or None,
                    changes=record.changes,
                )
                for record in self._history()
            )
        )

    def _report_audit(self) -> server.Audit:
        return server.Audit(lines=self._audit.lines, failures=self._audit.failures)

    def _report_pending(self) -> server.PendingConfirm | None:
        report = self._pending()
        if report is None:
            return None
        record, pending, owner, remaining = report
        return server.PendingConfirm(
            commit=record.id,
            user=record.user,
            door=record.door,
            session=owner.id if owner is not None else None,
            persistent=pending.persist is not None,
            timeout=pending.timeout,
            deadline=pending.deadline,
            remaining=math.ceil(remaining),
            back_to=pending.back_to,
        )


def _any(served: str, wanted: Sequence[str]) -> bool:
    return any(overlaps(served, path) for path in wanted)


def _describe(session: Session, locks: tuple[str, ...]) -> server.SessionsSession:
    return server.SessionsSession(
        id=session.id,
        user=session.user,
        door=session.door,
        source=session.source,
        since=session.since,
        lock=locks,
        in_rpcs=session.in_rpcs,
        in_bad_rpcs=session.in_bad_rpcs,
        out_rpc_errors=session.out_rpc_errors,
    )
