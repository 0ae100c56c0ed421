from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from flowexport_mgmt.export import OWN_FACILITIES
from flowexport_mgmt.link.messages import Event, SampleLoss, SourceStateChange
from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.pipeline import Pipeline, read_clock
from flowexport_mgmt.runtime.parts import Surroundings
from flowexport_mgmt.runtime.sampling import Sampling
from flowexport_mgmt.sources import CounterSource
from flowexport_mgmt.sources.sampling import (
    Backend,
    InterfaceReport,
    Mishaps,
    SamplerReport,
    TakeBatch,
    Totals,
    Wanted,
    Watcher,
)

DIRECTIONS = fe.SamplingInterfaceDirection


class Recorder:
    """A sampler that notes what it is told, and says that all is well."""

    made: list[Recorder]

    def __init__(self, take: TakeBatch, watcher: Watcher) -> None:
        self.take, self.watcher = take, watcher
        self.wanted: list[tuple[Wanted, ...]] = []
        self.backends: list[Backend | None] = []
        self.stopped = False
        Recorder.made.append(self)

    def configure(self, wanted: Sequence[Wanted], backend: Backend | None = None) -> None:
        self.wanted.append(tuple(wanted))
        self.backends.append(backend)

    def report(self) -> SamplerReport:
        interfaces = (
            InterfaceReport(one.name, OperStatus.UP, None, Totals(5, 1, 60, 59))
            for one in self.wanted[-1]
        )
        return SamplerReport(
            OperStatus.DEGRADED,
            "lan: away",
            Backend.PACKET,
            "no module",
            tuple(interfaces),
            Mishaps(1, 2, 3, 4),
        )

    def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def events() -> list[Event]:
    Recorder.made = []
    return []


@pytest.fixture
def part(events: list[Event]) -> Iterator[Sampling]:
    pipeline = Pipeline(CounterSource(0), read_clock, lambda *_: None)
    made = Sampling(Surroundings(pipeline, read_clock, events.append, OWN_FACILITIES), Recorder)
    yield made
    made.stop()


def commit(part: Sampling, *interfaces: fe.SamplingInterface) -> None:
    new = fe.FlowExport(sampling=fe.Sampling(interface=interfaces))
    assert part.prepare(new, strict=True) == ()
    part.apply()


WAN = fe.SamplingInterface(name="wan", rate=100)


def test_without_interfaces_nothing_is_made(part: Sampling) -> None:
    commit(part)
    assert Recorder.made == []
    assert part.state(["/"]) == fe.FlowExportState()


def test_what_is_configured_is_wanted(part: Sampling) -> None:
    lan = fe.SamplingInterface(
        name="lan", rate=5, trunc_size=64, group=9, direction=DIRECTIONS.EGRESS
    )
    both = fe.SamplingInterface(name="dmz", rate=1, direction=DIRECTIONS.BOTH)
    commit(part, WAN, lan, both)
    (sampler,) = Recorder.made
    assert sampler.wanted == [
        (
            Wanted("wan", 100, 128, 1, ingress=True, egress=False),
            Wanted("lan", 5, 64, 9, ingress=False, egress=True),
            Wanted("dmz", 1, 128, 1, ingress=True, egress=True),
        )
    ]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (fe.SamplingBackend.AUTO, None),
        (fe.SamplingBackend.PSAMPLE, Backend.PSAMPLE),
        (fe.SamplingBackend.PACKET, Backend.PACKET),
    ],
)
def test_the_backend_is_the_configured_one(
    part: Sampling, given: fe.SamplingBackend, wanted: Backend | None
) -> None:
    new = fe.FlowExport(sampling=fe.Sampling(backend=given, interface=(WAN,)))
    part.prepare(new, strict=True)
    part.apply()
    assert Recorder.made[0].backends == [wanted]


def test_what_is_aborted_is_not_wanted(part: Sampling) -> None:
    commit(part, WAN)
    part.prepare(None, strict=True)
    part.abort()
    part.apply()
    assert len(Recorder.made[0].wanted) == 1


def test_without_flow_export_nothing_is_wanted_any_more(part: Sampling) -> None:
    commit(part, WAN)
    assert part.prepare(None, strict=False) == ()
    part.apply()
    assert Recorder.made[0].wanted[-1] == ()
    assert part.state(["/"]) == fe.FlowExportState()


def test_the_state_is_told_to_who_asks_for_it(part: Sampling) -> None:
    commit(part, WAN)
    sampling = part.state(["/flow-export"]).sampling
    assert sampling == fe.SamplingState(
        oper_status=OperStatus.DEGRADED,
        oper_reason="lan: away",
        backend_in_use=fe.SamplingBackendInUse.PACKET,
        fallback_reason="no module",
        foreign_samples=1,
        malformed_messages=2,
        ambiguous_samples=3,
        overruns=4,
        interface=(
            fe.SamplingInterfaceState(
                name="wan",
                statistics=fe.SamplingInterfaceStatistics(
                    oper_status=OperStatus.UP,
                    samples=5,
                    drops=1,
                    sample_pool=60,
                    packets_seen=59,
                ),
            ),
        ),
    )
    assert part.state(["/flow-export/collector"]).sampling is None


def test_what_the_sampler_tells_is_posted(part: Sampling, events: list[Event]) -> None:
    commit(part, WAN)
    watcher = Recorder.made[0].watcher
    watcher.status_changed(OperStatus.DOWN, "gone")
    watcher.samples_lost("wan", 3, 10)
    assert events == [
        SourceStateChange(name="sampling", oper_status=OperStatus.DOWN, oper_reason="gone"),
        SampleLoss(interface="wan", drops=3, total=10),
    ]


def test_it_is_stopped_once(part: Sampling) -> None:
    commit(part, WAN)
    part.stop()
    assert Recorder.made[0].stopped
    part.stop()
