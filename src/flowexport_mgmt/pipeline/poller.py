"""The thread that polls interface counters for all collectors."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from flowexport_mgmt.export import Instant, StatusChanged
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.observe.log import LimitedLogger
from flowexport_mgmt.pipeline.egress import Egress
from flowexport_mgmt.pipeline.lane import Lane
from flowexport_mgmt.pipeline.schedule import Schedule
from flowexport_mgmt.records import CounterBatch
from flowexport_mgmt.sources import CounterSource

_LOG = LimitedLogger(logging.getLogger(__name__))
_RETRY_S: Final = 1.0
_MAX_WAIT_S: Final = 1.0
"""How often the thread shows that it goes on when there is nothing to do."""


@dataclass(frozen=True, slots=True)
class PollReport:
    """How the source of interface counters fares; ``interfaces`` leaves out loopback."""

    since_ns: int
    status: OperStatus = OperStatus.UP
    reason: str | None = None
    interfaces: int | None = None
    polls: int = 0
    failures: int = 0
    last_poll_ns: int | None = None


class Poller:
    """Reads the counters once for all lanes that are due, and offers them the result.

    Its lock guards the schedule; it is never held while counters are read or lanes are offered
    them. ``report`` is replaced as a whole by the thread, so that readers need no lock.
    """

    def __init__(
        self,
        source: CounterSource,
        egress: Egress,
        clock: Callable[[], Instant],
        changed: StatusChanged,
    ) -> None:
        self.report = PollReport(since_ns=clock().unix_ns)
        self._source = source
        self._egress = egress
        self._clock = clock
        self._status_changed = changed
        self.alive_at = clock().monotonic
        """When the thread last went on."""
        self._changed = threading.Condition()
        self._schedule: Schedule[Lane] = Schedule()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="counters", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Stop the thread, waiting for it at most ``timeout`` seconds."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def add(self, lane: Lane, interval: float) -> None:
        """Poll for a lane, now and from now on."""
        with self._changed:
            self._schedule.add(lane, interval, self._clock().monotonic)
            self._changed.notify()

    def change(self, lane: Lane, interval: float) -> None:
        """Change how often a lane is polled for."""
        with self._changed:
            self._schedule.change(lane, interval)
            self._changed.notify()

    def expedite(self, lane: Lane) -> None:
        """Poll for a lane now."""
        with self._changed:
            self._schedule.expedite(lane, self._clock().monotonic)
            self._changed.notify()

    def remove(self, lane: Lane) -> None:
        """Poll for a lane no more."""
        with self._changed:
            self._schedule.remove(lane)

    def _run(self) -> None:
        while lanes := self._await_lanes():
            self._poll(lanes)

    def _await_lanes(self) -> list[Lane]:
        """Wait for lanes that are due; none when it is time to stop."""
        with self._changed:
            while not self._stopping:
                self.alive_at = now = self._clock().monotonic
                lanes = self._schedule.take(now)
                if lanes:
                    return lanes
                self._changed.wait(min(self._schedule.next_due - now, _MAX_WAIT_S))
            return []

    def _poll(self, lanes: list[Lane]) -> None:
        now = self._clock()
        try:
            batch = self._source.poll(
                now.unix_ns,
                now.uptime_ms,
                now.monotonic,
                detailed=any(lane.takes_details for lane in lanes),
            )
        except OSError as error:
            self._note_failure(error)
            self._retry(lanes, now.monotonic + _RETRY_S)
            return
        self._note_success(batch)
        for lane in lanes:
            lane.offer(batch)
        self._egress.wake(lanes)

    def _retry(self, lanes: list[Lane], due: float) -> None:
        with self._changed:
            for lane in lanes:
                self._schedule.expedite(lane, due)

    def _note_success(self, batch: CounterBatch) -> None:
        self._replace(
            replace(
                self.report,
                status=OperStatus.UP,
                reason=None,
                interfaces=len(batch.rows),
                polls=self.report.polls + 1,
                last_poll_ns=batch.time_ns,
            )
        )

    def _note_failure(self, error: OSError) -> None:
        reason = f"rtnetlink: {error.strerror or error}"
        _LOG.log(logging.WARNING, "counters", "interface counters: %s", reason)
        failures = self.report.failures + 1
        self._replace(
            replace(self.report, status=OperStatus.DOWN, reason=reason, failures=failures)
        )

    def _replace(self, report: PollReport) -> None:
        before, self.report = self.report.status, report
        if report.status is not before:
            self._status_changed(report.status, report.reason)
