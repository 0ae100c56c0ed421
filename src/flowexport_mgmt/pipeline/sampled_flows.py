"""The thread that gives collectors the flows of sampled packets."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from flowexport_mgmt.export import Instant
from flowexport_mgmt.pipeline.exchange import Exchange
from flowexport_mgmt.pipeline.flow_cache import FlowCache
from flowexport_mgmt.pipeline.lane import Lane
from flowexport_mgmt.records import FlowBatch, SampleBatch

_TICK_S: Final = 0.5
"""How often flows are looked at, so how late a record may be."""


class Timeouts(NamedTuple):
    """Seconds after which a flow has a record: at most so long, and so long without a packet."""

    active: int
    inactive: int


class CacheReport(NamedTuple):
    """How the flows of collectors with equal timeouts fare."""

    timeouts: Timeouts
    collectors: frozenset[str]
    since_ns: int
    flows: int
    records: int
    evictions: int
    skipped: int


class _Group:
    """The collectors that have the same timeouts, and their flows."""

    def __init__(self, timeouts: Timeouts, since_ns: int) -> None:
        self.collectors: frozenset[str] = frozenset()
        self.since_ns = since_ns
        self.cache = FlowCache(*timeouts, seed=secrets.randbits(64))

    def has(self, lane: Lane) -> bool:
        """Tell whether a lane is for one of the collectors."""
        return lane.name in self.collectors


class SampledFlows:
    """Makes flow records of the samples that pass the exchange.

    The threads of the sources bring samples, one of its own looks for flows that are over, and
    management configures and asks. The lock guards the caches, and is not held while records are
    published.
    """

    def __init__(self, exchange: Exchange, clock: Callable[[], Instant]) -> None:
        self._exchange = exchange
        self._clock = clock
        self._changed = threading.Condition()
        self._groups: dict[Timeouts, _Group] = {}
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="sampled-flows", daemon=True)

    def start(self) -> None:
        """Start to take samples."""
        self._exchange.tap(self._take)
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Take no samples any more, and stop the thread; flows that are not over are forgotten."""
        self._exchange.untap(self._take)
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(timeout)

    def flush(self) -> None:
        """Take no samples any more, and make the records of all flows."""
        self._exchange.untap(self._take)
        with self._changed:
            flushed = [(group, group.cache.flush()) for group in self._groups.values()]
        self._publish(flushed)

    def configure(self, wanted: Mapping[str, Timeouts]) -> None:
        """Set the timeouts of each collector, by name, that gets records.

        Flows whose timeouts nobody wants any more have their records now.
        """
        now_ns = self._clock().unix_ns
        with self._changed:
            for timeouts in set(wanted.values()) - self._groups.keys():
                self._groups[timeouts] = _Group(timeouts, now_ns)
            ended = [self._groups.pop(one) for one in self._groups.keys() - set(wanted.values())]
            flushed = [(group, group.cache.flush()) for group in ended]
            for timeouts, group in self._groups.items():
                group.collectors = frozenset(
                    name for name, theirs in wanted.items() if theirs == timeouts
                )
        self._publish(flushed)

    def report(self) -> list[CacheReport]:
        """Tell how the flows fare, by timeouts."""
        with self._changed:
            return [
                CacheReport(
                    timeouts,
                    group.collectors,
                    group.since_ns,
                    len(group.cache),
                    group.cache.records,
                    group.cache.evictions,
                    group.cache.skipped,
                )
                for timeouts, group in sorted(self._groups.items())
            ]

    def _take(self, batch: FlowBatch | SampleBatch) -> None:
        if not isinstance(batch, SampleBatch):
            return
        with self._changed:
            records = [(group, group.cache.take(batch)) for group in self._groups.values()]
        self._publish(records)

    def _run(self) -> None:
        while self._await_tick():
            now_ns = self._clock().unix_ns
            with self._changed:
                records = [(group, group.cache.expire(now_ns)) for group in self._groups.values()]
            self._publish(records)

    def _await_tick(self) -> bool:
        """Wait for the next look; False when it is time to stop."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping, _TICK_S)
            return not self._stopping

    def _publish(self, records: Iterable[tuple[_Group, list[FlowBatch]]]) -> None:
        for group, batches in records:
            for batch in batches:
                self._exchange.publish(batch, among=group.has)
