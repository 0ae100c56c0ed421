"""Sampling on whatever kernel this is: a commit always succeeds, and the state says what lacks."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pyroute2 import netns
from tests.netns.conftest import Wire
from tests.support.conditions import wait_until

from flowexport_mgmt.link.messages import SourceStateChange
from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.records import SampleBatch
from flowexport_mgmt.runtime import Runtime
from flowexport_mgmt.sources.sampler import HostSampler
from flowexport_mgmt.sources.sampling import Backend, InterfaceReport, Wanted

pytestmark = pytest.mark.root


def test_interfaces_that_are_there_and_such_that_are_not(wire: Wire) -> None:
    events: list[object] = []
    with wire.near.inside():
        runtime = Runtime(events.append)
        try:
            interfaces = tuple(fe.SamplingInterface(name=n, rate=100) for n in ("port0", "away"))
            sampling = fe.Sampling(backend=fe.SamplingBackend.PSAMPLE, interface=interfaces)
            wanted = fe.FlowExport(sampling=sampling)
            assert runtime.prepare(1, wanted, strict=True) == ()
            runtime.apply(1)
            wait_until(lambda: events, 10, "sampling tells how it fares")
            state = _state(runtime)
        finally:
            runtime.stop()
    there, away = (found.statistics for found in state.interface)
    assert there is not None
    assert away is not None
    assert away.oper_status == "not-present"
    assert there.oper_status in {"up", "degraded"}
    if there.oper_status == "degraded":
        assert "modprobe psample act_sample" in str(there.oper_reason)
    (event,) = events
    assert isinstance(event, SourceStateChange)
    assert event.name == "sampling"
    assert event.oper_status == state.oper_status == "degraded"


def test_by_itself_it_samples_on_every_kernel(wire: Wire) -> None:
    with wire.near.inside():
        runtime = Runtime(lambda _: None)
        try:
            interface = fe.SamplingInterface(name="port0", rate=1)
            wanted = fe.FlowExport(sampling=fe.Sampling(interface=(interface,)))
            runtime.prepare(1, wanted, strict=True)
            runtime.apply(1)
            wait_until(lambda: _state(runtime).oper_status == "up", 20, "it samples")
            state = _state(runtime)
        finally:
            runtime.stop()
    assert (state.backend_in_use == "packet") == (state.fallback_reason is not None)


def test_nothing_of_it_is_left(wire: Wire) -> None:
    """Not a qdisc either, on a kernel that has clsact and lacks the rest."""
    with wire.near.inside():
        runtime = Runtime(lambda _: None)
        wanted = fe.FlowExport(
            sampling=fe.Sampling(interface=(fe.SamplingInterface(name="port0", rate=1),))
        )
        try:
            runtime.prepare(1, wanted, strict=True)
            runtime.apply(1)
            wait_until(lambda: _state(runtime).oper_status != "disabled", 10, "it was tried")
        finally:
            runtime.stop()
    assert "clsact" not in wire.near.run("tc", "qdisc", "show", "dev", "port0")


def test_without_the_privilege_it_is_said_how_to_have_it(wire: Wire) -> None:
    states: list[fe.SamplingState] = []

    def run() -> None:
        netns.setns(wire.near.name)  # there is no way back without privilege
        _give_up_capabilities()
        runtime = Runtime(lambda _: None)
        interface = fe.SamplingInterface(name="port0", rate=1)
        sampling = fe.Sampling(backend=fe.SamplingBackend.PACKET, interface=(interface,))
        try:
            assert not runtime.prepare(1, fe.FlowExport(sampling=sampling), strict=True)
            runtime.apply(1)
            wait_until(lambda: "permitted" in str(_state(runtime).oper_reason), 20)
            states.append(_state(runtime))
        finally:
            runtime.stop()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    (state,) = states
    interface = state.interface[0].statistics
    assert state.oper_status == "degraded"
    assert interface is not None
    assert str(interface.oper_reason) == (
        "packet socket: not permitted: it needs CAP_NET_RAW: "
        "start it as root or by its unit: systemctl start flowexportd"
    )


def _give_up_capabilities() -> None:
    """Let this thread, and those that it makes, have none; others keep what they have."""
    header = struct.pack("=Ii", 0x2008_0522, 0)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.capset(header, bytes(24)) == 0, os.strerror(ctypes.get_errno())


def _state(runtime: Runtime) -> fe.SamplingState:
    state = runtime.state(["/flow-export/sampling"]).flow_export
    assert state is not None
    assert state.sampling is not None
    return state.sampling


class Watcher:
    """Notes what a sampler tells of itself."""

    def __init__(self) -> None:
        self.lost: list[tuple[str, int, int]] = []

    def status_changed(self, status: OperStatus, reason: str | None) -> None:
        pass

    def samples_lost(self, interface: str, drops: int, total: int) -> None:
        self.lost.append((interface, drops, total))


class Post:
    """A sampler by packet sockets, and what it takes."""

    def __init__(self) -> None:
        self.batches: list[SampleBatch] = []
        self.watcher = Watcher()
        self.gate = threading.Event()
        self.gate.set()
        self.sampler = HostSampler(self._take, self.watcher)

    def _take(self, batch: SampleBatch) -> None:
        self.batches.append(batch)
        self.gate.wait(20)

    def configure(self, *wanted: Wanted) -> None:
        self.sampler.configure(wanted, Backend.PACKET)

    def of(self, name: str) -> InterfaceReport:
        return next(one for one in self.sampler.report().interfaces if one.name == name)

    def await_status(self, name: str, status: str) -> None:
        wait_until(lambda: self.of(name).status == status, 20, f"{name} is {status}")

    def await_samples(self, name: str, count: int) -> None:
        """Wait for so many samples of UDP since the interface began."""
        wait_until(lambda: self.of(name).totals.samples >= count, 20, "samples come")


@contextmanager
def sampler(wire: Wire) -> Iterator[Post]:
    with wire.near.inside():
        post = Post()
    try:
        yield post
    finally:
        post.sampler.stop()


def want(name: str = "port0", rate: int = 1) -> Wanted:
    return Wanted(name, rate, 128, 1, ingress=True, egress=False)


def send(wire: Wire, count: int) -> None:
    with wire.far.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(count):
            sender.sendto(bytes(100), ("10.7.0.1", 9))


def test_an_interface_comes_goes_and_comes_back(wire: Wire) -> None:
    wire.near.ip("link", "add", "lan", "type", "veth", "peer", "name", "nal")
    with sampler(wire) as post:
        with wire.near.inside():
            post.configure(want("lan"))
        post.await_status("lan", "up")
        before = wire.near.counters("lan")["ifindex"]
        wire.near.ip("link", "delete", "lan")
        post.await_status("lan", "not-present")
        add = ("link", "add", "lan", "index", str(before), "type", "veth", "peer", "name", "nal")
        wire.near.ip(*add)  # the same name and number, and yet another interface
        post.await_status("lan", "up")
        for end in ("lan", "nal"):
            wire.near.ip("link", "set", end, "up")
        wire.near.ip("address", "add", "10.8.0.1/24", "dev", "nal")
        with wire.near.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
            sender.sendto(bytes(100), ("10.8.0.255", 9))
        post.await_samples("lan", 1)
        epochs = {int(batch.epoch[0]) for batch in post.batches if batch.epoch is not None}
        assert epochs == {2}


def test_an_interface_that_was_down_goes_on(wire: Wire) -> None:
    with sampler(wire) as post:
        with wire.near.inside():
            post.configure(want())
        post.await_status("port0", "up")
        wire.near.ip("link", "set", "port0", "down")
        wire.near.ip("link", "set", "port0", "up")
        wait_until(lambda: wire.far.run("cat", "/sys/class/net/port1/carrier").strip() == "1", 20)
        before = post.of("port0").totals.samples
        send(wire, 20)
        post.await_samples("port0", before + 20)


def test_a_change_goes_on_with_the_totals(wire: Wire) -> None:
    with sampler(wire) as post:
        with wire.near.inside():
            post.configure(want())
        post.await_status("port0", "up")
        send(wire, 50)
        post.await_samples("port0", 50)
        with wire.near.inside():
            post.configure(want(rate=2))
        post.await_status("port0", "up")
        send(wire, 400)
        wait_until(lambda: any((batch.rate == 2).any() for batch in post.batches), 20)
        totals = post.of("port0").totals
        assert totals.pool >= 50
        assert {int(e) for b in post.batches if b.epoch is not None for e in b.epoch} == {1}
        pools = [int(pool) for batch in post.batches for pool in batch.pool]
        assert pools == sorted(pools)


def test_losses_are_counted_and_told(wire: Wire) -> None:
    """While nobody takes samples, those that find no room are lost."""
    with sampler(wire) as post:
        with wire.near.inside():
            post.configure(Wanted("port0", 1, 1500, 1, ingress=True, egress=False))
        post.await_status("port0", "up")
        post.gate.clear()
        with wire.far.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for _ in range(10_000):
                sender.sendto(bytes(1400), ("10.7.0.1", 9))
        post.gate.set()
        wait_until(lambda: post.watcher.lost, 20, "it is told")
        wait_until(lambda: _has_settled(post), 20, "everything was taken")
        totals = post.of("port0").totals
        assert totals.samples + totals.drops == totals.pool >= 10_000
        assert sum(drops for _, drops, _ in post.watcher.lost) <= totals.drops


def _has_settled(post: Post) -> bool:
    totals = post.of("port0").totals
    return totals.samples == sum(map(len, post.batches)) and totals.pool >= 10_000
