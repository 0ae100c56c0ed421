"""Sources and collectors joined: one poll feeds all collectors that are due."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from flowexport_mgmt.export import Instant, StatusChanged
from flowexport_mgmt.pipeline.egress import Egress
from flowexport_mgmt.pipeline.exchange import Exchange
from flowexport_mgmt.pipeline.lane import Lane
from flowexport_mgmt.pipeline.poller import Poller, PollReport
from flowexport_mgmt.sources import CounterSource

_STOP_S: Final = 0.9


class Pipeline:
    """The threads of the data plane and the lanes that they serve.

    All methods but `recovered` are called from one thread.
    """

    def __init__(
        self, source: CounterSource, clock: Callable[[], Instant], source_changed: StatusChanged
    ) -> None:
        self._egress = Egress(clock)
        self.exchange = Exchange(self._egress)
        """Where sources of flows and sampled packets bring their batches."""
        self._poller = Poller(source, self._egress, clock, source_changed)

    @property
    def polls(self) -> PollReport:
        """How the polls of interface counters fare."""
        return self._poller.report

    @property
    def alive_at(self) -> float:
        """The monotonic time at which the last of the threads went on."""
        return min(self._egress.alive_at, self._poller.alive_at)

    def start(self) -> None:
        """Start the threads; without lanes they wait."""
        self._egress.start()
        self._poller.start()

    def stop(self) -> None:
        """Stop the threads, within a second."""
        deadline = time.monotonic() + _STOP_S
        self._egress.stop(_STOP_S)
        self._poller.stop(max(0.0, deadline - time.monotonic()))

    def add(self, lane: Lane, interval: float) -> None:
        """Serve a lane; one with counters is polled for now and every ``interval`` seconds."""
        self._egress.wake((lane,))  # one that is down has something to do already
        if lane.is_polled:
            self._poller.add(lane, interval)
        self.exchange.add(lane)

    def change(self, lane: Lane, interval: float) -> None:
        """Poll for a lane at another interval; other settings of it may have changed too."""
        if lane.is_polled:
            self._poller.change(lane, interval)
        self._egress.wake((lane,))

    def retry(self, lane: Lane, now: Instant) -> None:
        """Let a lane that is down try again now: what it needs may have changed."""
        if lane.retry(now):
            self._egress.wake((lane,))

    def remove(self, lane: Lane) -> None:
        """Serve a lane no more."""
        self.exchange.remove(lane)
        if lane.is_polled:
            self._poller.remove(lane)
        self._egress.forget(lane)

    def expedite(self, lane: Lane) -> None:
        """Poll for a lane now, if it gets counters at all."""
        self._poller.expedite(lane)

    def recovered(self, lane: Lane) -> None:
        """Poll now for a lane that came back; called from any thread."""
        self._poller.expedite(lane)
