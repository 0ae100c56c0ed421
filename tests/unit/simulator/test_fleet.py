"""A fleet with sockets on loopback, led through time by the test."""

from __future__ import annotations

import errno
import itertools
import socket
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from ipaddress import IPv4Network, ip_address
from typing import Any

import numpy as np
import pytest

from flowexport_mgmt.simulator.fleet import Fleet
from flowexport_mgmt.simulator.flows import Timeouts
from flowexport_mgmt.simulator.formats import Endpoint, Format
from flowexport_mgmt.simulator.network import LocalNetworks, OpenSocket, Surroundings
from flowexport_mgmt.simulator.report import DevicePage, report, report_devices
from flowexport_mgmt.simulator.roles import ROLES
from flowexport_mgmt.simulator.settings import FleetSettings, GroupSettings
from flowexport_mgmt.wire.flows.fields import ExportTime

BEGIN_MS = 1_700_000_000_000


def at(milliseconds: int) -> ExportTime:
    return ExportTime((BEGIN_MS + milliseconds) * 1_000_000, 4_000_000 + milliseconds)


class Locals:
    """Networks of 127.0.0.0/8 are local; of others it says why they are not."""

    def __init__(self) -> None:
        self.networks: set[IPv4Network] = set()
        self.links: list[IPv4Network] = []

    def want(self, networks: Collection[IPv4Network]) -> Mapping[IPv4Network, OSError]:
        self.networks = set(networks)
        refusal = OSError(errno.EPERM, "Operation not permitted")
        return {n: refusal for n in networks if not n.subnet_of(IPv4Network("127.0.0.0/8"))}

    def overlaps_link(self, network: IPv4Network) -> bool:
        return any(link.overlaps(network) for link in self.links)

    def close(self) -> None:
        self.networks.clear()


class World:
    """What surrounds a fleet."""

    def __init__(self) -> None:
        self.local = Locals()
        self.namespaces: set[str] = set()
        self.fleet = Fleet(Surroundings(self.enter, self.make, self.find_local))

    def enter(self, name: str, family: int, kind: int) -> socket.socket:
        assert name in self.namespaces
        return socket.socket(family, kind)

    def make(self, name: str) -> None:
        if not name.startswith("lab"):
            raise OSError(errno.EPERM, "Operation not permitted")
        self.namespaces.add(name)

    def find_local(self, _: OpenSocket, __: str) -> LocalNetworks:
        return self.local

    def run(self, begin_ms: int, end_ms: int) -> None:
        for now in range(begin_ms, end_ms, 5):
            self.fleet.work(at(now))


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.fleet.close()


