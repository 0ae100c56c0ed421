from __future__ import annotations

import re

from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from flowexport_mgmt.datastore import StateSnapshot
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.model.configuration import Configuration
from flowexport_mgmt.model.flow_export import (
    Collector,
    CollectorState,
    CollectorStatistics,
    ConntrackState,
    Counters,
    EnrichmentKernelRoutes,
    EnrichmentState,
    Exporter,
    FlowExport,
    FlowExportState,
    Protocol,
    SampledFlows,
    SampledFlowsCache,
    SamplingInterfaceState,
    SamplingInterfaceStatistics,
    SamplingState,
)
from flowexport_mgmt.model.server import Metrics, Server
from flowexport_mgmt.north.http.metrics import Management, render

MANAGEMENT = Management(commits=7, sessions=2, rejected_sessions=3)
CONFIGURATION = Configuration(
    flow_export=FlowExport(
        collector=(
            Collector(name="a", address="192.0.2.1", protocol=Protocol.SFLOW),
            Collector(name='b"\n', address="192.0.2.2", protocol=Protocol.IPFIX),
        )
    )
)
STATE = FlowExportState(
    collector=(
        CollectorState(
            name="a",
            statistics=CollectorStatistics(
                oper_status=OperStatus.UP,
                datagrams_sent=10,
                bytes_sent=2**63,
                errors=1,
                records_sent=20,
                dropped_records=4,
                templates_sent=0,
                queue_depth=5,
            ),
        ),
        CollectorState(
            name='b"\n',
            statistics=CollectorStatistics(oper_status=OperStatus.DOWN, datagrams_sent=0),
        ),
        CollectorState(name="new"),
    ),
    counters=Counters(polls=100, poll_failures=2, discontinuities=1, interfaces=6),
    sampling=SamplingState(
        foreign_samples=1,
        ambiguous_samples=2,
        malformed_messages=3,
        overruns=4,
        interface=(
            SamplingInterfaceState(
                name="wan",
                statistics=SamplingInterfaceStatistics(
                    oper_status=OperStatus.UP, samples=50, drops=5, sample_pool=550
                ),
            ),
            SamplingInterfaceState(
                name="away",
                statistics=SamplingInterfaceStatistics(oper_status=OperStatus.NOT_PRESENT),
            ),
        ),
    ),
    conntrack=ConntrackState(flows_exported=9, flows_active=8, recent_ring_drops=7),
    enrichment=EnrichmentState(
        kernel_routes=EnrichmentKernelRoutes(ipv4_routes=30, ipv6_routes=31, messages_lost=32)
    ),
    sampled_flows=SampledFlows(
        cache=(SampledFlowsCache(active_timeout=60, inactive_timeout=15, records=40, evictions=41),)
    ),
    exporter=Exporter(restarts=1, events_dropped=0),
)


def scrape(
    state: FlowExportState | None = STATE,
    configuration: Configuration = CONFIGURATION,
    management: Management = MANAGEMENT,
) -> str:
    nodes = {} if state is None else {"flow-export:flow-export": state}
    body, content_type = render("", configuration, StateSnapshot(nodes), management)
    assert content_type.startswith("text/plain; version=")
    return body.decode()


def samples(text: str) -> dict[str, float]:
    return {
        name + "".join(f" {key}={value}" for key, value in sorted(labels.items())): value
        for family in text_string_to_metric_families(text)
        for name, labels, value, *_ in family.samples
    }


