"""What was refused or cut short, by reason."""

from __future__ import annotations

from dataclasses import dataclass

from flowexport_mgmt.model.server import GnmiRefusals


@dataclass(slots=True)
class Refusals:
    """Counters since the start of the server."""

    failed_logins: int = 0
    blocked_sources: int = 0
    sessions: int = 0
    subscriptions: int = 0
    slow_clients: int = 0
    malformed_requests: int = 0

    def state(self) -> GnmiRefusals:
        """Report them."""
        return GnmiRefusals(
            failed_logins=self.failed_logins,
            blocked_sources=self.blocked_sources,
            sessions=self.sessions,
            subscriptions=self.subscriptions,
            slow_clients=self.slow_clients,
            malformed_requests=self.malformed_requests,
        )
