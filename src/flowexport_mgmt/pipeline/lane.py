"""The way of a collector's records: queue, pace, and the steps in which datagrams leave."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from flowexport_mgmt.export import (
    OWN_FACILITIES,
    Collector,
    Facilities,
    Instant,
    Interest,
    IpAddress,
    Opened,
    Statistics,
    StatusChanged,
)
from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.pipeline.clock import read_clock
from flowexport_mgmt.pipeline.pacer import Pacer
from flowexport_mgmt.pipeline.queue import BatchQueue
from flowexport_mgmt.records import Batch, CounterBatch

_FULL_BUFFER_S: Final = 0.005
"""How long a full socket buffer is left to drain."""


@dataclass(frozen=True, slots=True)
class LaneReport:
    """How a collector fares, copied at one instant."""

    status: OperStatus
    reason: str | None
    agent: IpAddress | None
    sequence: int
    dropped_records: int
    skipped_records: int
    queue_depth: int
    """Batches that wait, and the one that is being sent."""
    queue_octets: int
    is_stream: bool
    method: str | None
    tls_version: str | None
    statistics: Statistics


@dataclass(frozen=True, slots=True)
class _Cleared:
    """What had been counted when the statistics were cleared, and when that was."""

    statistics: Statistics
    dropped_records: int
    skipped_records: int
    time_ns: int


class Lane:
    """One collector in the pipeline.

    Three threads meet here: polls `offer`, egress makes `step` after step, and management
    configures, asks and closes. The lane's lock makes each of these calls one piece; none of them
    waits inside. ``recovered`` and ``changed`` are called with the lock held and must not call
    back. ``clock`` says when something was dropped.
    """

    def __init__(
        self,
        config: fe.Collector,
        now: Instant,
        *,
        changed: StatusChanged,
        recovered: Callable[[Lane], None],
        facilities: Facilities = OWN_FACILITIES,
        clock: Callable[[], Instant] = read_clock,
    ) -> None:
        self.name = config.name
        self.takes_details = config.protocol is fe.Protocol.SFLOW
        """Whether it tells of the host, and of what drivers count."""
        self._lock = threading.Lock()
        self._collector = Collector(config, now, changed, facilities)
        self._recovered = recovered
        self._clock = clock
        self._pacer = Pacer(config.rate_limit)
        self._queue = BatchQueue()
        self._dropped_records = 0
        self._cleared: _Cleared | None = None
        self._closed = False

    def configure(self, config: fe.Collector, opened: Opened | None, now: Instant) -> None:
        """Take settings that leave the identity as it is; see Collector.configure."""
        with self._lock:
            self._collector.configure(config, opened, now)
            if config.rate_limit != self._pacer.rate:
                self._pacer.configure(config.rate_limit, now.monotonic)
            if not config.enabled:
                self._queue.clear()

    @property
    def is_polled(self) -> bool:
        """Whether the collector gets interface counters."""
        return CounterBatch in self._collector.session.carries

    @property
    def is_sending(self) -> bool:
        """Whether anything waits, and somebody is there to get it."""
        with self._lock:
            collector = self._collector
            return collector.is_open and bool(collector.pending or self._queue)

    def wants(self, batch: Batch) -> bool:
        """Tell whether a batch is for this collector, up or down; others are not to be offered."""
        return self._collector.session.takes(batch)

    def offer(self, batch: Batch) -> None:
        """Line up a wanted batch; when too much waits the oldest goes, and its records are counted.

        A collector that is down gets nothing. Its counters are compared with the poll before it
        went down once it is back; flows and sampled packets are dropped, and counted.
        """
        with self._lock:
            if self._closed or not self._collector.config.enabled:
                return
            if not self._collector.is_open:
                self._miss(batch)
                return
            for dropped in self._queue.put(batch):
                self._drop(dropped)

    def step(self, now: Instant) -> float:
        """Do what is due: open, generate, or send one burst.

        Returns:
            The monotonic time of the next step; infinity when only an offer brings one.
        """
        with self._lock:
            if self._closed or not self._collector.config.enabled:
                return math.inf
            if not self._advance(now):
                return self._collector.due
            self._generate(now)
            return self._transmit(now)

    def retry(self, now: Instant) -> bool:
        """Let a collector that is down be opened again at the next step; tell whether it is."""
        with self._lock:
            if self._collector.is_open:
                return False
            self._collector.retry(now)
            return True

    @property
    def interest(self) -> Interest | None:
        """What a step is wanted for, at whatever time it comes."""
        with self._lock:
            return self._collector.interest

    def fail(self, reason: str, now: Instant) -> float:
        """Give up what is under way; returns the monotonic time of the next step."""
        with self._lock:
            self._drop_all()
            self._collector.fail(reason, now)
            return self._collector.retry_at

    @property
    def is_cleared(self) -> bool:
        """Whether its statistics were cleared."""
        return self._cleared is not None

    def clear_statistics(self, now: Instant) -> None:
        """Report only what is counted from now on."""
        with self._lock:
            self._cleared = _Cleared(
                self._collector.statistics.copy(),
                self._dropped_records,
                self._collector.session.skipped,
                now.unix_ns,
            )

    def report(self, *, uncleared: bool = False) -> LaneReport:
        """Tell how the collector fares; ``uncleared`` as if its statistics never were cleared."""
        with self._lock:
            report = self._report()
            cleared = self._cleared
        if cleared is None or uncleared:
            return report
        return replace(
            report,
            statistics=report.statistics.since(cleared.statistics, cleared.time_ns),
            dropped_records=report.dropped_records - cleared.dropped_records,
            skipped_records=report.skipped_records - cleared.skipped_records,
        )

    def _report(self) -> LaneReport:
        collector = self._collector
        return LaneReport(
            status=collector.status,
            reason=collector.reason,
            agent=collector.agent,
            sequence=collector.session.sequence,
            dropped_records=self._dropped_records,
            skipped_records=collector.session.skipped,
            queue_depth=len(self._queue) + collector.pending,
            queue_octets=self._queue.octets,
            is_stream=collector.is_stream,
            method=collector.method,
            tls_version=collector.tls_version,
            statistics=collector.statistics.copy(),
        )

    def close(self) -> None:
        """Release the socket; nothing is sent any more."""
        with self._lock:
            self._closed = True
            self._queue.clear()
            self._collector.close()

    def _advance(self, now: Instant) -> bool:
        """See that the collector is open; ask for a poll when it has come back."""
        was_open = self._collector.is_open
        if not self._collector.advance(now):
            self._drop_all()
            return False
        if not was_open:
            self._drop_all()
            self._recovered(self)
        return True

    def _drop_all(self) -> None:
        """Let go of what waits, because the collector is down or was."""
        for batch in self._queue:
            self._miss(batch)
        self._queue.clear()

    def _miss(self, batch: Batch) -> None:
        """Count what is lost with a batch; the next poll makes up for one that is missed."""
        if not isinstance(batch, CounterBatch):
            self._drop(batch)

    def _drop(self, batch: Batch) -> None:
        self._dropped_records += self._collector.session.count_missed(batch, self._clock())

    def _generate(self, now: Instant) -> None:
        if self._collector.pending:
            return
        if self._queue:
            batch = self._queue.take()
            if not self._collector.generate(batch, now):
                self._miss(batch)
        elif now.monotonic >= self._collector.session.due:
            self._collector.refresh(now)

    def _transmit(self, now: Instant) -> float:
        if self._collector.pending and now.monotonic >= self._pacer.ready_at:
            handled = self._collector.transmit(self._pacer.burst, now)
            self._pacer.spend(handled, now.monotonic)
            if not handled and self._collector.is_open:
                # A connection says when it takes more.
                return math.inf if self._collector.interest else now.monotonic + _FULL_BUFFER_S
        if not self._collector.is_open:
            return self._collector.due
        if self._collector.pending or self._queue:
            return self._pacer.ready_at
        return self._collector.session.due
