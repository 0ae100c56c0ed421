"""Checks of the collectors: where their datagrams come from, and whether they get there."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from flowexport_mgmt.export import EndpointError
from flowexport_mgmt.link.messages import Finding, FindingStatus
from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.runtime.doctor.findings import fail, fine, severity, warn

TryCollector = Callable[[fe.Collector], None]
"""Opens a collector's socket and closes it again; EndpointError when that cannot be."""

_SOURCE = "source-address"


def check_collectors(
    config: fe.FlowExport, state: fe.FlowExportState, attempt: TryCollector
) -> Iterator[Finding]:
    """Check each collector; no datagram is sent for it."""
    fares = {collector.name: collector.statistics for collector in state.collector}
    if not config.collector:
        yield warn(
            "collector",
            "none is configured: nothing is exported",
            remedy="flowexport -c 'set flow-export collector NAME address A port P protocol ipfix'",
        )
    for collector in config.collector:
        problem = _try(collector, attempt)
        if collector.source_address is not None:
            yield _source_address(collector, problem)
        yield _reachability(collector, fares.get(collector.name), problem)


def _try(collector: fe.Collector, attempt: TryCollector) -> EndpointError | None:
    if not collector.enabled:
        return None
    try:
        attempt(collector)
    except EndpointError as error:
        return error
    return None


def _source_address(collector: fe.Collector, problem: EndpointError | None) -> Finding:
    address = collector.source_address
    subject = f"{collector.name} {address}"
    if problem is None or problem.leaf != _SOURCE:
        return fine(_SOURCE, "an address of this host", subject)
    bits = 128 if ":" in str(address) else 32
    mend = f"ip address add {address}/{bits} dev INTERFACE"
    return fail(_SOURCE, problem.message, subject, mend)


def _reachability(
    collector: fe.Collector, fares: fe.CollectorStatistics | None, problem: EndpointError | None
) -> Finding:
    check, name = "collector", collector.name
    if not collector.enabled:
        return fine(check, "disabled by configuration", name)
    if problem is not None:
        return fail(check, problem.message, name, _mend(collector, problem.message))
    if fares is None:
        return warn(check, "it is being set up", name, _ask(name))
    grade = severity(fares.oper_status)
    if grade is not FindingStatus.OK:
        reason = fares.oper_reason or str(fares.oper_status)
        make = warn if grade is FindingStatus.WARNING else fail
        return make(check, reason, name, _mend(collector, reason))
    if fares.dropped_records:
        words = (
            f"{fares.dropped_records} records were dropped: it is sent to more slowly than asked"
        )
        return warn(check, words, name, _ask(name))
    return fine(check, _well(collector, fares), name)


def _well(collector: fe.Collector, fares: fe.CollectorStatistics) -> str:
    if not fares.datagrams_sent:
        return "there is a way to it; nothing was sent yet"
    words = f"{fares.datagrams_sent} datagrams sent, the last at {fares.last_export_time}"
    if collector.transport is not fe.Transport.UDP:
        return words
    return f"{words}; nothing was refused (UDP tells no more)"


def _mend(collector: fe.Collector, reason: str) -> str:
    """Choose what an operator would type first, by what is wrong."""
    address, port = collector.address, collector.port
    udp = collector.transport is fe.Transport.UDP
    if "ECONNREFUSED" in reason:
        return f"ss -{'u' if udp else 't'}lnp 'sport = :{port}'  # at {address}"
    if "certificate" in reason or reason.startswith(("TLS", "tls/")):
        return f"openssl s_client -connect {_host(address)}:{port} </dev/null"
    if "network-instance" in reason:
        return "ip netns list; ip link show type vrf"
    if _SOURCE in reason:
        return "ip address"
    instance = collector.network_instance
    return f"ip route get {address}" + (f" vrf {instance}" if instance else "")


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _ask(name: str) -> str:
    return f"flowexport -c 'show flow-export name {name}'"
