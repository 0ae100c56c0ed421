"""Datagrams of many devices, each from an address of its own, by one socket."""

from __future__ import annotations

import errno
import socket
from collections import Counter
from collections.abc import Iterator
from ipaddress import ip_address

import numpy as np
import pytest
from tests.netns.conftest import Wire
from tests.support.namespaces import Namespace

from flowexport_mgmt.simulator.sender import FleetSender, open_sender
from flowexport_mgmt.simulator.sent import Sent, Totals, count
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
    records = np.full(count, 2, np.int64)
    return FleetDatagrams(buffer, offsets, owners, records, np.zeros(count, np.bool_))


@pytest.fixture
def peers(wire: Wire, version: int) -> Iterator[tuple[FleetSender, socket.socket]]:
    """Give a sender inside near and a socket that receives inside far."""
    make_local(wire.near, wire.far, version)
    with wire.far.inside():
        receiver = socket.socket(FAMILIES[version], socket.SOCK_DGRAM)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    receiver.bind(("", 0))
    receiver.settimeout(2)
    with wire.near.inside():
        sender = socket.socket(FAMILIES[version], socket.SOCK_DGRAM)
    port = receiver.getsockname()[1]
    with receiver:
        sender.sendto(b"", (NETWORKS[version][2], port))
        receiver.recv(1)  # until the neighbour is found the kernel keeps only so many
        fleet = open_sender(sender, NETWORKS[version][2], port)
        yield fleet, receiver
        fleet.close()


@pytest.mark.parametrize("version", [4, 6])
def test_each_datagram_comes_from_its_device(
    peers: tuple[FleetSender, socket.socket], version: int
) -> None:
    sender, receiver = peers
    made, owns = datagrams(2500), sources(version)
    got: Counter[str] = Counter()
    at = 0
    while at < len(made):
        passed = sender.send(made, owns, at, min(at + 100, len(made)))
        assert not passed.failures
        at += passed.through
        while sum(got.values()) < at:
            data, (host, *_) = receiver.recvfrom(100)
            device = int(ip_address(host)) - int(ip_address(NETWORKS[version][1]))
            assert data == bytes([device % 251]) * (10 + device % 7)
            got[host] += 1
    assert len(got) == DEVICES


@pytest.mark.parametrize("version", [4])
def test_an_address_that_is_not_local_fails_alone(
    peers: tuple[FleetSender, socket.socket],
) -> None:
    sender, receiver = peers
    found = sources(4).copy()
    found[7] = np.void(ip_address("10.98.0.1").packed)
    made, sent, totals = datagrams(DEVICES), Sent.nothing(DEVICES), Totals()
    passed = sender.send(made, found, 0, len(made))
    assert passed.through == DEVICES
    for _ in range(DEVICES - 1):
        receiver.recv(100)
    (failure,) = passed.failures
    assert failure.datagram == 7
    assert failure.reason in (errno.EINVAL, errno.ENETUNREACH)
    count(made, slice(0, DEVICES), passed.failures, sent, totals)
    assert sent.failures.nonzero()[0].tolist() == [7]
    assert (sent.datagrams[7], sent.datagrams.sum()) == (0, DEVICES - 1)
    assert (totals.datagrams, totals.records) == (DEVICES - 1, 2 * (DEVICES - 1))
    assert totals.octets == made.offsets[-1] - 10
    assert totals.failures == {failure.reason: 1}


@pytest.mark.parametrize("version", [4])
def test_all_from_the_sockets_own_address(peers: tuple[FleetSender, socket.socket]) -> None:
    sender, receiver = peers
    made = datagrams(DEVICES)
    assert sender.send(made, None, 0, len(made)).through == DEVICES
    hosts = {receiver.recvfrom(100)[1][0] for _ in range(DEVICES)}
    assert hosts == {"10.7.0.1"}
