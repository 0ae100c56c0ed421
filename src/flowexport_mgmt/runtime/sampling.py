"""Packet sampling as the configuration wants it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flowexport_mgmt.link.messages import SampleLoss
from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.runtime.parts import Surroundings, WillingPart, tell_source
from flowexport_mgmt.runtime.paths import SAMPLING, is_asked
from flowexport_mgmt.sources.sampler import HostSampler
from flowexport_mgmt.sources.sampling import (
    Backend,
    InterfaceReport,
    Sampler,
    SamplerReport,
    TakeBatch,
    Wanted,
    Watcher,
)

MakeSampler = Callable[[TakeBatch, Watcher], Sampler]

_SOURCE = "sampling"
_AUTO = fe.SamplingBackend.AUTO
_Direction = fe.SamplingInterfaceDirection


@dataclass(frozen=True, slots=True)
class _Wish:
    interfaces: tuple[Wanted, ...]
    backend: Backend | None


class Sampling(WillingPart[_Wish]):
    """Leads the sampler; nothing that the kernel refuses fails a commit."""

    def __init__(self, surroundings: Surroundings, make_sampler: MakeSampler = HostSampler) -> None:
        super().__init__()
        self._make = functools.partial(
            make_sampler, surroundings.pipeline.exchange.publish, _Events(surroundings)
        )
        self._sampler: Sampler | None = None

    def _read(self, new: fe.FlowExport | None) -> _Wish:
        if new is None:
            return _Wish((), None)
        backend = new.sampling.backend
        interfaces = tuple(map(_want, new.sampling.interface))
        return _Wish(interfaces, None if backend is _AUTO else Backend(backend.value))

    def _follow(self, wish: _Wish) -> None:
        """Have the sampler see to it, in its own time."""
        if wish.interfaces and self._sampler is None:
            self._sampler = self._make()
        if self._sampler is not None:
            self._sampler.configure(wish.interfaces, wish.backend)

    def finish(self, deadline: float) -> None:
        """Stop sampling, with the samples that gather."""
        del deadline
        self.stop()

    def stop(self) -> None:
        """Stop sampling."""
        self.abort()
        if self._sampler is not None:
            self._sampler.stop()
            self._sampler = None

    def state(self, paths: Sequence[str]) -> fe.FlowExportState:
        """Report how sampling fares, unless nothing is sampled."""
        if self._sampler is None or not is_asked(SAMPLING, paths):
            return fe.FlowExportState()
        report = self._sampler.report()
        return fe.FlowExportState(sampling=_describe(report) if report.interfaces else None)


class _Events:
    """Posts what a sampler tells of itself."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._tell = surroundings.tell

    def status_changed(self, status: OperStatus, reason: str | None) -> None:
        tell_source(self._tell, _SOURCE, status, reason)

    def samples_lost(self, interface: str, drops: int, total: int) -> None:
        self._tell(SampleLoss(interface=interface, drops=drops, total=total))


def _want(config: fe.SamplingInterface) -> Wanted:
    return Wanted(
        name=config.name,
        rate=config.rate,
        trunc=config.trunc_size,
        group=config.group,
        ingress=config.direction is not _Direction.EGRESS,
        egress=config.direction is not _Direction.INGRESS,
    )


def _describe(report: SamplerReport) -> fe.SamplingState:
    return fe.SamplingState(
        oper_status=report.status,
        oper_reason=report.reason,
        backend_in_use=fe.SamplingBackendInUse(report.backend.value),
        fallback_reason=report.fallback,
        foreign_samples=report.mishaps.foreign,
        ambiguous_samples=report.mishaps.ambiguous,
        malformed_messages=report.mishaps.malformed,
        overruns=report.mishaps.overruns,
        interface=tuple(map(_describe_interface, report.interfaces)),
    )


def _describe_interface(report: InterfaceReport) -> fe.SamplingInterfaceState:
    return fe.SamplingInterfaceState(
        name=report.name,
        statistics=fe.SamplingInterfaceStatistics(
            oper_status=report.status,
            oper_reason=report.reason,
            samples=report.totals.samples,
            drops=report.totals.drops,
            sample_pool=report.totals.pool,
            packets_seen=report.totals.packets_seen,
        ),
    )
