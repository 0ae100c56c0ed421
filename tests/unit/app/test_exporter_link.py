"""Manager's and exporter's ends of the link, joined in one process, on the real data plane."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from tests.support.conditions import until
from tests.support.daemon import Collector
from tests.support.routes import flows

from flowexport_mgmt.app import exporter_link
from flowexport_mgmt.app.exporter import Exporter
from flowexport_mgmt.app.exporter_link import (
    ExporterCalls,
    ExporterComponent,
    ExporterState,
    ProcessLink,
)
from flowexport_mgmt.errors import LinkError, ManagementError
from flowexport_mgmt.link import messages as m
from flowexport_mgmt.link.channel import EventQueue
from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.model import simulation as fes
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.model.configuration import Configuration
from flowexport_mgmt.model.server import Logging, LoggingLevel, Server
from flowexport_mgmt.runtime import Runtime

EMPTY = Configuration()


@dataclass
class Ends:
    """Both ends; `join` is what the supervisor does."""

    lost: list[bool] = field(default_factory=list)
    heard: list[m.Event] = field(default_factory=list)
    hellos: int = 0

    def __post_init__(self) -> None:
        self.events = EventQueue()
        self.runtime = Runtime(lambda _event: None)
        self.exporter = Exporter(self.runtime, self.events)
        self.link = ProcessLink(
            on_hello=self._count, on_event=self.heard.append, on_lost=self.lost.append
        )
        self.component = ExporterComponent(self.link)

    def _count(self) -> None:
        self.hellos += 1

    async def join(self, restarts: int = 0) -> None:
        before = self.hellos
        ours, theirs = socket.socketpair()
        self.link.open(ours, restarts)
        self.exporter.open_link(theirs, restarts)
        await until(lambda: self.hellos > before)

    async def commit(self, number: int, new: Configuration) -> None:
        assert await self.component.prepare(EMPTY, new, commit=number, strict=True) == ()
        await self.component.apply()


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    ends = Ends()
    await ends.join()
    yield ends
    tasks = {*ends.link._tasks, *ends.exporter._tasks}
    ends.link.close()
    ends.exporter.close_link()
    if tasks:
        await asyncio.wait(tasks, timeout=5)
    ends.runtime.stop()


@pytest.fixture
def configured() -> Configuration:
    return Configuration(flow_export=fe.FlowExport(collector=(collector("a"),)))


def collector(name: str, **leaves: object) -> fe.Collector:
    return fe.Collector(name=name, address="127.0.0.1", protocol=fe.Protocol.IPFIX, **leaves)  # type: ignore[arg-type]


async def test_a_commit_reaches_the_exporter(ends: Ends) -> None:
    with Collector() as receiver:
        new = Configuration(
            flow_export=fe.FlowExport(collector=(collector("a", port=receiver.port),))
        )
        await ends.commit(7, new)
        assert ends.runtime.commit == ends.link.commit == 7
        assert await asyncio.to_thread(receiver.receive)


async def test_a_refusal_comes_back_with_its_path(ends: Ends) -> None:
    new = Configuration(
        flow_export=fe.FlowExport(collector=(collector("a", source_address="192.0.2.77"),))
    )
    refusals = await ends.component.prepare(EMPTY, new, commit=1, strict=True)
    assert len(refusals) == 1
    assert refusals[0].path.endswith("collector[name='a']/source-address")
    assert "192.0.2.77" in refusals[0].message
    await ends.component.abort()
    assert ends.runtime.commit == 0
    assert await ends.component.prepare(EMPTY, new, commit=2, strict=False) == ()
    await ends.component.apply()
    assert ends.runtime.commit == 2


async def test_an_abort_changes_nothing(ends: Ends, configured: Configuration) -> None:
    await ends.component.prepare(EMPTY, configured, commit=1, strict=True)
    await ends.component.abort()
    assert ends.runtime.commit == 0
    with pytest.raises(LinkError, match="commit 1 was not prepared"):
        await ends.link.command(m.Apply(commit=1))


async def test_a_link_that_closes_after_prepare_means_abort(
    ends: Ends, configured: Configuration, caplog: pytest.LogCaptureFixture
) -> None:
    await ends.component.prepare(EMPTY, configured, commit=1, strict=True)
    await ends.join(restarts=0)
    await ends.component.apply()
    assert "commit 1 has not reached the exporter" in caplog.text
    assert ends.runtime.commit == 0
    assert ends.link.commit == 0  # so that it is seen to differ from what runs


async def test_without_an_exporter_only_changes_of_flow_export_are_refused(
    ends: Ends, configured: Configuration
) -> None:
    ends.exporter.close_link()
    await until(lambda: ends.lost == [False])
    refusals = await ends.component.prepare(EMPTY, configured, commit=1, strict=True)
    assert [refusal.path for refusal in refusals] == [""]
    assert "the exporter process is not running" in refusals[0].message
    assert await ends.component.prepare(EMPTY, configured, commit=1, strict=False) == ()
    chatty = Configuration(server=Server(logging=Logging(level=LoggingLevel.DEBUG)))
    assert await ends.component.prepare(EMPTY, chatty, commit=1, strict=True) == ()
    await ends.component.apply()


async def test_a_commit_of_other_things_still_tells_the_exporter_its_number(ends: Ends) -> None:
    chatty = Configuration(server=Server(logging=Logging(level=LoggingLevel.DEBUG)))
    await ends.commit(4, chatty)
    assert ends.runtime.commit == 4


async def test_what_runs_already_is_prepared_only_for_a_reload(
    ends: Ends, configured: Configuration
) -> None:
    await ends.commit(3, configured)
    await ends.join()
    running = ends.runtime.collectors._running["a"]
    assert await ends.component.prepare(None, EMPTY, commit=3, strict=False) == ()
    await ends.component.apply()
    assert ends.runtime.collectors._running == {"a": running}
    ends.component.again = True
    assert await ends.component.prepare(None, EMPTY, commit=3, strict=False) == ()
    await ends.component.apply()
    assert ends.runtime.collectors._running == {}


async def test_an_exporter_that_does_not_answer_is_reported(
    ends: Ends, configured: Configuration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporter_link, "_COMMIT_PATIENCE", 0.05)
    ours, theirs = socket.socketpair()
    with theirs:
        ends.link.open(ours, 0)
        ends.link.commit = 0  # as if it had said hello
        refusals = await ends.component.prepare(EMPTY, configured, commit=1, strict=True)
    assert "did not answer" in refusals[0].message
    assert ends.lost == [True]


async def test_events_and_hellos_reach_the_manager(ends: Ends) -> None:
    event = m.CollectorStateChange(name="a", oper_status=OperStatus.DOWN, oper_reason="no route")
    ends.events.post(event)
    await until(lambda: ends.heard == [event])
    await ends.join()
    assert ends.hellos == 2


async def test_state_names_the_exporter_and_its_restarts(
    ends: Ends, configured: Configuration
) -> None:
    provider = ExporterState(ends.link, lambda: True)
    await ends.join(restarts=2)
    await ends.commit(9, configured)
    nodes = await provider.state(("/flow-export", "/interfaces"))
    state = nodes["flow-export:flow-export"]
    assert isinstance(state, fe.FlowExportState)
    assert state.exporter is not None
    assert (state.exporter.commit, state.exporter.restarts) == (9, 2)
    assert [each.name for each in state.collector] == ["a"]
    assert "ietf-interfaces:interfaces" in nodes
    only = await provider.state(("/flow-export/collector",))
    part = only["flow-export:flow-export"]
    assert isinstance(part, fe.FlowExportState)
    assert ([each.name for each in part.collector], part.exporter) == (["a"], None)
    assert set(await ExporterState(ends.link, lambda: False).state(("/",))) == {
        "flow-export-simulation:simulation",
        "ietf-interfaces:interfaces",
    }


async def test_state_without_an_exporter_knows_the_restarts(ends: Ends) -> None:
    ends.link.restarts = 5
    ends.link.close()
    nodes = await ExporterState(ends.link, lambda: True).state(("/",))
    assert nodes == {
        "flow-export:flow-export": fe.FlowExportState(exporter=fe.Exporter(restarts=5))
    }


async def test_recent_flows_are_asked_for(ends: Ends) -> None:
    calls = ExporterCalls(ends.link)
    assert await calls.recent_flows({}) == {"flow": []}
    on = Configuration(flow_export=fe.FlowExport(conntrack=fe.Conntrack(enabled=True)))
    await ends.commit(1, on)
    batch = flows(["10.0.0.1"] * 2, ["10.1.0.1", "10.2.0.1"])
    ends.runtime._pipeline.exchange.publish(batch)
    everything = (await calls.recent_flows({}))["flow"]
    assert [flow["dst-address"] for flow in everything] == ["10.2.0.1", "10.1.0.1"]
    chosen = await calls.recent_flows({"destination-prefix": "10.1.0.0/16"})
    assert [flow["dst-address"] for flow in chosen["flow"]] == ["10.1.0.1"]
    for wrong in ("10.1.0.0", "10.1.0.0/33", "here/8", ""):
        with pytest.raises(ManagementError, match="no prefix"):
            await calls.recent_flows({"destination-prefix": wrong})
    ends.link.close()
    with pytest.raises(LinkError, match="not running"):
        await calls.recent_flows({})


async def test_routes_are_looked_up(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = ExporterCalls(ends.link)
    with pytest.raises(LinkError, match="there are no routes of BGP"):
        await calls.lookup_routes({"address": "192.0.2.1"})
    found = m.FoundRoute(address="192.0.2.1", prefix="192.0.2.0/24", origin_as=64500)
    asked: list[tuple[str, ...]] = []

    def look(addresses: tuple[str, ...]) -> tuple[m.FoundRoute, ...]:
        asked.append(addresses)
        return (found,)

    monkeypatch.setattr(ends.runtime, "lookup_routes", look)
    assert await calls.lookup_routes({"address": "192.0.2.1 2001:DB8::1"}) == {
        "route": [{"address": "192.0.2.1", "prefix": "192.0.2.0/24", "origin-as": 64500}]
    }
    assert asked == [("192.0.2.1", "2001:db8::1")]
    for wrong in ("", " ".join(["::"] * 1025), "192.0.2.256", "192.0.2.1 here"):
        with pytest.raises(ManagementError):
            await calls.lookup_routes({"address": wrong})
    assert len(asked) == 1


async def test_devices_are_told_to_who_names_them(ends: Ends) -> None:
    groups = (
        fes.DeviceGroup(name="a", start_address="127.9.0.1", count=1500),
        fes.DeviceGroup(name="b/c", start_address="127.8.0.1", count=3),
    )
    await ends.commit(1, Configuration(simulation=fes.Simulation(device_group=groups)))
    state = ExporterState(ends.link, lambda: True)

    async def ask(*paths: str) -> list[str]:
        told = (await state.state(paths))["flow-export-simulation:simulation"]
        assert isinstance(told, fes.SimulationState)
        return [device.address for device in told.device]

    device = "/simulation/device"
    await until(lambda: ends.runtime.devices(m.GetDevices()).total == 1503)
    assert await ask("/simulation") == await ask("/") == []
    assert await ask(f"{device}[address='127.9.0.7']", "/simulation") == ["127.9.0.7"]
    assert await ask(f"{device}[group='b/c']") == ["127.8.0.1", "127.8.0.2", "127.8.0.3"]
    assert await ask(f"{device}[address='127.7.0.7']") == await ask(f"{device}[address='x']") == []
    first = await ask(device)
    assert (len(first), first[:4]) == (1000, ["127.8.0.1", "127.8.0.2", "127.8.0.3", "127.9.0.1"])
    many = (f"{device}[address='127.9.4.{n}']" for n in (1, 2))
    assert await ask(*many) == ["127.9.4.1", "127.9.4.2"]
