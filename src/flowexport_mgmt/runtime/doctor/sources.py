"""Checks of where records come from, by what the state says."""

from __future__ import annotations

from collections.abc import Iterator

from flowexport_mgmt.link.messages import Finding, FindingStatus
from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.model import interfaces as ifs
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.runtime.doctor.findings import fail, fine, remedy_of, severity, warn

_MAX_INTERFACES = 256
"""Interfaces that are told of one by one; the rest is counted."""
_MAX_IFINDEX = 0xFFFF
"""The kernel's message about a sample has 16 bits for an ifIndex."""


def check_sources(
    config: fe.FlowExport, state: fe.FlowExportState, interfaces: ifs.Interfaces
) -> Iterator[Finding]:
    """Check the counters, the sampler and the connections."""
    if state.counters is not None:
        status, reason = state.counters.oper_status, state.counters.oper_reason
        yield _source("counters", status, reason, f"{state.counters.interfaces or 0} interfaces")
    if state.sampling is not None and config.sampling.interface:
        status, reason = state.sampling.oper_status, state.sampling.oper_reason
        yield _source("sampling", status, reason, "packets are sampled")
        yield from _overruns("sampling", state.sampling.overruns, "samples")
    if state.conntrack is not None and config.conntrack.enabled:
        status, reason = state.conntrack.oper_status, state.conntrack.oper_reason
        yield _source(
            "conntrack", status, reason, f"{state.conntrack.flows_active or 0} connections"
        )
        yield from _overruns("conntrack", state.conntrack.events_lost, "events")
    yield from _interfaces(config, state, interfaces)


def _source(name: str, status: OperStatus | None, reason: str | None, well: str) -> Finding:
    grade = severity(status)
    if grade is FindingStatus.OK:
        return fine("source", well, name)
    make = warn if grade is FindingStatus.WARNING else fail
    words = reason or str(status)
    return make("source", words, name, remedy_of(reason) or "journalctl -u flowexportd -n 50")


def _overruns(name: str, count: int | None, what: str) -> Iterator[Finding]:
    if count:
        words = f"the kernel had no room for {what} {count} times since the start"
        yield warn("socket-buffers", words, name, "sysctl -w net.core.rmem_max=67108864")


def _interfaces(
    config: fe.FlowExport, state: fe.FlowExportState, interfaces: ifs.Interfaces
) -> Iterator[Finding]:
    found = {interface.name: interface for interface in interfaces.interface}
    fares = {} if state.sampling is None else {one.name: one for one in state.sampling.interface}
    sampled = [one.name for one in config.sampling.interface]
    for name in sampled:
        yield _sampled(name, found.get(name), fares.get(name))
    others = [one for name, one in found.items() if name not in sampled and not _is_loopback(one)]
    for interface in others[:_MAX_INTERFACES]:
        yield _polled(interface)
    if len(others) > _MAX_INTERFACES:
        yield fine("interface", f"{len(others) - _MAX_INTERFACES} further ones are polled too")


def _is_loopback(interface: ifs.Interface) -> bool:
    return interface.type == "iana-if-type:softwareLoopback"


def _sampled(
    name: str, interface: ifs.Interface | None, fares: fe.SamplingInterfaceState | None
) -> Finding:
    if interface is None:
        return fail("interface", "there is no interface of this name", name, "ip -brief link")
    if interface.oper_status is not ifs.InterfaceOperStatus.UP:
        return warn("interface", _status(interface), name, f"ip link set dev {name} up")
    statistics = None if fares is None else fares.statistics
    if statistics is None or severity(statistics.oper_status) is FindingStatus.OK:
        return fine("interface", "up, and sampled", name)
    words = f"up, and not sampled: {statistics.oper_reason or statistics.oper_status}"
    mend = remedy_of(statistics.oper_reason) or f"tc -s filter show dev {name} ingress"
    return fail("interface", words, name, mend)


def _polled(interface: ifs.Interface) -> Finding:
    return fine("interface", f"{_status(interface)}, and polled", interface.name)


def _status(interface: ifs.Interface) -> str:
    if interface.enabled is False:
        return "switched off"
    return str(interface.oper_status or "unknown")
