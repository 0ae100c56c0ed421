"""One collector: its configuration, session, sender and how it fares.

Nothing here is safe to use from two threads: the lane that drives a collector has the lock.
"""

from __future__ import annotations

import errno
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from flowexport_mgmt.export.backoff import Backoff
from flowexport_mgmt.export.endpoint import IpAddress, read_address
from flowexport_mgmt.export.failure import EndpointError, Failure, LostError, number_failure
from flowexport_mgmt.export.instant import Instant
from flowexport_mgmt.export.netflow import IpfixSession, Netflow9Session
from flowexport_mgmt.export.netflow5 import Netflow5Session
from flowexport_mgmt.export.opening import OWN_FACILITIES, Facilities, is_stream, open_sender
from flowexport_mgmt.export.sender import Interest, Sender
from flowexport_mgmt.export.session import Session
from flowexport_mgmt.export.sflow import SflowSession
from flowexport_mgmt.export.statistics import Statistics
from flowexport_mgmt.export.transfer import Progress, Transfers
from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.records import Batch

RETRY_S: Final = 1.0
"""Seconds between two attempts to open what is down."""

_SESSIONS: Final[dict[fe.Protocol, type[Session]]] = {
    fe.Protocol.SFLOW: SflowSession,
    fe.Protocol.NETFLOW5: Netflow5Session,
    fe.Protocol.NETFLOW9: Netflow9Session,
    fe.Protocol.IPFIX: IpfixSession,
}
_REOPEN: Final = frozenset(
    (
        errno.EADDRNOTAVAIL,
        errno.EHOSTUNREACH,
        errno.EINVAL,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.ENODEV,
    )
)
"""Errors that another socket may not meet, because it finds another way or source address."""

_ABANDONED: Final = number_failure(errno.ECANCELED)

Opened = Sender | EndpointError
StatusChanged = Callable[[OperStatus, str | None], None]


@dataclass(slots=True)
class _Round:
    """What became of everything that was generated at one time."""

    accepted: int = 0
    reported: bool = False
    error: Failure | None = None

    def add(self, progress: Progress) -> None:
        self.accepted += progress.datagrams
        self.reported |= progress.sent.reported
        self.error = next(reversed(progress.sent.failures), self.error)


