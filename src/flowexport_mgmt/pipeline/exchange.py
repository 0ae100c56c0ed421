"""Where batches of flows and sampled packets meet the collectors that want them."""

from __future__ import annotations

import threading
from collections.abc import Callable

from flowexport_mgmt.pipeline.egress import Egress
from flowexport_mgmt.pipeline.lane import Lane
from flowexport_mgmt.records import FlowBatch, SampleBatch

FlowStage = Callable[[FlowBatch], FlowBatch]
SampleStage = Callable[[SampleBatch], SampleBatch]
Tap = Callable[[FlowBatch | SampleBatch], None]


class Exchange:
    """Enriches each batch once, shows it to the taps, and offers it to the lanes.

    The lanes, the stages and the taps are replaced as whole tuples under the lock, so that the
    threads of the sources read them without one.
    """

    def __init__(self, egress: Egress) -> None:
        self._egress = egress
        self._lock = threading.Lock()
        self._lanes: tuple[Lane, ...] = ()
        self._taps: tuple[Tap, ...] = ()
        self._flow_stage: FlowStage | None = None
        self._sample_stage: SampleStage | None = None

    def enrich_with(self, flows: FlowStage | None, samples: SampleStage | None) -> None:
        """Let batches pass these from now on; None leaves them as they are."""
        self._flow_stage, self._sample_stage = flows, samples

    def tap(self, tap: Tap) -> None:
        """Show each batch, enriched, to ``tap`` too; it is called by the sources' threads."""
        with self._lock:
            self._taps = (*self._taps, tap)

    def untap(self, tap: Tap) -> None:
        """Show nothing more to ``tap``."""
        with self._lock:
            self._taps = tuple(other for other in self._taps if other != tap)

    def add(self, lane: Lane) -> None:
        """Offer batches to a lane."""
        with self._lock:
            if lane not in self._lanes:
                self._lanes = (*self._lanes, lane)

    def remove(self, lane: Lane) -> None:
        """Offer a lane nothing more."""
        with self._lock:
            self._lanes = tuple(other for other in self._lanes if other is not lane)

    def publish(
        self, batch: FlowBatch | SampleBatch, among: Callable[[Lane], bool] | None = None
    ) -> None:
        """Hand on a batch; called by any thread, it waits for no collector.

        Args:
            batch: flows or sampled packets; an empty one goes nowhere.
            among: which of the lanes that want such a batch get this one; all without it.
        """
        if not len(batch):
            return
        enriched = self._enrich(batch)
        for tap in self._taps:
            tap(enriched)
        wanting = [lane for lane in self._lanes if lane.wants(enriched)]
        chosen = wanting if among is None else [lane for lane in wanting if among(lane)]
        for lane in chosen:
            lane.offer(enriched)
        self._egress.wake(chosen)

    def _enrich(self, batch: FlowBatch | SampleBatch) -> FlowBatch | SampleBatch:
        if isinstance(batch, FlowBatch):
            return batch if self._flow_stage is None else self._flow_stage(batch)
        return batch if self._sample_stage is None else self._sample_stage(batch)
