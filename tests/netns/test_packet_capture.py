"""Sampling by packet sockets on real interfaces."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from collections.abc import Iterator

import numpy as np
import pytest
from tests.netns.conftest import Wire
from tests.support.conditions import wait_until
from tests.support.namespaces import Namespace

from flowexport_mgmt.records import SampleBatch
from flowexport_mgmt.records.samples import HEADER_ETHERNET, HEADER_IPV4, HEADER_IPV6
from flowexport_mgmt.sources.packet import Capture, Setting, Spot
from flowexport_mgmt.sources.packet.capture import make_receiver

pytestmark = pytest.mark.root

PAYLOAD = 700
OVERHEAD = 14 + 20 + 8
TUNSETIFF = 0x400454CA
IFF_TUN_WITHOUT_HEADER = 0x1001
NOW_NS = 1_700_000_000_000_000_000
RECEIVER = make_receiver()


def index_of(host: Namespace, name: str) -> int:
    return int(host.counters(name)["ifindex"])


@pytest.fixture
def quiet_wire(wire: Wire) -> Wire:
    """Let nothing but the test's own packets pass: no discovery of neighbours, no IPv6."""
    for host, port, far in ((wire.near, "port0", wire.far), (wire.far, "port1", wire.near)):
        other = far.counters("port1" if port == "port0" else "port0")["address"]
        address = "10.7.0.2" if port == "port0" else "10.7.0.1"
        host.ip("neigh", "replace", address, "lladdr", other, "dev", port, "nud", "permanent")
        host.run("sysctl", "-qw", f"net.ipv6.conf.{port}.disable_ipv6=1")
    return wire


def capture(host: Namespace, name: str, setting: Setting) -> Capture:
    with host.inside():
        return Capture(Spot(index_of(host, name)), setting)


@pytest.fixture
def near(quiet_wire: Wire, request: pytest.FixtureRequest) -> Iterator[Capture]:
    made = capture(quiet_wire.near, "port0", getattr(request, "param", Setting(1, 128)))
    yield made
    made.close()


def send(source: Namespace, target: str, count: int, payload: int = PAYLOAD) -> None:
    with source.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(count):
            sender.sendto(bytes(payload), (target, 9))


def take(found: Capture) -> list[SampleBatch]:
    """Read all that waits."""
    batches = []
    while batch := found.read(RECEIVER, NOW_NS):
        batches.append(batch)
    return batches


def test_every_packet_with_its_length_and_interface(near: Capture, quiet_wire: Wire) -> None:
    send(quiet_wire.far, "10.7.0.1", 300)
    batches = take(near)
    assert sum(map(len, batches)) == 300
    first = batches[0]
    assert first.in_if.tolist() == [near.spot.ifindex] * len(first)
    assert not first.out_if.any()
    assert set(first.frame_length.tolist()) == {PAYLOAD + OVERHEAD}
    assert set(first.lengths.tolist()) == {128}
    assert set(first.header_protocol.tolist()) == {HEADER_ETHERNET}
    assert first.header(0)[12:14] == b"\x08\x00"
    assert first.header(5)[30:34] == socket.inet_aton("10.7.0.1")
    pools = np.concatenate([batch.pool for batch in batches])
    assert pools.tolist() == list(range(1, 301))


@pytest.mark.parametrize(
    ("near", "seen"),
    [
        (Setting(1, 128), {0: 40}),
        (Setting(1, 128, ingress=False, egress=True), {1: 50}),
        (Setting(1, 128, egress=True), {0: 40, 1: 50}),
    ],
    indirect=["near"],
)
def test_directions(near: Capture, quiet_wire: Wire, seen: dict[int, int]) -> None:
    quiet_wire.far.run("sysctl", "-qw", "net.ipv4.icmp_ratelimit=1000000")
    send(quiet_wire.far, "10.7.0.1", 40)
    with quiet_wire.near.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(50):
            sender.sendto(bytes(PAYLOAD), ("10.7.0.2", 9))
    counts: dict[int, int] = {}
    for batch in take(near):
        assert batch.direction is not None
        ours = batch.frame_length == PAYLOAD + OVERHEAD  # what is longer answers nothing
        for direction, in_if, out_if in zip(
            batch.direction[ours].tolist(),
            batch.in_if[ours].tolist(),
            batch.out_if[ours].tolist(),
            strict=True,
        ):
            counts[direction] = counts.get(direction, 0) + 1
            wanted = (0, near.spot.ifindex) if direction else (near.spot.ifindex, 0)
            assert (in_if, out_if) == wanted
    assert counts == seen