class Collector:
    """Generates a collector's datagrams and sends them.

    ``status`` is *up* while everything is accepted for sending; *degraded* when a part of the
    latest poll was not; *down* when nothing was, when the network reported that datagrams do not
    arrive, or when there is no socket or no connection; *disabled* by configuration. ``reason``
    says why.
    """

    def __init__(
        self,
        config: fe.Collector,
        now: Instant,
        changed: StatusChanged,
        facilities: Facilities = OWN_FACILITIES,
    ) -> None:
        self.config = config
        self.session = _SESSIONS[config.protocol](config)
        self.statistics = Statistics(since_ns=now.unix_ns, exports=self.session.exports)
        self.status = OperStatus.UP
        self.reason: str | None = None
        self.retry_at = -math.inf
        """Monotonic time of the next attempt to open, while there is no socket."""
        self._changed = changed
        self._facilities = facilities
        self._backoff = Backoff()
        self._sender: Sender | None = None
        self._is_open = False
        self._transfers = Transfers()
        self._round = _Round()
        self._chosen_agent: IpAddress | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a socket to send by, connected where it has to be."""
        return self._is_open

    @property
    def due(self) -> float:
        """Monotonic time at which `advance` is wanted, while it is not open."""
        return self.retry_at if self._sender is None else self._sender.due

    @property
    def interest(self) -> Interest | None:
        """What `advance` is wanted for at any time."""
        return None if self._sender is None else self._sender.interest

    @property
    def is_stream(self) -> bool:
        """Whether messages follow each other on a connection."""
        return is_stream(self.config)

    @property
    def method(self) -> str | None:
        """The way that datagrams are handed to the kernel."""
        return None if self._sender is None else self._sender.method

    @property
    def tls_version(self) -> str | None:
        """The version of TLS in use."""
        return None if self._sender is None else self._sender.tls_version

    @property
    def pending(self) -> bool:
        """Whether datagrams wait to be sent."""
        return bool(self._transfers)

    @property
    def agent(self) -> IpAddress | None:
        """The agent address in use; None before one is known, and for protocols without one."""
        return self.session.agent if isinstance(self.session, SflowSession) else None

    def configure(self, config: fe.Collector, opened: Opened | None, now: Instant) -> None:
        """Take settings that leave the identity as it is.

        Args:
            config: the settings.
            opened: what was made of an attempt to open a sender; None keeps what there is.
            now: the time.
        """
        self.config = config
        self.session.configure(config)
        if not config.enabled:
            self._close(now)
            self.session.forget()
            self._set(OperStatus.DISABLED, "enabled is false")
        elif isinstance(opened, EndpointError):
            self.fail(opened.message, now)
        elif opened is not None:
            self._attach(opened, now)
            if self.advance(now):
                self._set(OperStatus.UP)
            elif self._sender is not None:
                self._set(OperStatus.DOWN, f"{self._where}: connecting")
        elif self._sender is not None:
            self._sender.configure(config.dscp)
        self._choose_agent()

    def advance(self, now: Instant) -> bool:
        """Open, connect and hear the collector as far as possible; tell whether it is open.

        The status of one that comes back over UDP stays as it is until something was sent.
        """
        if self._sender is None and now.monotonic >= self.retry_at:
            self._reopen(now)
        if self._sender is None:
            return False
        try:
            is_ready = self._sender.advance(now.monotonic)
        except LostError as error:
            self._lose(error.failure, now)
            return False
        if is_ready and not self._is_open:
            self._begin(self._sender, now)
        return is_ready

    def retry(self, now: Instant) -> None:
        """Let the next attempt to open be due now."""
        self.retry_at = min(self.retry_at, now.monotonic)
        self._backoff.reset()

    def generate(self, batch: Batch, now: Instant) -> bool:
        """Line up the datagrams of a batch; tell whether there is something to send them by."""
        if not self._ensure_source(now):
            return False
        self._transfers.add(self.session.encode(batch, now))
        self._conclude_if_done(now)
        return True

    def refresh(self, now: Instant) -> None:
        """Line up templates and option data."""
        if self._ensure_source(now):
            self._transfers.add(self.session.refresh(now))
            self._conclude_if_done(now)

    def transmit(self, limit: int, now: Instant) -> int:
        """Send at most ``limit`` of the datagrams that wait.

        Returns:
            How many do not wait any more; 0 when the socket's buffer is full.
        """
        if self._sender is None or not self._transfers:
            return 0
        try:
            progress = self._transfers.send(self._sender, limit)
        except LostError as error:
            self._lose(error.failure, now)
            return 0
        self.statistics.add(progress, now.unix_ns)
        self.session.count_sent(progress)
        self.session.count_unsent(progress.output, progress.sent.rejected, now)
        self._round.add(progress)
        if progress.finished:
            self.session.settle(progress.output, delivered=progress.delivered, now=now)
        self._conclude_if_done(now)
        return progress.handled

    def fail(self, reason: str, now: Instant) -> None:
        """Be down for that reason, and be opened again later."""
        self._close(now)
        wait = self._backoff.note_down(now.monotonic) if self.is_stream else RETRY_S
        self.retry_at = now.monotonic + wait
        self._set(OperStatus.DOWN, reason)

    def close(self) -> None:
        """Release the socket, for good; what waits is of no interest any more."""
        if self._sender is not None:
            self._sender.close()
            self._sender = None
        self._is_open = False
        self._transfers.clear()

    def _ensure_source(self, now: Instant) -> bool:
        """See that the socket still has the address that it sends from, or get another."""
        if self._sender is not None and not self._sender.can_send():
            self._close(now)
            self._reopen(now)
            return self.advance(now)
        return self._is_open

    def _conclude_if_done(self, now: Instant) -> None:
        """Draw the status from what became of a round."""
        if self._transfers:
            return
        done, self._round = self._round, _Round()
        if done.reported:
            self.session.restart()  # whoever listens there next has seen no template
        if not done.error:
            self._set(OperStatus.UP)
        elif done.accepted and not done.reported:
            self._set(OperStatus.DEGRADED, done.error.text)
        else:
            self._set(OperStatus.DOWN, f"{self._where}: {done.error.text}")
            if not done.accepted and done.error.number in _REOPEN:
                self._close(now)
                self.retry_at = now.monotonic + RETRY_S

    @property
    def _where(self) -> str:
        return f"address {self.config.address} port {self.config.port}"

    def _reopen(self, now: Instant) -> None:
        try:
            self._attach(open_sender(self.config, self._facilities), now)
        except EndpointError as error:
            self.fail(error.message, now)

    def _attach(self, sender: Sender, now: Instant) -> None:
        self._close(now)
        self._sender = sender

    def _begin(self, sender: Sender, now: Instant) -> None:
        """Go on, or begin a connection's session, with a sender that has become ready."""
        self._is_open = True
        self.session.restart()
        if self.is_stream:
            self._backoff.note_up(now.monotonic)
            self.statistics.connections += 1
            self._set(OperStatus.UP)
        if self._chosen_agent is None:
            self._chosen_agent = sender.local_address
        self._choose_agent()

    def _lose(self, failure: Failure, now: Instant) -> None:
        """Be down because there is no connection; what waited for it is lost."""
        self.statistics.fail(failure, 1)
        self._close(now, failure)
        self.fail(f"{self._where}: {failure.text}", now)

    def _close(self, now: Instant, cause: Failure = _ABANDONED) -> None:
        """Release the socket, and count what was generated and is not sent any more."""
        if self._sender is not None:
            self._sender.close()
            self._sender = None
        self._is_open = False
        for output, places in self._transfers.clear():
            self.statistics.fail(cause, len(places))
            self.session.count_unsent(output, places, now)
        self._round = _Round()

    def _choose_agent(self) -> None:
        """Take the configured agent address, else the source's, else the kernel's first choice."""
        if isinstance(self.session, SflowSession):
            named = self.config.agent_address or self.config.source_address
            self.session.agent = read_address(named) if named else self._chosen_agent

    def _set(self, status: OperStatus, reason: str | None = None) -> None:
        self.reason = reason
        if status is not self.status:
            self.status = status
            self._changed(status, reason)
