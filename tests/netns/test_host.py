"""The counters of the host that collectors get, beside what /proc says."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.netns.conftest import Wire
from tests.support.conditions import wait_until
from tests.support.namespaces import Namespace
from tests.support.receiver import Receiver
from tests.support.runtimes import Plane, plane
from tests.support.sessions import config

from flowexport_mgmt.sources.ethtool_ioctl import EthtoolDevices

pytestmark = pytest.mark.root

PACKETS = 250
CLOSED = ("10.7.0.1", 9)


@pytest.fixture
def near_plane(wire: Wire) -> Iterator[Plane]:
    for host in (wire.near, wire.far):
        host.run("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
    with wire.near.inside(), plane() as made:
        yield made


@pytest.fixture
def peer(wire: Wire) -> Iterator[Receiver]:
    with wire.near.inside():
        made = Receiver()
    yield made
    made.close()


def told(peer: Receiver) -> dict[str, Any]:
    """Wait for the sample of the host; give its fields."""
    while True:
        for record in peer.receive().kinds("counter-sample"):
            if record.fields["sourceType"] == 2:
                return dict(record.fields)


def snmp(host: Namespace, group: str) -> dict[str, int]:
    """Read a group of /proc/net/snmp as it is in a namespace."""
    lines = host.run("cat", "/proc/net/snmp").splitlines()
    names, numbers = (line.split()[1:] for line in lines if line.startswith(f"{group}:"))
    return dict(zip(names, map(int, numbers), strict=True))


def meminfo() -> dict[str, int]:
    pairs = (line.split()[:2] for line in Path("/proc/meminfo").read_text().splitlines())
    return {name.rstrip(":"): int(number) * 1024 for name, number in pairs}


def test_what_the_host_says_is_what_proc_says(near_plane: Plane, peer: Receiver) -> None:
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    near_plane.commit(config("sflow", port=peer.port, polling_interval=1))
    fields = told(peer)
    assert fields["hostname"] == os.uname().nodename
    assert fields["osRelease"] == os.uname().release[:32]
    assert fields["cpuNum"] == os.sysconf("SC_NPROCESSORS_ONLN")
    assert uptime - 1 <= fields["uptime"] <= uptime + 30
    memory = meminfo()
    assert fields["memTotal"] == fields["totalMemory"] == memory["MemTotal"]
    assert fields["swapTotal"] == memory["SwapTotal"]
    assert 0 < fields["memFree"] < memory["MemTotal"]
    assert fields["procTotal"] > 1
    assert fields["diskTotal"] >= fields["diskFree"] > 0
    ticks = int(Path("/proc/stat").read_text().split(None, 2)[1])
    user = ticks * 1000 // os.sysconf("SC_CLK_TCK")
    assert 0 <= (user - fields["cpuUser"]) % 2**32 < 120_000


def test_groups_of_the_mib_are_those_of_the_namespace(
    wire: Wire, near_plane: Plane, peer: Receiver
) -> None:
    with wire.far.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(PACKETS):
            sender.sendto(b"nobody listens", CLOSED)
    wait_until(lambda: snmp(wire.near, "Udp")["NoPorts"] == PACKETS)
    near_plane.commit(config("sflow", port=peer.port, polling_interval=1))
    fields = told(peer)
    assert fields["udpNoPorts"] == PACKETS
    assert fields["ipInReceives"] >= PACKETS
    assert fields["icmpOutDestUnreachs"] == snmp(wire.near, "Icmp")["OutDestUnreachs"] > 0
    assert fields["ipDefaultTTL"] == 64
    assert fields["tcpMaxConn"] is None  # -1: there is no limit
    assert fields["tcpRtoMin"] == 200


def test_network_io_is_that_of_the_ports_and_adapters_are_listed(
    wire: Wire, near_plane: Plane, peer: Receiver
) -> None:
    """What goes through a bridge and its port is counted once."""
    wire.near.ip("link", "add", "br0", "type", "bridge")
    wire.near.ip("address", "flush", "dev", "port0")
    wire.near.ip("link", "set", "port0", "master", "br0")
    wire.near.ip("link", "set", "br0", "up")
    wire.near.ip("address", "add", "10.7.0.1/24", "dev", "br0")
    near_plane.commit(config("sflow", port=peer.port, polling_interval=1))
    fields = told(peer)
    before = wire.near.counters("port0")
    with wire.near.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(PACKETS):
            sender.sendto(bytes(700), ("10.7.0.2", 9))

    def moved() -> dict[str, Any] | None:
        now = told(peer)
        return now if now["packetsOut"] >= fields["packetsOut"] + PACKETS else None

    found = wait_until(moved)
    assert found is not None
    after = wire.near.counters("port0")
    assert fields["bytesOut"] <= before["stats64"]["tx"]["bytes"]
    assert found["bytesOut"] <= after["stats64"]["tx"]["bytes"]
    assert found["bytesOut"] >= fields["bytesOut"] + PACKETS * 742
    assert found["bytesOut"] < 2 * PACKETS * 742
    bridge = wire.near.counters("br0")
    assert {found["adapter1"], found["adapter2"]} == {
        f"{port['ifindex']} {port['address']}" for port in (after, bridge)
    }


def test_the_processors_are_busy_or_idle(near_plane: Plane, peer: Receiver) -> None:
    near_plane.commit(config("sflow", port=peer.port, polling_interval=1))
    assert told(peer)["cpu5s"] is None
    found = wait_until(lambda: told(peer)["cpu5s"], 15)
    assert 0 < found <= 10_000


def test_a_driver_is_asked_for_what_it_calls_its_statistics(wire: Wire) -> None:
    """A veth counts nothing of Ethernet, but knows its peer."""
    with wire.near.inside():
        devices = EthtoolDevices()
        names = devices.read_names("port0")
        values = devices.read_values("port0")
        devices.close()
    found = dict(zip(names, values.tolist(), strict=True))
    assert found["peer_ifindex"] == wire.far.counters("port1")["ifindex"]
