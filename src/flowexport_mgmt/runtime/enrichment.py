"""What is added to records, by configuration."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Final

from flowexport_mgmt.enrich import Fib, FibReport
from flowexport_mgmt.link.messages import Refusal
from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.runtime.parts import Surroundings, tell_source
from flowexport_mgmt.runtime.paths import ENRICHMENT, is_asked
from flowexport_mgmt.runtime.times import date_and_time, date_and_time_or_none

_STOP_S: Final = 0.9


class Enrichment:
    """Follows the kernel's routes while `fib` says so."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._exchange = surroundings.pipeline.exchange
        self._changed = functools.partial(tell_source, surroundings.tell, "fib")
        self._fib: Fib | None = None
        self._is_wanted: bool | None = None

    def prepare(self, new: fe.FlowExport | None, *, strict: bool) -> Sequence[Refusal]:
        """Take note of what is wanted; nothing of it can be refused."""
        del strict
        self._is_wanted = new is not None and new.enrichment.fib
        return ()

    def apply(self) -> None:
        """Begin or end to follow the routes."""
        wanted, self._is_wanted = self._is_wanted, None
        if wanted and self._fib is None:
            self._fib = Fib(self._changed)
            self._fib.start()
            self._exchange.enrich_with(self._fib.flows, self._fib.samples)
        elif wanted is False:
            self.stop()

    def abort(self) -> None:
        """Forget what was wanted."""
        self._is_wanted = None

    def stop(self) -> None:
        """Let records be as they come."""
        fib, self._fib = self._fib, None
        if fib is not None:
            self._exchange.enrich_with(None, None)
            fib.stop(_STOP_S)

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
