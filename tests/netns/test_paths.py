"""What the way to a collector does to its datagrams: each kind of loss under its own name."""

from __future__ import annotations

import array
import errno
import fcntl
import socket
import struct
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from tests.netns.conftest import Wire
from tests.support.batches import numbered, receive_all
from tests.support.conditions import wait_until
from tests.support.interfaces import FakeKernel, FakeLink
from tests.support.namespaces import Namespace, join, namespaces
from tests.support.receiver import Receiver
from tests.support.runtimes import Plane, fake_source, plane
from tests.support.sessions import config

from flowexport_mgmt.export.endpoint import Endpoint
from flowexport_mgmt.export.failure import Failure, number_failure
from flowexport_mgmt.export.udp import LADDER, Rung, UdpSender
from flowexport_mgmt.model.flow_export import Collector

pytestmark = pytest.mark.root

INTERFACES = 200
TARGETS = pytest.mark.parametrize("target", ["10.7.0.2", "fd07::2"], ids=["ipv4", "ipv6"])


@pytest.fixture
def busy_plane(wire: Wire) -> Iterator[Plane]:
    """A data plane in the near namespace with many interfaces that do not exist."""
    links = [FakeLink(index, f"port{index}") for index in range(1, INTERFACES + 1)]
    with wire.near.inside(), plane(fake_source(FakeKernel(*links))) as made:
        yield made


def receive_at(host: Namespace, address: str) -> Receiver:
    with host.inside():
        return Receiver(address)


def to(peer: Receiver, protocol: str = "sflow", **settings: Any) -> Collector:
    values: dict[str, Any] = {"address": peer.address, "port": peer.port, "polling_interval": 1}
    return config(protocol, **(values | settings))


def take_poll(peer: Receiver) -> list[int]:
    """Receive all counter samples of one poll; tell the sizes of the datagrams."""
    sizes, samples = [], 0
    while samples < INTERFACES:
        got = peer.receive()
        sizes.append(got.size)
        samples += len(got.kinds("counter-sample"))
    return sizes


@TARGETS
def test_datagrams_longer_than_the_link_takes(wire: Wire, busy_plane: Plane, target: str) -> None:
    """GSO cuts at datagrams and cannot fragment them: sendmmsg takes over and loses nothing."""
    peer = receive_at(wire.far, target)
    busy_plane.commit(to(peer, max_datagram_size=9000))
    assert max(take_poll(peer)) > 1500
    found = busy_plane.await_status("c", "up")
    assert found.send_method == "sendmmsg"
    assert found.send_fallbacks == 1
    assert found.send_fallback_reason in {
        "gso: Message too long (EMSGSIZE)",
        "gso: Invalid argument (EINVAL)",  # as older kernels say it
    }
    assert (found.errors, found.last_error) == (0, None)
    take_poll(peer)
    assert busy_plane.statistics("c").send_fallbacks == 1
    busy_plane.commit(to(peer, max_datagram_size=1400))  # new settings: GSO is tried again
    wait_until(lambda: max(take_poll(peer)) <= 1400)
    assert busy_plane.statistics("c").send_method == "gso"
    peer.close()


@TARGETS
def test_a_device_that_computes_no_checksums(wire: Wire, busy_plane: Plane, target: str) -> None:
    """Before Linux 6.11 GSO fails there; either way everything arrives and the state tells."""
    switch_checksums_off(wire.near, "port0")
    peer = receive_at(wire.far, target)
    busy_plane.commit(to(peer))
    take_poll(peer)
    found = busy_plane.await_status("c", "up")
    told = (found.send_method, found.send_fallbacks, found.send_fallback_reason)
    assert told in {
        ("gso", 0, None),
        ("sendmmsg", 1, "gso: Input/output error (EIO)"),
    }
    assert found.errors == 0
    peer.close()


def switch_checksums_off(host: Namespace, device: str) -> None:
    """Do as ``ethtool -K DEVICE tx off`` does."""
    ethtool_stxcsum, siocethtool = 0x17, 0x8946
    value = array.array("B", struct.pack("II", ethtool_stxcsum, 0))
    request = struct.pack("16sP", device.encode(), value.buffer_info()[0])
    with host.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        fcntl.ioctl(asking, siocethtool, request)


