"""One collector: its configuration, session, sender and how it fares.

Nothing here is safe to use from two threads: the lane that drives a collector has the lock.
"""

from __future__ import annotations

import errno
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from flowexport_mgmt.export.endpoint import (
    Endpoint,
    EndpointError,
    IpAddress,
    check_host,
    describe_error,
    read_address,
)
from flowexport_mgmt.export.instant import Instant
from flowexport_mgmt.export.netflow import IpfixSession, Netflow9Session
from flowexport_mgmt.export.sender import Sender, UdpSender
from flowexport_mgmt.export.session import Session
from flowexport_mgmt.export.sflow import SflowSession
from flowexport_mgmt.export.statistics import Statistics
from flowexport_mgmt.export.transfer import Progress, Transfers
from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.records import CounterBatch

RETRY_S: Final = 1.0
"""Seconds between two attempts to open what is down."""

_SESSIONS: Final[dict[fe.Protocol, type[Session]]] = {
    fe.Protocol.SFLOW: SflowSession,
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

Opened = Sender | EndpointError
StatusChanged = Callable[[OperStatus, str | None], None]


def check_addresses(config: fe.Collector) -> None:
    """Refuse addresses that can never work.

    Raises:
        EndpointError: naming the leaf and the reason.
    """
    _endpoint(config).check()
    if config.agent_address is not None:
        check_host("agent-address", config.agent_address)


def open_sender(config: fe.Collector) -> Sender:
    """Open what a collector's datagrams leave by.

    Raises:
        EndpointError: the addresses cannot work, or not now.
    """
    check_addresses(config)
    return UdpSender(_endpoint(config).connect(config.dscp))


def _endpoint(config: fe.Collector) -> Endpoint:
    return Endpoint(config.address, config.port, config.source_address or "")


@dataclass(slots=True)
class _Round:
    """What became of everything that was generated at one time."""

    accepted: int = 0
    reported: bool = False
    error: int = 0

    def add(self, progress: Progress) -> None:
        self.accepted += progress.datagrams
        self.reported |= progress.reported
        self.error = next(reversed(progress.failures), self.error)


class Collector:
    """Generates a collector's datagrams and sends them.

    ``status`` is *up* while everything is accepted for sending; *degraded* when a part of the
    latest poll was not; *down* when nothing was, when the network reported that datagrams do not
    arrive, or when there is no socket; *disabled* by configuration. ``reason`` says why.
    """

    def __init__(self, config: fe.Collector, now: Instant, changed: StatusChanged) -> None:
        self.config = config
        self.session = _SESSIONS[config.protocol](config)
        self.statistics = Statistics(since_ns=now.unix_ns)
        self.status = OperStatus.UP
        self.reason: str | None = None
        self.retry_at = -math.inf
        """Monotonic time of the next attempt to open, while there is no socket."""
        self._changed = changed
        self._sender: Sender | None = None
        self._transfers = Transfers()
        self._round = _Round()
        self._chosen_agent: IpAddress | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a socket to send by."""
        return self._sender is not None

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
            self._close()
            self.session.forget()
            self._set(OperStatus.DISABLED, "enabled is false")
        elif isinstance(opened, EndpointError):
            self.fail(opened.message, now)
        elif opened is not None:
            self._attach(opened)
            self._set(OperStatus.UP)
        elif self._sender is not None:
            self._sender.mark(config.dscp)
        self._choose_agent()

    def reopen(self, now: Instant) -> bool:
        """Try to get a socket again and tell whether there is one.

        The status stays as it is until something was sent.
        """
        try:
            self._attach(open_sender(self.config))
        except EndpointError as error:
            self.fail(error.message, now)
            return False
        return True

    def generate(self, batch: CounterBatch, now: Instant) -> None:
        """Line up the datagrams of one poll."""
        if self._ensure_source(now):
            self._transfers.add(self.session.encode(batch, now))
            self._conclude_if_done(now)

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
        progress = self._transfers.send(self._sender, limit)
        self.statistics.add(progress, now.unix_ns)
        self._round.add(progress)
        if progress.finished:
            self.session.settle(progress.output, delivered=progress.delivered, now=now)
        self._conclude_if_done(now)
        return progress.handled

    def fail(self, reason: str, now: Instant) -> None:
        """Be down for that reason, and be opened again later."""
        self._close()
        self.retry_at = now.monotonic + RETRY_S
        self._set(OperStatus.DOWN, reason)

    def close(self) -> None:
        """Release the socket, for good."""
        self._close()

    def _ensure_source(self, now: Instant) -> bool:
        """See that the socket still has the address that it sends from, or get another."""
        if self._sender is not None and not self._sender.can_send():
            self._close()
            return self.reopen(now)
        return self._sender is not None

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
            self._set(OperStatus.DEGRADED, describe_error(done.error))
        else:
            self._set(OperStatus.DOWN, f"{self._where}: {describe_error(done.error)}")
            if not done.accepted and done.error in _REOPEN:
                self._close()
                self.retry_at = now.monotonic + RETRY_S

    @property
    def _where(self) -> str:
        return f"address {self.config.address} port {self.config.port}"

    def _attach(self, sender: Sender) -> None:
        self._close()
        self._sender = sender
        self.session.restart()
        if self._chosen_agent is None:
            self._chosen_agent = sender.local_address
        self._choose_agent()

    def _close(self) -> None:
        if self._sender is not None:
            self._sender.close()
            self._sender = None
        self._transfers.clear()
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