@pytest.mark.parametrize("near", [Setting(20, 64)], indirect=True)
def test_one_in_so_many_at_random(near: Capture, quiet_wire: Wire) -> None:
    sent = 20_000
    send(quiet_wire.far, "10.7.0.1", sent, payload=100)
    batches = take(near)
    count = sum(map(len, batches))
    sigma = (sent * (1 / 20) * (19 / 20)) ** 0.5
    assert abs(count - sent / 20) < 5 * sigma
    assert near.counters.pool == 20 * count
    assert set(np.concatenate([batch.rate for batch in batches]).tolist()) == {20}


def test_what_waits_keeps_the_rate_that_it_was_taken_by(near: Capture, quiet_wire: Wire) -> None:
    send(quiet_wire.far, "10.7.0.1", 10)
    with quiet_wire.near.inside():
        before = near.retune(Setting(2, 64), RECEIVER, NOW_NS)
    send(quiet_wire.far, "10.7.0.1", 400)
    after = take(near)
    assert [batch.rate.tolist() for batch in before] == [[1] * 10]
    assert set(np.concatenate([batch.rate for batch in after]).tolist()) == {2}
    assert set(np.concatenate([batch.lengths for batch in after]).tolist()) == {64}
    assert near.counters.pool == 10 + 2 * sum(map(len, after))


def test_what_found_no_room_is_counted(near: Capture, quiet_wire: Wire) -> None:
    sent = 12_000
    send(quiet_wire.far, "10.7.0.1", sent, payload=1200)
    count = sum(map(len, take(near)))
    send(quiet_wire.far, "10.7.0.1", 1)
    wait_until(lambda: take(near), 2, "one more comes")
    assert 0 < count < sent
    assert near.counters.drops == sent - count
    assert near.counters.pool == sent + 1


def test_a_tag_that_was_taken_off(near: Capture, quiet_wire: Wire) -> None:
    tag = b"\x81\x00" + (5 << 13 | 77).to_bytes(2, "big")
    frame = b"\xff" * 6 + b"\x02" * 6 + tag + b"\x08\x00" + bytes(100)
    with quiet_wire.far.inside(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind(("port1", 0))
        sender.send(frame)
    (batch,) = take(near)
    assert batch.src_vlan is not None
    assert batch.dst_vlan is not None
    assert batch.dst_vlan.tolist() == [0]
    assert batch.src_priority is not None
    assert batch.stripped is not None
    assert (batch.src_vlan[0], batch.src_priority[0]) == (77, 5)
    assert (batch.frame_length[0], batch.stripped[0]) == (len(frame), 4)
    assert batch.header(0) == frame[:12] + frame[16:]


def test_an_interface_without_link_layer(quiet_wire: Wire) -> None:
    quiet_wire.near.ip("tuntap", "add", "dev", "tun9", "mode", "tun")
    with quiet_wire.near.inside():
        tunnel = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(tunnel, TUNSETIFF, struct.pack("16sH", b"tun9", IFF_TUN_WITHOUT_HEADER))
    quiet_wire.near.ip("link", "set", "tun9", "up")
    found = capture(quiet_wire.near, "tun9", Setting(1, 128))
    packets = [b"\x45" + bytes(39), b"\x60" + bytes(59)]
    for packet in packets:
        os.write(tunnel, packet)
    (batch,) = take(found)
    os.close(tunnel)
    found.close()
    assert batch.header_protocol.tolist() == [HEADER_IPV4, HEADER_IPV6]
    assert [batch.header(row) for row in range(2)] == packets
    assert batch.frame_length.tolist() == [40, 60]


def test_an_interface_that_goes_away(quiet_wire: Wire) -> None:
    found = capture(quiet_wire.near, "port0", Setting(1, 128))
    quiet_wire.near.ip("link", "delete", "port0")
    with pytest.raises(OSError, match="Network is down"):
        take(found)
    found.close()


def test_no_interface(quiet_wire: Wire) -> None:
    with quiet_wire.near.inside(), pytest.raises(OSError, match="No such device"):
        Capture(Spot(9999), Setting(1, 128))
