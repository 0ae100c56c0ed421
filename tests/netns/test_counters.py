"""Counters of real interfaces, from the kernel to the collector."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from tests.netns.conftest import Wire
from tests.support.conditions import wait_until
from tests.support.namespaces import Namespace
from tests.support.receiver import Received, Receiver
from tests.support.runtimes import Plane, plane
from tests.support.sessions import config

from flowexport_mgmt.wire.messages import Record

pytestmark = pytest.mark.root

PACKETS = 300
PAYLOAD = 700


@pytest.fixture
def near_plane(wire: Wire) -> Iterator[Plane]:
    with wire.near.inside(), plane() as made:
        yield made


@pytest.fixture
def peer(wire: Wire) -> Iterator[Receiver]:
    """Receives inside near, so that what is exported does not change what is counted."""
    with wire.near.inside():
        made = Receiver()
    yield made
    made.close()


def send_traffic(source: Namespace, target: str) -> None:
    with source.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(PACKETS):
            sender.sendto(bytes(PAYLOAD), (target, 9))


def counted(host: Namespace) -> dict[str, int]:
    stats = host.counters("port0")["stats64"]
    return {
        "in_octets": stats["rx"]["bytes"],
        "in_packets": stats["rx"]["packets"],
        "out_octets": stats["tx"]["bytes"],
        "out_packets": stats["tx"]["packets"],
    }


def quiet(host: Namespace) -> dict[str, int]:
    """Wait until the interface rests; tell its counters."""
    latest = counted(host)

    def rests() -> bool:
        nonlocal latest
        before, latest = latest, counted(host)
        return before == latest

    wait_until(rests)
    return latest


def directions(got: Received, ifindex: int) -> dict[str, int]:
    """Take one interface's growth out of a datagram of NetFlow v9 or IPFIX."""
    found: dict[str, int] = dict.fromkeys(
        ("in_octets", "in_packets", "out_octets", "out_packets"), 0
    )
    for record in got.kinds("data"):
        fields: dict[str, Any] = record.fields
        side = "out" if fields["flowDirection"] else "in"
        if fields["egressInterface" if side == "out" else "ingressInterface"] == ifindex:
            found[f"{side}_octets"] += fields["octetDeltaCount"]
            found[f"{side}_packets"] += fields["packetDeltaCount"]
    return found


def samples(peer: Receiver) -> list[Record]:
    """Wait for a datagram with samples of interfaces; give these."""
    while True:
        found = peer.receive().kinds("counter-sample")
        if found[0].fields["sourceType"] == 0:
            return found


@pytest.mark.parametrize("protocol", ["netflow9", "ipfix"])
def test_growth_equals_what_the_kernel_counted(
    wire: Wire, near_plane: Plane, peer: Receiver, protocol: str
) -> None:
    wire.near.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
    wire.far.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
    ifindex = wire.near.counters("port0")["ifindex"]
    before = quiet(wire.near)
    near_plane.commit(config(protocol, port=peer.port, polling_interval=1))
    peer.receive_until("options")
    send_traffic(wire.near, "10.7.0.2")
    send_traffic(wire.far, "10.7.0.1")
    after = quiet(wire.near)
    expected = {name: after[name] - before[name] for name in after}
    assert expected["out_packets"] >= PACKETS
    assert expected["in_packets"] >= PACKETS
    total = dict.fromkeys(expected, 0)

    def complete() -> bool:
        for name, value in directions(peer.receive(), ifindex).items():
            total[name] += value
        return total == expected

    wait_until(complete, what=f"{total} is {expected}")
    assert directions(peer.receive(), ifindex) == dict.fromkeys(expected, 0)


def test_samples_equal_what_the_kernel_counted(
    wire: Wire, near_plane: Plane, peer: Receiver
) -> None:
    wire.near.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
    wire.far.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
    ifindex = wire.near.counters("port0")["ifindex"]
    near_plane.commit(config("sflow", port=peer.port, polling_interval=1))
    send_traffic(wire.near, "10.7.0.2")
    send_traffic(wire.far, "10.7.0.1")
    expected = quiet(wire.near)

    def sample() -> dict[str, Any] | None:
        (found,) = [
            record.fields for record in samples(peer) if record.fields["ifIndex"] == ifindex
        ]
        return found if found["ifInOctets"] == expected["in_octets"] else None

    found = wait_until(sample)
    assert found is not None
    assert found["ifOutOctets"] == expected["out_octets"]
    assert found["ifInUcastPkts"] + found["ifInMulticastPkts"] == expected["in_packets"]
    assert found["ifOutUcastPkts"] == expected["out_packets"]
    assert found["ifInBroadcastPkts"] is None
    assert found["ifStatus"] == 3
    assert found["ifType"] == 6


def test_state_shows_what_the_kernel_has(wire: Wire, near_plane: Plane) -> None:
    wire.near.ip("link", "set", "port0", "alias", "to far")
    wire.near.ip("link", "add", "br0", "type", "bridge")
    wire.near.ip("link", "set", "port0", "master", "br0")
    shown = wire.near.counters("port0")
    found, bridge, loopback = map(near_plane.interface, ("port0", "br0", "lo"))
    assert found is not None
    assert bridge is not None
    assert loopback is not None
    assert (found.type, found.description) == ("iana-if-type:ethernetCsmacd", "to far")
    assert (found.enabled, found.oper_status) == (True, "up")
    assert found.phys_address == shown["address"]
    assert found.higher_layer_if == ("br0",)
    assert (bridge.type, bridge.enabled) == ("iana-if-type:bridge", False)
    assert bridge.lower_layer_if == ("port0",)
    assert loopback.type == "iana-if-type:softwareLoopback"
    wire.far.ip("link", "set", "port1", "down")

    def has_changed() -> bool:
        changed = near_plane.interface("port0")
        assert changed is not None
        return changed.oper_status != "up" and changed.last_change is not None

    assert found.last_change is None
    wait_until(has_changed)


