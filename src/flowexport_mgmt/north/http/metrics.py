"""What a scrape shows, made from one snapshot of the state."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from flowexport_mgmt.datastore import StateSnapshot
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.model.configuration import Configuration
from flowexport_mgmt.model.flow_export import (
    CollectorState,
    CollectorStatistics,
    ConntrackState,
    Counters,
    EnrichmentKernelRoutes,
    Exporter,
    FlowExportState,
    SampledFlowsCache,
    SamplingInterfaceStatistics,
    SamplingState,
)

STATE_PATHS: Final = ("/flow-export",)
"""The schema paths of the state that the metrics are made from."""

_FLOW_EXPORT: Final = "flow-export:flow-export"
_LABELS: Final = ("collector", "protocol")

_Source = TypeVar("_Source")


@dataclass(frozen=True, slots=True)
class Management:
    """What management itself counts: commits so far, sessions open and refused.

    ``uncleared`` has what was counted of collectors whose statistics were cleared: counters of
    Prometheus are never reset.
    """

    commits: int
    sessions: int
    rejected_sessions: int
    uncleared: Mapping[str, CollectorStatistics] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Row(Generic[_Source]):
    """A metric: its kind, its name after the prefix, its help and its value.

    A value of None is not shown: it is not known, or does not exist yet.
    """

    family: type[CounterMetricFamily | GaugeMetricFamily]
    name: str
    help: str
    value: Callable[[_Source], float | None]


_COLLECTOR_ROWS: Final[Sequence[_Row[CollectorStatistics]]] = (
    _Row(CounterMetricFamily, "datagrams", "Datagrams sent.", lambda s: s.datagrams_sent),
    _Row(CounterMetricFamily, "bytes", "UDP payload sent.", lambda s: s.bytes_sent),
    _Row(CounterMetricFamily, "errors", "Datagrams that could not be sent.", lambda s: s.errors),
    _Row(CounterMetricFamily, "records", "Records sent.", lambda s: s.records_sent),
    _Row(
        CounterMetricFamily,
        "dropped_records",
        "Records dropped because too much waited, or the collector was down.",
        lambda s: s.dropped_records,
    ),
    _Row(CounterMetricFamily, "templates", "Template records sent.", lambda s: s.templates_sent),
    _Row(
        GaugeMetricFamily,
        "queue_depth",
        "Batches that wait to be sent to the collector.",
        lambda s: s.queue_depth,
    ),
    _Row(
        GaugeMetricFamily,
        "queue_octets",
        "Memory that flows and sampled packets that wait take.",
        lambda s: s.queue_octets,
    ),
    _Row(
        GaugeMetricFamily,
        "collector_up",
        "Whether the collector is served (1) or not (0).",
        lambda s: None if s.oper_status is None else float(s.oper_status is OperStatus.UP),
    ),
)

_COUNTER_ROWS: Final[Sequence[_Row[Counters]]] = (
    _Row(
        CounterMetricFamily,
        "interface_polls",
        "Successful reads of all interface counters.",
        lambda s: s.polls,
    ),
    _Row(
        CounterMetricFamily,
        "interface_poll_failures",
        "Reads of the interface counters that failed.",
        lambda s: s.poll_failures,
    ),
    _Row(
        CounterMetricFamily,
        "interface_discontinuities",
        "Times that the counters of an interface started anew.",
        lambda s: s.discontinuities,
    ),
    _Row(
        GaugeMetricFamily,
        "interfaces",
        "Interfaces, loopback excluded, at the latest poll.",
        lambda s: s.interfaces,
    ),
)

_SAMPLING_ROWS: Final[Sequence[_Row[SamplingState]]] = (
    _Row(
        CounterMetricFamily,
        "foreign_samples",
        "Samples of other programs, which were ignored.",
        lambda s: s.foreign_samples,
    ),
    _Row(
        CounterMetricFamily,
        "ambiguous_samples",
        "Samples dropped because two interfaces of one group may have taken them.",
        lambda s: s.ambiguous_samples,
    ),
    _Row(
        CounterMetricFamily,
        "malformed_messages",
        "Messages of the kernel about samples that could not be read.",
        lambda s: s.malformed_messages,
    ),
    _Row(
        CounterMetricFamily,
        "sample_overruns",
        "Times that the kernel had no room for further samples.",
        lambda s: s.overruns,
    ),
)

_INTERFACE_ROWS: Final[Sequence[_Row[SamplingInterfaceStatistics]]] = (
    _Row(CounterMetricFamily, "samples", "Packets sampled.", lambda s: s.samples),
    _Row(CounterMetricFamily, "sample_drops", "Samples lost.", lambda s: s.drops),
    _Row(
        CounterMetricFamily,
        "sample_pool",
        "Packets that the samples and drops stand for.",
        lambda s: s.sample_pool,
    ),
    _Row(
        GaugeMetricFamily,
        "sampling_up",
        "Whether the interface is sampled (1) or not (0).",
        lambda s: None if s.oper_status is None else float(s.oper_status is OperStatus.UP),
    ),
)

_CONNTRACK_ROWS: Final[Sequence[_Row[ConntrackState]]] = (
    _Row(
        CounterMetricFamily,
        "flows",
        "Records made of tracked connections, one for each direction that grew.",
        lambda s: s.flows_exported,
    ),
    _Row(
        GaugeMetricFamily,
        "flows_active",
        "Tracked connections that have not ended.",
        lambda s: s.flows_active,
    ),
    _Row(
        CounterMetricFamily,
        "flow_events_lost",
        "Times that the kernel dropped events of connections that ended.",
        lambda s: s.events_lost,
    ),
    _Row(
        CounterMetricFamily,
        "flows_vanished",
        "Connections that were gone without an event, and their last packets with them.",
        lambda s: s.flows_vanished,
    ),
    _Row(
        GaugeMetricFamily,  # the name that dashboards know has no _total
        "recent_ring_drops",
        "Records that made room for later ones in the ring of recent flows.",
        lambda s: s.recent_ring_drops,
    ),
)

_ROUTE_ROWS: Final[Sequence[_Row[EnrichmentKernelRoutes]]] = (
    _Row(
        GaugeMetricFamily,
        "routes_ipv4",
        "IPv4 prefixes in the routing tables that records are matched with.",
        lambda s: s.ipv4_routes,
    ),
    _Row(
        GaugeMetricFamily,
        "routes_ipv6",
        "IPv6 prefixes in the routing tables that records are matched with.",
        lambda s: s.ipv6_routes,
    ),
    _Row(
        CounterMetricFamily,
        "route_messages_lost",
        "Times that the kernel dropped messages about routes.",
        lambda s: s.messages_lost,
    ),
)

_CACHE_ROWS: Final[Sequence[_Row[SampledFlowsCache]]] = (
    _Row(
        CounterMetricFamily,
        "sampled_flows",
        "Flow records made of sampled packets.",
        lambda s: s.records,
    ),
    _Row(
        CounterMetricFamily,
        "sampled_flows_evictions",
        "Flow records of sampled packets made early, for want of room.",
        lambda s: s.evictions,
    ),
)

_EXPORTER_ROWS: Final[Sequence[_Row[Exporter]]] = (
    _Row(
        CounterMetricFamily,
        "exporter_restarts",
        "Times that the exporter process was started again.",
        lambda s: s.restarts,
    ),
    _Row(
        CounterMetricFamily,
        "events_dropped",
        "Events of the exporter dropped because management did not read them.",
        lambda s: s.events_dropped,
    ),
)

_MANAGEMENT_ROWS: Final[Sequence[_Row[Management]]] = (
    _Row(CounterMetricFamily, "commits", "Commits, kept over restarts.", lambda s: s.commits),
    _Row(GaugeMetricFamily, "sessions", "Management sessions.", lambda s: s.sessions),
    _Row(
        CounterMetricFamily,
        "sessions_rejected",
        "Connections refused by a limit or a failed login.",
        lambda s: s.rejected_sessions,
    ),
)


def render(
    accept: str, configuration: Configuration, snapshot: StateSnapshot, management: Management
) -> tuple[bytes, str]:
    """Render a scrape in the format that the client accepts; give it with its content type."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Scrape(configuration, snapshot, management))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


