"""Interfaces that are unlike most: sampled like any other."""

from __future__ import annotations

import socket
from collections import Counter

import pytest
from tests.netns.conftest import Wire
from tests.netns.test_sampling import Post, sampler
from tests.support.conditions import wait_until
from tests.support.namespaces import Namespace

from flowexport_mgmt.sources.sampling import Wanted

pytestmark = pytest.mark.root

LONGEST = "a-port-15-chars"
HIGH = 70_001
PACKETS = 30
PAYLOAD = 333
FRAME = PAYLOAD + 14 + 20 + 8


def want(name: str, *, egress: bool = False) -> Wanted:
    return Wanted(name, 1, 64, 1, ingress=True, egress=egress)


def send(source: Namespace, target: str) -> None:
    with source.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(PACKETS):
            sender.sendto(bytes(PAYLOAD), (target, 9))


def taken(post: Post) -> Counter[tuple[int, int, int]]:
    """Count the samples of our packets by source, input and output."""
    counts: Counter[tuple[int, int, int]] = Counter()
    for batch in post.batches:
        rows = batch.frame_length == FRAME
        columns = (batch.source[rows], batch.in_if[rows], batch.out_if[rows])
        counts.update(zip(*(column.tolist() for column in columns), strict=True))
    return counts


def add_pair(wire: Wire, name: str, index: int) -> None:
    """Join the hosts by another pair, 10.9.0.1 here and 10.9.0.2 there."""
    peer = ("peer", "name", "nal", "netns", wire.far.name)
    wire.near.ip("link", "add", name, "index", str(index), "type", "veth", *peer)
    for host, port, number in ((wire.near, name, 1), (wire.far, "nal", 2)):
        host.ip("address", "add", f"10.9.0.{number}/24", "dev", port)
        host.ip("link", "set", port, "up")


def test_the_longest_name_and_an_index_above_16_bits(wire: Wire) -> None:
    add_pair(wire, LONGEST, HIGH)
    with sampler(wire) as post:
        with wire.near.inside():
            post.configure(want(LONGEST))
        post.await_status(LONGEST, "up")
        send(wire.far, "10.9.0.1")
        wait_until(lambda: taken(post) == {(HIGH, HIGH, 0): PACKETS}, 20, "samples come")


def test_loopback_sees_a_packet_go_out_and_come_in(wire: Wire) -> None:
    with sampler(wire) as post:
        with wire.near.inside():
            post.configure(want("lo", egress=True))
        post.await_status("lo", "up")
        send(wire.near, "127.0.0.1")
        expected = {(1, 1, 0): PACKETS, (1, 0, 1): PACKETS}
        wait_until(lambda: taken(post) == expected, 20, "samples come")


def test_an_interface_is_known_by_its_name(wire: Wire) -> None:
    """Renamed it is another; what is given its name is sampled in its place."""
    add_pair(wire, "lan", 41)
    with sampler(wire) as post:
        with wire.near.inside():
            post.configure(want("lan"))
        post.await_status("lan", "up")
        wire.near.ip("link", "set", "lan", "name", "was-lan")
        post.await_status("lan", "not-present")
        send(wire.far, "10.9.0.1")
        wire.near.ip("link", "set", "port0", "down")
        wire.near.ip("link", "set", "port0", "name", "lan")
        wire.near.ip("link", "set", "lan", "up")
        post.await_status("lan", "up")
        index = int(wire.near.counters("lan")["ifindex"])
        wait_until(lambda: wire.far.run("cat", "/sys/class/net/port1/carrier").strip() == "1", 20)
        send(wire.far, "10.7.0.1")
        wait_until(lambda: taken(post) == {(index, index, 0): PACKETS}, 20, "samples come")


def test_an_interface_that_moves_to_another_namespace(wire: Wire) -> None:
    add_pair(wire, "lan", 41)
    with sampler(wire) as post:
        with wire.near.inside():
            post.configure(want("lan"))
        post.await_status("lan", "up")
        wire.near.ip("link", "set", "lan", "netns", wire.far.name)
        post.await_status("lan", "not-present")
        wire.far.ip("link", "set", "lan", "netns", wire.near.name)
        wire.near.ip("address", "add", "10.9.0.1/24", "dev", "lan")
        wire.near.ip("link", "set", "lan", "up")
        post.await_status("lan", "up")
        index = int(wire.near.counters("lan")["ifindex"])
        send(wire.far, "10.9.0.1")
        wait_until(lambda: taken(post) == {(index, index, 0): PACKETS}, 20, "samples come")