@TARGETS
def test_gso_runs_arrive_as_they_were_sent(wire: Wire, target: str) -> None:
    with wire.far.inside(), socket.socket(family_of(target), socket.SOCK_DGRAM) as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        peer.bind((target, 0))
        with wire.near.inside():
            sender = UdpSender(Endpoint(target, peer.getsockname()[1]).connect(0))
        datagrams = numbered([1400] * 33 + [200] + [700] * 9 + [64] * 80)
        sent = sender.send(datagrams, 0, len(datagrams))
        assert (sent.handled, sent.rejected, sent.fallbacks) == (123, [], [])
        assert sender.method == "gso"
        assert receive_all(peer) == list(map(bytes, datagrams))
        sender.close()


def test_a_kernel_that_refuses_gso(wire: Wire) -> None:
    """Without checksums of its own a socket cannot use it, and the kernel says so."""
    no_check = 11
    with wire.far.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("10.7.0.2", 0))
        with wire.near.inside():
            link = Endpoint("10.7.0.2", peer.getsockname()[1]).connect(0)
        link.setsockopt(socket.SOL_SOCKET, no_check, 1)
        sender = UdpSender(link)
        datagrams = numbered([500] * 16)
        sent = sender.send(datagrams, 0, 16)
        assert (sent.handled, sent.rejected, sent.failures) == (16, [], {})
        assert sent.fallbacks == ["gso: Invalid argument (EINVAL)"]
        assert receive_all(peer) == list(map(bytes, datagrams))
        sender.close()


def test_each_loss_has_its_name_and_nobody_else_loses_anything(
    wire: Wire, busy_plane: Plane
) -> None:
    """A closed port, a way that ends at a router, none at all, a full queue; and one good."""
    good = receive_at(wire.far, "10.7.0.2")
    closed = receive_at(wire.far, "10.7.0.2")
    closed.close()
    wire.far.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    wire.near.ip("route", "add", "10.8.0.0/16", "via", "10.7.0.2")
    wire.near.ip("route", "add", "unreachable", "10.9.0.0/16")
    busy_plane.commit(
        to(good, name="good"),
        to(closed, name="closed"),
        to(good, name="beyond", address="10.8.0.2"),
        to(good, name="slow", sub_agent_id=7, rate_limit=1),
        to(good, name="none", address="10.9.0.2"),
    )

    def errors(name: str) -> set[str]:
        return {entry.error for entry in busy_plane.statistics(name).send_failure}

    wait_until(lambda: errors("closed") == {"ECONNREFUSED"}, 20)
    lost = {"ENETUNREACH", "EHOSTUNREACH"}
    wait_until(lambda: errors("beyond") and errors("beyond") <= lost, 20)
    wait_until(lambda: busy_plane.statistics("slow").dropped_records, 20)
    assert busy_plane.await_status("none", "down").oper_reason == (
        "address 10.9.0.2: No route to host (EHOSTUNREACH)"
    )
    assert errors("slow") == set()
    sent = busy_plane.statistics("good")
    assert (sent.oper_status, sent.errors, sent.dropped_records) == ("up", 0, 0)
    assert busy_plane.changes("good") == []
    arrived = good.waiting()  # where a gap in the sequence fails the test
    assert sum(got.message.domain == 0 for got in arrived) >= (sent.datagrams_sent or 0) > 0
    good.close()