def test_promiscuous_interfaces_say_so(wire: Wire, near_plane: Plane, peer: Receiver) -> None:
    near_plane.commit(config("sflow", port=peer.port, polling_interval=1))
    assert [r.fields["ifPromiscuousMode"] for r in samples(peer)] == [2]
    wire.near.ip("link", "set", "port0", "promisc", "on")
    wait_until(lambda: [r.fields["ifPromiscuousMode"] for r in samples(peer)] == [1])


def test_an_interface_that_appears_and_vanishes(
    wire: Wire, near_plane: Plane, peer: Receiver
) -> None:
    near_plane.commit(config("ipfix", port=peer.port, polling_interval=1))
    assert _names(peer.receive_until("options")) == {"port0"}
    wire.near.ip("link", "add", "late0", "type", "veth", "peer", "name", "late1")
    assert _names(peer.receive_until("options")) == {"port0", "late0", "late1"}
    assert near_plane.interface("late0") is not None
    wire.near.ip("link", "delete", "late0")
    assert _names(peer.receive_until("options")) == {"port0"}
    assert near_plane.interface("late0") is None


@pytest.mark.parametrize("protocol", ["netflow9", "ipfix"])
@pytest.mark.parametrize("reuses", [False, True], ids=["new ifindex", "ifindex of another"])
def test_what_an_interface_counted_elsewhere_is_not_exported(
    wire: Wire, near_plane: Plane, peer: Receiver, protocol: str, *, reuses: bool
) -> None:
    for host in (wire.near, wire.far):
        host.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
        host.run("sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1")
    pair = ("type", "veth", "peer", "name", "stay0")
    wire.far.ip("link", "add", "moved0", "index", "7777", *pair)
    wire.far.ip("link", "set", "stay0", "up")
    use(wire.far, "moved0")
    for _ in range(2):
        send_traffic(wire.far, "10.8.0.2")
    old = octets_out(wire.far, "moved0")
    assert old > 2 * PACKETS * PAYLOAD
    if reuses:
        wire.near.ip("link", "add", "here0", "index", "7777", "type", "veth", "peer", "here1")
    near_plane.commit(config(protocol, port=peer.port, polling_interval=1))
    peer.receive_until("options")
    if reuses:
        peer.receive_until("data")  # a second is left until the next poll
        wire.near.ip("link", "delete", "here0")
    wire.far.ip("link", "set", "moved0", "netns", wire.near.name)
    assert wire.near.counters("moved0")["ifindex"] == 7777
    total = 0
    while "moved0" not in _names(peer.receive_until("options")):
        pass
    use(wire.near, "moved0")
    send_traffic(wire.near, "10.8.0.2")
    grown = octets_out(wire.near, "moved0") - old

    def complete() -> bool:
        nonlocal total
        total += directions(peer.receive(), 7777)["out_octets"]
        return total >= grown

    wait_until(complete, what=f"{total} is {grown}")
    assert total == grown


def use(host: Namespace, interface: str) -> None:
    """Let an interface carry packets to an address that needs no question."""
    host.ip("address", "add", "10.8.0.1/24", "dev", interface)
    host.ip("link", "set", interface, "up")
    neighbour = ("10.8.0.2", "lladdr", "02:00:00:00:00:02", "dev", interface)
    host.ip("neighbour", "replace", *neighbour)


def octets_out(host: Namespace, interface: str) -> int:
    octets: int = host.counters(interface)["stats64"]["tx"]["bytes"]
    return octets


def test_the_same_name_with_another_index_is_another_interface(
    wire: Wire, near_plane: Plane, peer: Receiver
) -> None:
    near_plane.commit(config("sflow", port=peer.port, polling_interval=1))
    wire.near.ip("link", "add", "twin0", "type", "veth", "peer", "name", "twin1")
    first = near_plane.interface("twin0")
    index = wire.near.counters("twin0")["ifindex"]
    wait_until(lambda: _sample_sequence(peer, index) == 2)
    wire.near.ip("link", "delete", "twin0")
    wire.near.ip("link", "add", "twin0", "type", "veth", "peer", "name", "twin1")
    again = near_plane.interface("twin0")
    index = wire.near.counters("twin0")["ifindex"]
    assert wait_until(lambda: _sample_sequence(peer, index)) == 1
    assert first is not None
    assert again is not None
    assert first.statistics is not None
    assert again.statistics is not None
    assert first.statistics.discontinuity_time != again.statistics.discontinuity_time
    state = near_plane.runtime.state(["/flow-export/counters"]).flow_export
    assert state is not None
    assert state.counters is not None
    assert state.counters.discontinuities == 2  # both ends of the pair


def test_speed_and_duplex_come_from_sysfs(wire: Wire) -> None:
    program = (
        "import json; from flowexport_mgmt.sources import CounterSource\n"
        "links = CounterSource(0).read(0, 0, 0.0).links\n"
        "print(json.dumps({l.name: list(l.settings) for l in links}))"
    )
    found = json.loads(wire.near.run(sys.executable, "-c", program))
    assert found == {"lo": [0, 0], "port0": [10_000_000_000, 1]}


def _names(got: Received) -> set[Any]:
    fields = [record.fields for record in got.kinds("options")]
    return {each["interfaceName"] for each in fields if "interfaceName" in each}


def _sample_sequence(peer: Receiver, ifindex: int) -> int:
    for record in samples(peer):
        if record.fields["ifIndex"] == ifindex:
            sequence = record.fields["sampleSequence"]
            assert isinstance(sequence, int)
            return sequence
    return 0