class Peer:
    """A collector that looks at nothing but where datagrams come from."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.endpoint = Endpoint("127.0.0.1", self.socket.getsockname()[1])

    def sources(self) -> Counter[str]:
        """Tell where what waits came from."""
        got: Counter[str] = Counter()
        try:
            while True:
                got[self.socket.recvfrom(2000)[1][0]] += 1
        except BlockingIOError:
            return got


@pytest.fixture
def peer() -> Iterator[Peer]:
    made = Peer()
    yield made
    made.socket.close()


def group(name: str, first: str, peer: Peer | None, **changes: Any) -> GroupSettings:
    standard: dict[str, Any] = {
        "name": name,
        "first": ip_address(first),
        "count": 20,
        "role": ROLES["server"],
        "collector": None if peer is None else peer.endpoint,
        "timeouts": Timeouts(600, 300),
        "tick_ms": 500,
        "sampling_rate": 320,
    }
    return GroupSettings(**{**standard, **changes})


def configure(world: World, *groups: GroupSettings, **more: Any) -> None:
    world.fleet.configure(FleetSettings(groups=groups, **more))


def test_devices_speak_from_their_addresses(world: World, peer: Peer) -> None:
    configure(
        world, group("a", "127.9.0.1", peer), group("b", "127.9.1.1", peer, format=Format.IPFIX)
    )
    world.run(0, 1000)
    got = peer.sources()
    assert set(got) == {f"127.9.{net}.{host}" for net in (0, 1) for host in range(1, 21)}
    told = report(world.fleet)
    assert (told.devices, told.exporting, told.is_shared, told.status) == (40, 40, False, "up")
    assert [(e.format, e.devices) for e in told.exporters] == [("ipfix", 20), ("netflow9", 20)]
    assert sum(e.datagrams for e in told.exporters) == sum(got.values())
    assert all(e.last_template_ns for e in told.exporters)


def test_counters_and_rows_stay_when_devices_go(world: World, peer: Peer) -> None:
    configure(world, group("a", "127.9.0.1", peer))
    world.run(0, 1000)
    (before,) = report(world.fleet).exporters
    configure(world)
    world.run(1000, 1100)
    (after,) = report(world.fleet).exporters
    assert (after.devices, after.status) == (0, "disabled")
    assert after.datagrams >= before.datagrams > 0
    assert report_devices(world.fleet, DevicePage(), 0) == (0, [])
    configure(world, group("z", "127.9.0.1", peer))
    world.run(1100, 2000)
    (again,) = report(world.fleet).exporters
    assert again.datagrams > after.datagrams


def test_rows_stay_of_devices_that_never_spoke(world: World, peer: Peer) -> None:
    configure(world, group("a", "127.9.0.1", peer, tick_ms=60_000, format=Format.IPFIX))
    world.run(0, 50)
    configure(world)
    world.run(50, 200)
    (row,) = report(world.fleet).exporters
    assert (row.format, row.devices, row.datagrams, row.status) == ("ipfix", 0, 0, "disabled")


def test_other_groups_feel_nothing(world: World, peer: Peer) -> None:
    kept = group("a", "127.9.0.1", peer)
    configure(world, kept, group("b", "127.9.1.1", peer))
    world.run(0, 600)
    object_before = world.fleet.groups["a"]
    configure(world, kept, group("c", "127.9.2.1", peer))
    world.run(600, 1200)
    assert world.fleet.groups["a"] is object_before
    assert sorted(world.fleet.groups) == ["a", "c"]


def test_devices_say_what_they_sent(world: World, peer: Peer) -> None:
    configure(
        world, group("b", "127.9.0.11", peer, count=5), group("a", "127.9.0.1", peer, count=10)
    )
    world.run(0, 1000)
    got = peer.sources()
    total, found = report_devices(world.fleet, DevicePage(), at(1000).time_ms)
    assert total == 15
    assert [str(d.address) for d in found] == [f"127.9.0.{n}" for n in range(1, 16)]
    assert {str(d.address): d.datagrams for d in found} == got
    assert all(d.sequence == d.datagrams and d.flows_active for d in found)
    total, page = report_devices(world.fleet, DevicePage(offset=9, limit=2), at(1000).time_ms)
    assert (total, page) == (15, found[9:11])
    one = DevicePage(address=ip_address("127.9.0.12"))
    assert report_devices(world.fleet, one, at(1000).time_ms) == (1, [found[11]])
    total, its = report_devices(world.fleet, DevicePage(group="b"), at(1000).time_ms)
    assert (total, its) == (5, found[10:])


def test_groups_without_a_collector_are_silent(world: World) -> None:
    configure(world, group("a", "127.9.0.1", None))
    world.run(0, 1000)
    told = report(world.fleet)
    assert (told.devices, told.exporting, told.exporters) == (20, 0, ())
    _, found = report_devices(world.fleet, DevicePage(limit=1), 0)
    assert (found[0].status, found[0].flows_active) == ("disabled", 0)


def test_without_privilege_they_share_an_address_and_say_so(world: World, peer: Peer) -> None:
    configure(world, group("a", "10.9.0.1", peer), group("b", "127.9.1.1", peer))
    world.run(0, 1000)
    assert set(peer.sources()) == {"127.0.0.1", *(f"127.9.1.{n}" for n in range(1, 21))}
    told = report(world.fleet)
    reason = "source addresses cannot be had: Operation not permitted (needs CAP_NET_ADMIN)"
    assert (told.is_shared, told.status, told.reason) == (True, "degraded", reason)
    _, found = report_devices(world.fleet, DevicePage(), 0)
    assert {(d.group, d.status) for d in found} == {("a", "degraded"), ("b", "up")}


def test_they_share_an_address_where_it_is_wanted(world: World, peer: Peer) -> None:
    configure(world, group("a", "127.9.0.1", peer), per_device=False)
    world.run(0, 600)
    assert set(peer.sources()) == {"127.0.0.1"}
    told = report(world.fleet)
    assert (told.is_shared, told.status, told.reason) == (True, "up", None)


def test_a_namespace_that_cannot_be_had(world: World, peer: Peer) -> None:
    configure(world, group("a", "127.9.0.1", peer), namespace="other")
    world.run(0, 600)
    told = report(world.fleet)
    assert told.is_shared
    assert told.reason == (
        "network namespace other cannot be used: Operation not permitted (needs CAP_NET_ADMIN)"
    ).replace("NET_ADMIN", "SYS_ADMIN")
    configure(world, group("a", "127.9.0.1", peer), namespace="lab")
    world.run(600, 1200)
    assert (report(world.fleet).is_shared, world.namespaces) == (False, {"lab"})


def test_networks_are_local_as_a_whole_unless_that_harms(world: World, peer: Peer) -> None:
    small = group("a", "127.9.0.1", peer, count=2, prefix_length=24)
    configure(world, small)
    world.run(0, 50)
    assert world.local.networks == {IPv4Network("127.9.0.0/24")}
    world.local.links = [IPv4Network("127.9.0.128/25")]
    exact = {IPv4Network("127.9.0.1/32"), IPv4Network("127.9.0.2/32")}
    configure(world, small, enabled=False)
    world.run(50, 100)
    assert world.local.networks == exact
    world.local.links = []
    configure(world, group("a", "127.9.0.1", peer, count=2, prefix_length=8))  # the collector's too
    world.run(100, 150)
    assert world.local.networks == exact


def test_no_more_than_the_rate_limit(world: World, peer: Peer) -> None:
    configure(world, group("a", "127.9.0.1", peer, count=200, tick_ms=100), rate_limit=100)
    world.run(0, 2000)
    (told,) = report(world.fleet).exporters
    assert 180 <= told.datagrams <= 210
    assert report(world.fleet).late_turns > 0


def test_a_rate_of_one(world: World, peer: Peer) -> None:
    configure(world, group("a", "127.9.0.1", peer), rate_limit=1)
    world.run(0, 5000)
    assert 4 <= report(world.fleet).exporters[0].datagrams <= 6


def test_they_rest_while_they_are_switched_off(world: World, peer: Peer) -> None:
    lab = group("a", "127.9.0.1", peer)
    configure(world, lab)
    world.run(0, 600)
    configure(world, lab, enabled=False)
    world.run(600, 700)
    peer.sources()
    world.run(700, 5000)
    assert not peer.sources()
    told = report(world.fleet)
    assert (told.status, told.devices) == ("disabled", 20)
    configure(world, lab)
    world.run(5000, 5600)
    assert len(peer.sources()) == 20
    assert report(world.fleet).late_turns == 0


def test_failures_are_counted_by_their_error(world: World, peer: Peer) -> None:
    far = Endpoint("240.0.0.1", 9)  # the kernel knows no way to class E
    configure(world, group("a", "127.9.0.1", peer), group("b", "127.9.1.1", None, collector=far))
    world.run(0, 1000)
    good, bad = sorted(report(world.fleet).exporters, key=lambda each: each.datagrams == 0)
    assert (good.failures, bad.datagrams) == ({}, 0)
    assert sum(bad.failures.values()) > 20
    assert bad.last_template_ns is None
    _, found = report_devices(world.fleet, DevicePage(group="b"), 0)
    assert all(d.failures == d.sequence > 0 for d in found)


def run_by_itself(world: World, end_ms: int) -> list[tuple[int, int]]:
    """Work when the fleet itself wants to; give the instants and the datagrams sent at each."""
    now, sent, steps = 0, 0, []
    while now < end_ms:
        wait = world.fleet.work(at(now))
        total = sum(each.datagrams for each in report(world.fleet).exporters)
        steps.append((now, total - sent))
        now, sent = now + wait, total
    return steps


def test_one_thousand_devices_send_evenly(world: World, peer: Peer) -> None:
    """The steps are long where there is little to send, and yet no second stands out."""
    edge = ROLES["edge-router"]
    timeouts = Timeouts(30_000, 15_000)
    lab = group("a", "127.9.0.1", peer, count=1000, role=edge, timeouts=timeouts, tick_ms=5000)
    configure(world, lab)
    steps = run_by_itself(world, 60_000)
    seconds = np.zeros(60)
    for now, datagrams in steps:
        seconds[now // 1000] += datagrams
    settled = seconds[6:]  # after the first templates
    assert settled.std() / settled.mean() < 0.3
    assert max(datagrams for now, datagrams in steps if now >= 6000) < settled.mean() / 5
    assert len(steps) < 60 * 40


def test_short_ticks_leave_in_parts(world: World, peer: Peer) -> None:
    configure(world, group("a", "127.9.0.1", peer, count=3, tick_ms=1000))
    steps = run_by_itself(world, 10_000)
    assert report(world.fleet).late_turns == 0
    assert max(datagrams for _, datagrams in steps) == 1
    told = [now for now, datagrams in steps if datagrams]
    assert max(later - now for now, later in itertools.pairwise(told)) <= 400