@pytest.mark.parametrize(
    ("target", "network", "unreachable"),
    [
        ("10.7.0.2", ["10.7.0.0/24"], {"ENETUNREACH"}),
        ("fd07::2", ["-6", "fd07::/64"], {"ENETUNREACH", "EHOSTUNREACH"}),
    ],
    ids=["ipv4", "ipv6"],
)
def test_a_route_that_is_unplugged_and_comes_back(
    wire: Wire, busy_plane: Plane, target: str, network: list[str], unreachable: set[str]
) -> None:
    """What was generated meanwhile is missed, and nothing else; a neighbour misses nothing."""
    *family, prefix = network
    with wire.far.inside():
        peer = Receiver(target, strict=False)
    with wire.near.inside():
        neighbour = Receiver()
    busy_plane.commit(to(peer, name="far"), to(neighbour, name="near"))
    messages = [peer.receive().message]
    wire.near.ip(*family, "route", "delete", prefix, "dev", "port0")
    down = busy_plane.await_status("far", "down")
    assert any(name in (down.oper_reason or "") for name in unreachable)
    wait_until(lambda: (busy_plane.statistics("near").datagrams_sent or 0) > 100)
    wire.near.ip(*family, "route", "add", prefix, "dev", "port0")
    found = busy_plane.await_status("far", "up")
    assert {entry.error for entry in found.send_failure} <= unreachable | {"ECANCELED"}
    assert found.errors

    def is_told() -> bool:
        messages.append(peer.receive().message)
        return bool(messages[-1].lost)

    wait_until(is_told)
    assert [m.lost for m in messages if m.lost] == [found.errors]
    codes = {fault.code for message in messages for fault in message.faults}
    assert codes == {"sequence-gap"}  # of datagrams and of samples
    assert busy_plane.changes("far") == ["down", "up"]
    assert busy_plane.changes("near") == []
    neighbour.waiting()  # where a gap in the sequence fails the test
    peer.close()
    neighbour.close()


@pytest.mark.parametrize("rung", LADDER, ids=lambda rung: rung.name)
def test_a_queue_of_the_device_that_is_full(wire: Wire, rung: Rung) -> None:
    """Unasked, the kernel would call what it drops itself sent."""
    shape = ["tbf", "rate", "200kbit", "burst", "3000", "limit", "6000"]
    wire.near.run("tc", "qdisc", "add", "dev", "port0", "root", *shape)
    with wire.far.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("10.7.0.2", 0))
        with wire.near.inside():
            link = Endpoint("10.7.0.2", peer.getsockname()[1]).connect(0)
        sender = UdpSender(link, ladder=[rung])
        datagrams = numbered([1000] * 16)
        sends = [sender.send(datagrams, 0, 16) for _ in range(4)]
        rejected = sum(len(sent.rejected) for sent in sends)
        assert rejected >= 16
        failures = Counter[Failure]()
        for sent in sends:
            failures.update(sent.failures)
        assert failures == {number_failure(errno.ENOBUFS): rejected}
        assert sends[-1].handled == 16
        sender.close()


def test_a_router_that_takes_shorter_datagrams(wire: Wire) -> None:
    """What it drops is counted; what is sent after its report is cut to measure."""
    with namespaces(1) as (beyond,):
        join(wire.far, "port8", beyond, "port9")
        for host, port, address in ((wire.far, "port8", 1), (beyond, "port9", 2)):
            host.ip("address", "add", f"10.8.0.{address}/24", "dev", port)
            host.ip("link", "set", port, "mtu", "700")
        wire.far.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        wire.near.ip("route", "add", "10.8.0.0/24", "via", "10.7.0.2")
        beyond.ip("route", "add", "10.7.0.0/24", "via", "10.8.0.1")
        with beyond.inside(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.bind(("10.8.0.2", 0))
            with wire.near.inside():
                sender = UdpSender(Endpoint("10.8.0.2", peer.getsockname()[1]).connect(0))
            datagrams = numbered([1000] * 16)
            assert sender.send(datagrams, 0, 1).handled == 1  # the router drops it
            found: Counter[str] = Counter()

            def is_reported() -> bool:
                sent = sender.send(datagrams, 0, 1)
                assert (sent.handled, sent.rejected) == (1, [])
                found.update({failure.name: count for failure, count in sent.failures.items()})
                return bool(found)

            wait_until(is_reported)
            assert found == {"EMSGSIZE": 1}
            receive_all(peer)
            sent = sender.send(datagrams, 0, 16)
            assert (sent.handled, sent.rejected, sent.failures) == (16, [], {})
            assert receive_all(peer) == list(map(bytes, datagrams))
            assert sender.method == "sendmmsg"
            sender.close()


def family_of(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET
