"""Packet sampling as the configuration wants it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from flowexport_mgmt.link.messages import Refusal, SampleLoss
from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.runtime.parts import Surroundings, tell_source
from flowexport_mgmt.runtime.paths import SAMPLING, is_asked
from flowexport_mgmt.sources.psample import PsampleSampler
from flowexport_mgmt.sources.sampling import (
    InterfaceReport,
    Sampler,
    SamplerReport,
    TakeBatch,
    Wanted,
    Watcher,
)

MakeSampler = Callable[[TakeBatch, Watcher], Sampler]

_SOURCE = "sampling"
_Direction = fe.SamplingInterfaceDirection


class Sampling:
    """Leads the sampler; nothing that the kernel refuses fails a commit."""

    def __init__(
        self, surroundings: Surroundings, make_sampler: MakeSampler = PsampleSampler
    ) -> None:
        self._make = functools.partial(
            make_sampler, surroundings.pipeline.exchange.publish, _Events(surroundings)
        )
        self._sampler: Sampler | None = None
        self._prepared: tuple[Wanted, ...] | None = None

    def prepare(self, new: fe.FlowExport | None, *, strict: bool) -> tuple[Refusal, ...]:  # noqa: ARG002 - the face of all parts
        """Note what is wanted."""
        interfaces = () if new is None else new.sampling.interface
        self._prepared = tuple(map(_want, interfaces))
        return ()

    def apply(self) -> None:
        """Have the sampler see to it, in its own time."""
        wanted, self._prepared = self._prepared, None
        if wanted is None:
            return
        if wanted and self._sampler is None:
            self._sampler = self._make()
        if self._sampler is not None:
            self._sampler.configure(wanted)

    def abort(self) -> None:
        """Forget what was prepared."""
        self._prepared = None

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
        foreign_samples=report.foreign,
        ambiguous_samples=report.ambiguous,
        malformed_messages=report.malformed,
        overruns=report.overruns,
        interface=tuple(map(_describe_interface, report.interfaces)),
    )


def _describe_interface(report: InterfaceReport) -> fe.SamplingInterfaceState:
    return fe.SamplingInterfaceState(
        name=report.name,
        statistics=fe.SamplingInterfaceStatistics(
            oper_status=report.status,
            oper_reason=report.reason,
            samples=report.samples,
            drops=report.drops,
            sample_pool=report.pool,
            packets_seen=report.packets_seen,
        ),
    )
