"""What is added to records, by configuration."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

import msgspec
import numpy as np

from flowexport_mgmt.enrich import Fib, FibReport
from flowexport_mgmt.enrich.prefixes import Version, to_column
from flowexport_mgmt.enrich.rib import RibTables, Routes
from flowexport_mgmt.enrich.rib_records import add_to_flows, add_to_samples
from flowexport_mgmt.enrich.rib_text import render_path
from flowexport_mgmt.link.messages import FoundRoute, RecentFlow
from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.records import FlowBatch, SampleBatch
from flowexport_mgmt.runtime.parts import Surroundings, WillingPart, tell_source
from flowexport_mgmt.runtime.paths import ENRICHMENT, is_asked
from flowexport_mgmt.runtime.times import date_and_time, date_and_time_or_none

_LOG = logging.getLogger(__name__)

_STOP_S: Final = 0.9
_NOTHING: Final = fe.Enrichment(fib=False)
_VERSIONS: Final[tuple[Version, Version]] = (4, 6)


class Enrichment(WillingPart[fe.Enrichment]):
    """Follows the kernel's routes while `fib` says so, and looks up those of BGP while `bgp` does.

    Tables of a rib process that was started again count when they are ready, or when those of the
    one before are as old as routes may be without a session.
    """

    def __init__(
        self, surroundings: Surroundings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._exchange = surroundings.pipeline.exchange
        self._changed = functools.partial(tell_source, surroundings.tell, "fib")
        self._clock = clock
        self._fib: Fib | None = None
        self._runs = _NOTHING
        self._tables: RibTables | None = None
        self._former: tuple[RibTables, float] | None = None

    def _read(self, new: fe.FlowExport | None) -> fe.Enrichment:
        return _NOTHING if new is None else new.enrichment

    def _follow(self, wish: fe.Enrichment) -> None:
        """Begin or end to follow the routes."""
        self._runs = wish
        if wish.fib and self._fib is None:
            self._fib = Fib(self._changed)
            self._fib.start()
        elif not wish.fib:
            self._stop_fib()
        self._enrich()

    def stop(self) -> None:
        """Let records be as they come."""
        self.abort()
        self._exchange.enrich_with(None, None)
        self._stop_fib()

    def use_tables(self, descriptor: int | None) -> None:
        """Look up in these tables from now on; without any there is no process that has routes."""
        before, former = self._tables, self._former
        self._former = None
        try:
            self._tables = None if descriptor is None else RibTables(descriptor)
        except OSError as error:
            _LOG.error("routes of BGP cannot be looked up: %s", error)
            self._tables = None
        if self._tables is None or before is None:
            return
        if former is not None and not before.covers(former[0]):
            self._former = former  # the process ended once more before it had all routes
        elif before.is_ready:
            self._former = before, self._clock() + self._runs.stale_time

    def add_paths(self, flows: tuple[RecentFlow, ...]) -> tuple[RecentFlow, ...]:
        """Add the AS paths to the destinations, where they still end in the AS of the record."""
        tables = self._current()
        if tables is None:
            return flows
        told = list(flows)
        for version in _VERSIONS:
            asked = [
                (place, address)
                for place, flow in enumerate(flows)
                if (address := ip_address(flow.dst_address)).version == version and flow.dst_as
            ]
            found = tables.find(version, to_column(version, [int(each) for _, each in asked]))
            rows = zip(asked, found.rows.tolist(), found.origin_as.tolist(), strict=True)
            for (place, _), row, origin in rows:
                if row and origin == flows[place].dst_as:
                    path = render_path(tables.describe(row).path)
                    told[place] = msgspec.structs.replace(flows[place], as_path=path)
        return tuple(told)

    def lookup_routes(self, addresses: Sequence[str]) -> tuple[FoundRoute, ...]:
        """Find the routes of BGP that addresses belong to; those without one are left out.

        Raises:
            ValueError: a text is no address, or there are no routes of BGP.
        """
        tables = self._current()
        if tables is None:
            raise ValueError("there are no routes of BGP: enrichment bgp is off, or none came yet")
        asked = [ip_address(text) for text in addresses]
        found: dict[str, FoundRoute] = {}
        for version in _VERSIONS:
            known = [address for address in asked if address.version == version]
            routes = tables.find(version, to_column(version, [int(each) for each in known]))
            for place in np.flatnonzero(routes.found).tolist():
                route = describe_route(tables, routes, place, known[place])
                found[route.address] = route
        return tuple(found[text] for text in dict.fromkeys(map(str, asked)) if text in found)

    def state(self, paths: Sequence[str]) -> fe.FlowExportState:
        """Report how the routes are followed."""
        if not is_asked(ENRICHMENT, paths):
            return fe.FlowExportState()
        routes = (
            fe.EnrichmentKernelRoutes(oper_status=OperStatus.DISABLED)
            if self._fib is None
            else _describe(self._fib.report)
        )
        return fe.FlowExportState(enrichment=fe.EnrichmentState(kernel_routes=routes))

    def _current(self) -> RibTables | None:
        """Give the tables that count, None for none."""
        tables, former = self._tables, self._former
        if not self._runs.bgp or tables is None:
            return None
        if former is not None:
            if not tables.covers(former[0]) and self._clock() < former[1]:
                return former[0]
            self._former = None
        return tables if tables.is_ready else None

    def _enrich(self) -> None:
        if self._fib is None and not self._runs.bgp:
            self._exchange.enrich_with(None, None)
        else:
            self._exchange.enrich_with(self._flows, self._samples)

    def _flows(self, batch: FlowBatch) -> FlowBatch:
        """Add what the kernel's routes say, then what BGP says, which counts before it."""
        fib, tables = self._fib, self._current()
        if fib is not None:
            batch = fib.flows(batch)
        return batch if tables is None else add_to_flows(tables, batch)

    def _samples(self, batch: SampleBatch) -> SampleBatch:
        fib, tables = self._fib, self._current()
        view = None if fib is None else fib.view
        if fib is not None:
            batch = fib.samples(batch)
        return batch if tables is None else add_to_samples(tables, batch, view)

    def _stop_fib(self) -> None:
        fib, self._fib = self._fib, None
        if fib is not None:
            fib.stop(_STOP_S)


def describe_route(
    tables: RibTables, routes: Routes, place: int, address: IPv4Address | IPv6Address
) -> FoundRoute:
    """Say in the model's words which route an address of a column has."""
    high, low = routes.next_hops[place].tolist()
    is_6 = routes.versions[place] == 6
    hop = IPv6Address(high << 64 | low) if is_6 else IPv4Address(low)
    return FoundRoute(
        address=str(address),
        prefix=str(ip_network((address, int(routes.lengths[place])), strict=False)),
        origin_as=int(routes.origin_as[place]) or None,
        next_hop=str(hop) if int(hop) else None,
        as_path=render_path(tables.describe(int(routes.rows[place])).path) or None,
    )


def _describe(report: FibReport) -> fe.EnrichmentKernelRoutes:
    return fe.EnrichmentKernelRoutes(
        oper_status=report.status,
        oper_reason=report.reason,
        ipv4_routes=report.ipv4_routes,
        ipv6_routes=report.ipv6_routes,
        updates=report.updates,
        resyncs=report.resyncs,
        messages_lost=report.overruns,
        last_change=date_and_time_or_none(report.last_change_ns),
        discontinuity_time=date_and_time(report.since_ns),
    )
