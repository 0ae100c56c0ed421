"""What the server refused or cut short, counted by reason."""

from __future__ import annotations

import enum
from collections import Counter

from flowexport_mgmt.model.server import NetconfRefusals


class Reason(enum.StrEnum):
    """Why a connection or a session came to nothing; the names are those of the state."""

    UNAUTHENTICATED = "unauthenticated"
    FAILED_LOGIN = "failed_logins"
    BLOCKED_SOURCE = "blocked_sources"
    LOCAL_USER = "local_users"
    SESSIONS = "sessions"
    LATE_HELLO = "late_hellos"
    BAD_HELLO = "bad_hellos"
    IDLE = "idle_sessions"
    OVERSIZED = "oversized_messages"
    MALFORMED = "malformed_messages"


class Refusals:
    """Counts refusals since the start of the server."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def count(self, reason: Reason) -> None:
        """Count one."""
        self._counts[reason.value] += 1

    def __getitem__(self, reason: Reason) -> int:
        """Give the count of a reason."""
        return self._counts[reason.value]

    def state(self) -> NetconfRefusals:
        """Give all counts."""
        return NetconfRefusals(**{reason.value: self[reason] for reason in Reason})
