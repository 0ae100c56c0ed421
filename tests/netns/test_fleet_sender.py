"""Datagrams of many devices, each from an address of its own, by one socket."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Iterator
from ipaddress import ip_address

import numpy as np
import pytest
from tests.netns.conftest import Wire
from tests.support.namespaces import Namespace

from flowexport_mgmt.simulator.sender import FleetSender, Sent
from flowexport_mgmt.wire.fleet import FleetDatagrams

pytestmark = pytest.mark.root

DEVICES = 300
NETWORKS = {4: ("10.99.0.0/16", "10.99.1.0", "10.7.0.2"), 6: ("fd99::/64", "fd99::100", "fd07::2")}
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


def make_local(host: Namespace, far: Namespace, version: int) -> None:
    network, _, _ = NETWORKS[version]
    kind = f"-{version}"
    host.ip(kind, "route", "add", "local", network, "dev", "lo")
    near = {4: "10.7.0.1", 6: "fd07::1"}[version]
    far.ip(kind, "route", "add", network, "via", near)


def sources(version: int) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    first = ip_address(NETWORKS[version][1])
    packed = b"".join((first + number).packed for number in range(DEVICES))
    return np.frombuffer(packed, f"V{first.max_prefixlen // 8}")


def datagrams(count: int) -> FleetDatagrams:
    owners = np.sort(np.arange(count) % DEVICES)
    sizes = 10 + owners % 7
    offsets = np.concatenate(([0], np.cumsum(sizes)))
    buffer = np.repeat(owners % 251, sizes).astype(np.uint8)
    return FleetDatagrams(buffer, offsets, owners, np.full(count, 2, np.int64))


@pytest.fixture
def peers(wire: Wire, version: int) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Give a socket that sends inside near and one that receives inside far."""
    make_local(wire.near, wire.far, version)
    with wire.far.inside():
        receiver = socket.socket(FAMILIES[version], socket.SOCK_DGRAM)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    receiver.bind(("", 0))
    receiver.settimeout(2)
    with wire.near.inside():
        sender = socket.socket(FAMILIES[version], socket.SOCK_DGRAM)
    sender.setblocking(False)
    sender.connect((NETWORKS[version][2], receiver.getsockname()[1]))
    with sender, receiver:
        sender.send(b"")  # until the neighbour is found the kernel keeps only so many
        receiver.recv(1)
        yield sender, receiver


@pytest.mark.parametrize("version", [4, 6])
def test_each_datagram_comes_from_its_device(
    peers: tuple[socket.socket, socket.socket], version: int
) -> None:
    sender, receiver = peers
    made, sent = datagrams(2500), Sent.nothing(DEVICES)
    got: Counter[str] = Counter()
    link = FleetSender(sender, sources(version))
    at = 0
    while at < len(made):
        at += link.send(made, at, min(at + 100, len(made)), sent)
        while sum(got.values()) < at:
            data, (host, *_) = receiver.recvfrom(100)
            device = int(ip_address(host)) - int(ip_address(NETWORKS[version][1]))
            assert data == bytes([device % 251]) * (10 + device % 7)
            got[host] += 1
    assert len(got) == DEVICES
    assert sent.datagrams.tolist() == np.bincount(made.exporters).tolist()
    assert sent.octets.sum() == made.offsets[-1]
    assert sent.records.sum() == 2 * 2500
    assert not sent.failures.any()


@pytest.mark.parametrize("version", [4])
def test_an_address_that_is_not_local_fails_alone(
    peers: tuple[socket.socket, socket.socket],
) -> None:
    sender, receiver = peers
    found = sources(4).copy()
    found[7] = np.void(ip_address("10.98.0.1").packed)
    made, sent = datagrams(DEVICES), Sent.nothing(DEVICES)
    assert FleetSender(sender, found).send(made, 0, len(made), sent) == DEVICES
    for _ in range(DEVICES - 1):
        receiver.recv(100)
    assert sent.failures.nonzero()[0].tolist() == [7]
    assert list(sent.reasons.values()) == [1]
    assert sent.datagrams[7] == 0


@pytest.mark.parametrize("version", [4])
def test_all_from_the_sockets_own_address(peers: tuple[socket.socket, socket.socket]) -> None:
    sender, receiver = peers
    made, sent = datagrams(DEVICES), Sent.nothing(DEVICES)
    assert FleetSender(sender, None).send(made, 0, len(made), sent) == DEVICES
    hosts = {receiver.recvfrom(100)[1][0] for _ in range(DEVICES)}
    assert hosts == {"10.7.0.1"}
