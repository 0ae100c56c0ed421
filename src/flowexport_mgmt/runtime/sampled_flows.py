"""Flow records of sampled packets, for the collectors that want them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from flowexport_mgmt.link.messages import Refusal
from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.pipeline import sampled_flows
from flowexport_mgmt.pipeline.sampled_flows import CacheReport, Timeouts
from flowexport_mgmt.runtime.parts import Surroundings
from flowexport_mgmt.runtime.paths import SAMPLED_FLOWS, is_asked
from flowexport_mgmt.runtime.times import date_and_time

_STOP_S: Final = 0.5


class SampledFlows:
    """Puts sampled packets together while a collector wants it."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._surroundings = surroundings
        self._flows: sampled_flows.SampledFlows | None = None
        self._prepared: Mapping[str, Timeouts] | None = None

    def prepare(self, new: fe.FlowExport | None, *, strict: bool) -> Sequence[Refusal]:
        """Take note of who wants it; nothing of it can be refused."""
        del strict
        self._prepared = {} if new is None else dict(map(_read, filter(_wants, new.collector)))
        return ()

    def apply(self) -> None:
        """Begin, change or end."""
        wanted, self._prepared = self._prepared, None
        if wanted is None:
            return
        if wanted and self._flows is None:
            surroundings = self._surroundings
            self._flows = sampled_flows.SampledFlows(
                surroundings.pipeline.exchange, surroundings.clock
            )
            self._flows.start()
        if self._flows is not None:
            self._flows.configure(wanted)
        if not wanted:
            self.stop()

    def abort(self) -> None:
        """Forget who wants it."""
        self._prepared = None

    def finish(self, deadline: float) -> None:
        """Make the records of all flows that are not over."""
        del deadline
        if self._flows is not None:
            self._flows.flush()

    def stop(self) -> None:
        """Make no records any more."""
        flows, self._flows = self._flows, None
        if flows is not None:
            flows.stop(_STOP_S)

    def state(self, paths: Sequence[str]) -> fe.FlowExportState:
        """Report how the flows fare."""
        if self._flows is None or not is_asked(SAMPLED_FLOWS, paths):
            return fe.FlowExportState()
        caches = tuple(map(_describe, self._flows.report()))
        return fe.FlowExportState(sampled_flows=fe.SampledFlows(cache=caches))


def _wants(config: fe.Collector) -> bool:
    return config.enabled and config.sampled_flows.enabled


def _read(config: fe.Collector) -> tuple[str, Timeouts]:
    settings = config.sampled_flows
    return config.name, Timeouts(settings.active_timeout, settings.inactive_timeout)


def _describe(report: CacheReport) -> fe.SampledFlowsCache:
    return fe.SampledFlowsCache(
        active_timeout=report.timeouts.active,
        inactive_timeout=report.timeouts.inactive,
        collector=tuple(sorted(report.collectors)),
        flows_active=report.flows,
        records=report.records,
        evictions=report.evictions,
        skipped_samples=report.skipped,
        discontinuity_time=date_and_time(report.since_ns),
    )
