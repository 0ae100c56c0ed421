"""What is reported of sessions, sources and routes, as the model has it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.rib.base import Rib
from flowexport_mgmt.rib.peers import NeighborReport, Peers, normalise
from flowexport_mgmt.rib.routers import RouterReport, Routers
from flowexport_mgmt.rib.sources import Identity, Kind, Source

Status = tuple[OperStatus, str | None]

_KINDS: Final = {
    Kind.IBGP: fe.EnrichmentRibSourceKind.IBGP,
    Kind.LOC_RIB: fe.EnrichmentRibSourceKind.LOC_RIB,
    Kind.POST_POLICY: fe.EnrichmentRibSourceKind.POST_POLICY,
    Kind.PRE_POLICY: fe.EnrichmentRibSourceKind.PRE_POLICY,
}


def describe(
    rib: Rib,
    peers: Peers,
    routers: Routers,
    runs: fe.Enrichment,
    *,
    rib_status: Status,
    ibgp_status: Status,
    bmp_status: Status,
) -> fe.EnrichmentState:
    """Describe everything; each status is with its reason."""
    reports = peers.reports()
    neighbors = tuple(
        _describe_neighbor(neighbor.address, reports.get(normalise(neighbor.address)))
        for neighbor in runs.ibgp.neighbor
    )
    return fe.EnrichmentState(
        ibgp=fe.EnrichmentIbgpState(
            neighbor=neighbors,
            oper_status=ibgp_status[0],
            oper_reason=ibgp_status[1],
            connections_refused=peers.refused,
        ),
        bmp=fe.EnrichmentBmpState(
            router=tuple(map(_describe_router, routers.reports())),
            oper_status=bmp_status[0],
            oper_reason=bmp_status[1],
        ),
        rib=_describe_rib(rib, rib_status),
    )


def _describe_neighbor(
    address: str, report: NeighborReport | None
) -> fe.EnrichmentIbgpNeighborState:
    report = report or NeighborReport()
    identifier = None if report.identifier is None else str(IPv4Address(report.identifier))
    return fe.EnrichmentIbgpNeighborState(
        address=address,
        session_state=fe.EnrichmentIbgpNeighborSessionState(report.state),
        sessions=report.sessions,
        identifier=identifier,
        hold_time=report.hold_time,
        last_error=report.last_error,
    )


def _describe_router(report: RouterReport) -> fe.EnrichmentBmpRouter:
    return fe.EnrichmentBmpRouter(
        name=report.name,
        description=report.description or None,
        peers=report.peers,
        messages=report.messages,
        faults=report.faults,
        last_fault=report.last_fault,
        since=_instant(report.since_ns),
    )


def _describe_rib(rib: Rib, status: Status) -> fe.EnrichmentRib:
    return fe.EnrichmentRib(
        oper_status=status[0],
        oper_reason=status[1],
        ipv4_routes=rib.routes[4],
        ipv6_routes=rib.routes[6],
        routes_refused=rib.facts.refused
        + rib.direct.unplaced
        + rib.tables[4].refused
        + rib.tables[6].refused,
        memory=_memory(),
        source=tuple(_describe_source(rib, source) for source in rib.sources.values()),
    )


def _describe_source(rib: Rib, source: Source) -> fe.EnrichmentRibSource:
    return fe.EnrichmentRibSource(
        name=name(source.identity, source.peer_address),
        kind=_KINDS[source.identity.kind],
        peer_address=source.peer_address or None,
        peer_as=source.peer_as,
        connected=source.up,
        ipv4_paths=_count(rib, 4, source),
        ipv6_paths=_count(rib, 6, source),
        used=tuple(
            fe.EnrichmentRibSourceUsed(f"ipv{version}-unicast")
            for version, table in source.tables.items()
            if table.usable
        ),
        end_of_rib=tuple(
            fe.EnrichmentRibSourceEndOfRib(f"ipv{version}-unicast")
            for version, table in source.tables.items()
            if table.end_of_rib
        ),
        updates=source.updates,
        withdrawals=source.withdrawals,
        faults=source.faults,
        last_fault=source.last_fault,
        since=_instant(source.since_ns),
        last_change=None if source.changed_ns is None else _instant(source.changed_ns),
    )


def name(identity: Identity, peer_address: str) -> str:
    """Name a source so that no other has the name."""
    kind = _KINDS[identity.kind].value
    if identity.kind is Kind.IBGP:
        return f"{kind} {identity.router}"
    distinguisher = identity.peer[1] if isinstance(identity.peer, tuple) else 0
    peer = f"{peer_address} {distinguisher or ''}".strip()
    return f"{kind} {identity.router} {peer}".strip()


def _count(rib: Rib, version: int, source: Source) -> int:
    counts = rib.tables[version].counts  # type: ignore[index] # one of the two
    return int(counts[source.number]) if source.number < len(counts) else 0


def _memory() -> int:
    """Give the resident memory of this process in octets."""
    resident = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(resident) * os.sysconf("SC_PAGESIZE")


def _instant(unix_ns: int) -> str:
    moment = datetime.fromtimestamp(unix_ns / 1e9, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