def test_the_names_of_the_reference_and_their_values() -> None:
    found = samples(scrape())
    assert found == {
        "ze_flowexport_datagrams_total collector=a protocol=sflow": 10,
        'ze_flowexport_datagrams_total collector=b"\n protocol=ipfix': 0,
        "ze_flowexport_bytes_total collector=a protocol=sflow": 2.0**63,
        "ze_flowexport_errors_total collector=a protocol=sflow": 1,
        "ze_flowexport_records_total collector=a protocol=sflow": 20,
        "ze_flowexport_dropped_records_total collector=a protocol=sflow": 4,
        "ze_flowexport_templates_total collector=a protocol=sflow": 0,
        "ze_flowexport_queue_depth collector=a protocol=sflow": 5,
        "ze_flowexport_collector_up collector=a protocol=sflow": 1,
        'ze_flowexport_collector_up collector=b"\n protocol=ipfix': 0,
        "ze_flowexport_interface_polls_total": 100,
        "ze_flowexport_interface_poll_failures_total": 2,
        "ze_flowexport_interface_discontinuities_total": 1,
        "ze_flowexport_interfaces": 6,
        "ze_flowexport_foreign_samples_total": 1,
        "ze_flowexport_ambiguous_samples_total": 2,
        "ze_flowexport_malformed_messages_total": 3,
        "ze_flowexport_sample_overruns_total": 4,
        "ze_flowexport_samples_total interface=wan": 50,
        "ze_flowexport_sample_drops_total interface=wan": 5,
        "ze_flowexport_sample_pool_total interface=wan": 550,
        "ze_flowexport_sampling_up interface=wan": 1,
        "ze_flowexport_sampling_up interface=away": 0,
        "ze_flowexport_flows_total": 9,
        "ze_flowexport_flows_active": 8,
        "ze_flowexport_recent_ring_drops": 7,
        "ze_flowexport_routes_ipv4": 30,
        "ze_flowexport_routes_ipv6": 31,
        "ze_flowexport_route_messages_lost_total": 32,
        "ze_flowexport_sampled_flows_total active_timeout=60 inactive_timeout=15": 40,
        "ze_flowexport_sampled_flows_evictions_total active_timeout=60 inactive_timeout=15": 41,
        "ze_flowexport_exporter_restarts_total": 1,
        "ze_flowexport_events_dropped_total": 0,
        "ze_flowexport_commits_total": 7,
        "ze_flowexport_sessions": 2,
        "ze_flowexport_sessions_rejected_total": 3,
    }


def test_clearing_resets_no_counter() -> None:
    """Who cleared statistics sees them begin again; a counter of Prometheus goes on."""
    whole = CollectorStatistics(oper_status=OperStatus.UP, datagrams_sent=1000)
    management = Management(commits=1, sessions=0, rejected_sessions=0, uncleared={"a": whole})
    shown = samples(scrape(management=management))
    assert shown["ze_flowexport_datagrams_total collector=a protocol=sflow"] == 1000
    assert shown['ze_flowexport_datagrams_total collector=b"\n protocol=ipfix'] == 0


def test_names_and_help_are_what_promtool_asks_for() -> None:
    text = scrape()
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    helps = dict(re.findall(r"^# HELP (\S+) (.+)$", text, re.MULTILINE))
    assert types.keys() == helps.keys()
    for name, kind in types.items():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
        assert kind in {"counter", "gauge"}
        assert name.endswith("_total") == (kind == "counter")


def test_the_prefix_is_the_configured_one() -> None:
    configuration = Configuration(server=Server(metrics=Metrics(prefix="mine")))
    assert all(name.startswith("mine_") for name in samples(scrape(STATE, configuration)))


def test_without_the_exporter_there_are_only_metrics_of_management() -> None:
    assert samples(scrape(None)).keys() == {
        "ze_flowexport_commits_total",
        "ze_flowexport_sessions",
        "ze_flowexport_sessions_rejected_total",
    }


def test_openmetrics_is_spoken_to_who_asks_for_it() -> None:
    accept = "application/openmetrics-text; version=1.0.0"
    body, content_type = render(accept, CONFIGURATION, StateSnapshot({}), MANAGEMENT)
    assert content_type.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


def test_the_library_s_own_registry_is_left_alone() -> None:
    before = [metric.name for metric in REGISTRY.collect()]
    scrape()
    assert [metric.name for metric in REGISTRY.collect()] == before