class _Scrape(Collector):
    """One scrape as the client library wants it; nothing lives longer than the scrape."""

    def __init__(
        self, configuration: Configuration, snapshot: StateSnapshot, management: Management
    ) -> None:
        self._configuration = configuration
        self._prefix = configuration.server.metrics.prefix
        found = snapshot.nodes.get(_FLOW_EXPORT)
        self._state = found if isinstance(found, FlowExportState) else FlowExportState()
        self._management = management

    def describe(self) -> list[Metric]:
        """Give nothing: names cannot collide in a registry of one scrape."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Give every metric that has a value."""
        state = self._state
        served: dict[tuple[str, ...], CollectorStatistics] = {
            (collector.name, self._protocols.get(collector.name, "")): statistics
            for collector in state.collector
            if (statistics := self._uncleared(collector)) is not None
        }
        yield from self._families(_COLLECTOR_ROWS, served, _LABELS)
        if state.counters is not None:
            yield from self._families(_COUNTER_ROWS, {(): state.counters})
        if state.sampling is not None:
            yield from self._families(_SAMPLING_ROWS, {(): state.sampling})
            sampled: dict[tuple[str, ...], SamplingInterfaceStatistics] = {
                (interface.name,): interface.statistics
                for interface in state.sampling.interface
                if interface.statistics is not None
            }
            yield from self._families(_INTERFACE_ROWS, sampled, ("interface",))
        if state.conntrack is not None:
            yield from self._families(_CONNTRACK_ROWS, {(): state.conntrack})
        if state.enrichment is not None and state.enrichment.kernel_routes is not None:
            yield from self._families(_ROUTE_ROWS, {(): state.enrichment.kernel_routes})
        if state.sampled_flows is not None:
            caches: dict[tuple[str, ...], SampledFlowsCache] = {
                (str(cache.active_timeout), str(cache.inactive_timeout)): cache
                for cache in state.sampled_flows.cache
            }
            yield from self._families(_CACHE_ROWS, caches, ("active_timeout", "inactive_timeout"))
        if state.exporter is not None:
            yield from self._families(_EXPORTER_ROWS, {(): state.exporter})
        yield from self._families(_MANAGEMENT_ROWS, {(): self._management})

    def _uncleared(self, collector: CollectorState) -> CollectorStatistics | None:
        return self._management.uncleared.get(collector.name, collector.statistics)

    @property
    def _protocols(self) -> Mapping[str, str]:
        flow_export = self._configuration.flow_export
        collectors = () if flow_export is None else flow_export.collector
        return {collector.name: str(collector.protocol) for collector in collectors}

    def _families(
        self,
        rows: Sequence[_Row[_Source]],
        sources: Mapping[tuple[str, ...], _Source],
        labels: Sequence[str] = (),
    ) -> Iterator[Metric]:
        for row in rows:
            family = row.family(f"{self._prefix}_{row.name}", row.help, labels=labels)
            for values, source in sources.items():
                value = row.value(source)
                if value is not None:
                    family.add_metric(values, value)
            if family.samples:
                yield family
