"""Flow records of sampled packets, for the collectors that want them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.pipeline import sampled_flows
from flowexport_mgmt.pipeline.sampled_flows import CacheReport, Timeouts
from flowexport_mgmt.runtime.parts import Surroundings, WillingPart
from flowexport_mgmt.runtime.paths import SAMPLED_FLOWS, is_asked
from flowexport_mgmt.runtime.times import date_and_time

_STOP_S: Final = 0.5


class SampledFlows(WillingPart[Mapping[str, Timeouts]]):
    """Puts sampled packets together while a collector wants it."""

    def __init__(self, surroundings: Surroundings) -> None:
        super().__init__()
        self._surroundings = surroundings
        self._flows: sampled_flows.SampledFlows | None = None

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

    def _read(self, new: fe.FlowExport | None) -> Mapping[str, Timeouts]:
        return {} if new is None else dict(map(_read_timeouts, filter(_wants, new.collector)))

    def _follow(self, wish: Mapping[str, Timeouts]) -> None:
        """Begin, change or end."""
        if wish and self._flows is None:
            surroundings = self._surroundings
            self._flows = sampled_flows.SampledFlows(
                surroundings.pipeline.exchange, surroundings.clock
            )
            self._flows.start()
        if self._flows is not None:
            self._flows.configure(wish)
        if not wish:
            self.stop()


def _wants(config: fe.Collector) -> bool:
    return config.enabled and config.sampled_flows.enabled


def _read_timeouts(config: fe.Collector) -> tuple[str, Timeouts]:
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
