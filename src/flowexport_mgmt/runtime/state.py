"""State of the collectors and of the counters' source as the model has it."""

from __future__ import annotations

from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.pipeline import LaneReport, PollReport
from flowexport_mgmt.runtime.times import date_and_time, date_and_time_or_none


def describe_collector(name: str, report: LaneReport) -> fe.CollectorState:
    """Describe how a collector fares."""
    counted = report.statistics
    return fe.CollectorState(
        name=name,
        statistics=fe.CollectorStatistics(
            oper_status=report.status,
            oper_reason=report.reason,
            agent_address_in_use=None if report.agent is None else str(report.agent),
            datagrams_sent=counted.datagrams,
            bytes_sent=counted.octets,
            records_sent=counted.records,
            errors=counted.errors,
            send_failure=tuple(
                fe.CollectorStatisticsSendFailure(error=error, count=count)
                for error, count in sorted(counted.failures.items())
            ),
            last_error=counted.last_error,
            sequence=report.sequence,
            dropped_records=report.dropped_records,
            skipped_records=report.skipped_records,
            templates_sent=counted.templates,
            last_template_time=date_and_time_or_none(counted.last_template_ns),
            last_export_time=date_and_time_or_none(counted.last_export_ns),
            queue_depth=report.queue_depth,
            queue_octets=report.queue_octets,
            send_method=None if report.method is None else fe.SendMethod(report.method),
            send_fallbacks=None if report.is_stream else counted.fallbacks,
            send_fallback_reason=counted.last_fallback,
            connections=counted.connections if report.is_stream else None,
            tls_version=report.tls_version,
            discontinuity_time=date_and_time(counted.since_ns),
        ),
    )


def describe_counters(report: PollReport, discontinuities: int) -> fe.Counters:
    """Describe how the source of interface counters fares."""
    return fe.Counters(
        oper_status=report.status,
        oper_reason=report.reason,
        interfaces=report.interfaces,
        polls=report.polls,
        poll_failures=report.failures,
        discontinuities=discontinuities,
        last_poll=date_and_time_or_none(report.last_poll_ns),
        discontinuity_time=date_and_time(report.since_ns),
    )
