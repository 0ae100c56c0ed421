"""Collectors in a namespace or behind a VRF device, while the exporter is elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.netns.conftest import Wire
from tests.support.conditions import wait_until
from tests.support.interfaces import FakeKernel, FakeLink
from tests.support.namespaces import Namespace, join
from tests.support.receiver import Receiver
from tests.support.runtimes import Plane, fake_source, plane
from tests.support.sessions import config
from tests.support.stream_peer import Conversation, StreamPeer

from flowexport_mgmt.export import network
from flowexport_mgmt.model.flow_export import Collector, Transport

pytestmark = pytest.mark.root

PATH = "/flow-export:flow-export/collector[name='c']/network-instance"
FAMILIES = pytest.mark.parametrize(
    ("target", "source", "prefix"),
    [("10.7.0.2", "10.7.0.9", 24), ("fd07::2", "fd07::9", 64)],
    ids=["ipv4", "ipv6"],
)


@pytest.fixture
def outside() -> Iterator[Plane]:
    """A data plane in this process's own namespace, over an interface that does not exist."""
    with plane(fake_source(FakeKernel(FakeLink(7, "port7")))) as made:
        yield made


def receive_at(wire: Wire, address: str, port: int = 0) -> Receiver:
    with wire.far.inside():
        return Receiver(address, port)


def to(
    peer: Receiver | StreamPeer, instance: str, protocol: str = "sflow", **more: Any
) -> Collector:
    values: dict[str, Any] = {
        "address": peer.address,
        "port": peer.port,
        "polling_interval": 1,
        "network_instance": instance,
    }
    return config(protocol, **(values | more))


@FAMILIES
def test_a_namespace(wire: Wire, outside: Plane, target: str, source: str, prefix: int) -> None:
    wire.near.ip("address", "add", f"{source}/{prefix}", "dev", "port0", *nodad(source))
    peer = receive_at(wire, target)
    outside.commit(to(peer, wire.near.name, source_address=source))
    assert peer.receive().source == source
    found = outside.statistics("c")
    assert (found.oper_status, found.agent_address_in_use) == ("up", source)
    peer.close()


def nodad(address: str) -> list[str]:
    return ["nodad"] if ":" in address else []


@FAMILIES
def test_a_source_address_comes_and_goes_in_its_namespace(
    wire: Wire, outside: Plane, target: str, source: str, prefix: int
) -> None:
    address = ["address", "add", f"{source}/{prefix}", "dev", "port0", *nodad(source)]
    wire.near.ip(*address)
    peer = receive_at(wire, target)
    outside.commit(to(peer, wire.near.name, source_address=source))
    peer.receive()
    wire.near.ip("address", "delete", f"{source}/{prefix}", "dev", "port0")
    found = outside.await_status("c", "down")
    assert found.oper_reason == (
        f"source-address {source}: not an address of this host (EADDRNOTAVAIL)"
    )
    wire.near.ip(*address)
    outside.await_status("c", "up")
    peer.close()


def test_a_zone_is_an_interface_of_the_namespace(wire: Wire, outside: Plane) -> None:
    wire.far.ip("address", "add", "fe80::22/64", "dev", "port1", "nodad")
    wire.near.ip("address", "add", "fe80::11/64", "dev", "port0", "nodad")
    peer = receive_at(wire, "::")
    outside.commit(
        to(peer, wire.near.name, address="fe80::22%port0", source_address="fe80::11%port0")
    )
    assert peer.receive().source.startswith("fe80::11")
    outside.await_status("c", "up")
    refusals = outside.prepare(to(peer, wire.near.name, address="fe80::22%port9"))
    assert [refusal.message for refusal in refusals] == [
        "address fe80::22%port9: there is no interface port9"
    ]
    peer.close()


def test_what_is_not_there_is_refused_and_awaited_otherwise(wire: Wire, outside: Plane) -> None:
    peer = receive_at(wire, "10.7.0.2")
    nowhere = to(peer, "fx-none")
    (refusal,) = outside.prepare(nowhere)
    assert refusal.path == PATH
    assert refusal.message == (
        "network-instance fx-none: there is neither a VRF device nor a network namespace of this "
        "name"
    )
    outside.commit(nowhere, strict=False)
    found = outside.statistics("c")
    assert (found.oper_status, found.oper_reason) == ("down", refusal.message)
    peer.close()


def test_an_interface_that_is_no_vrf_device_is_none(wire: Wire) -> None:
    peer = receive_at(wire, "10.7.0.2")
    with wire.near.inside(), plane() as inside:
        (refusal,) = inside.prepare(to(peer, "port0"))
    assert refusal.path == PATH
    peer.close()


def test_a_namespace_that_disappears_and_one_of_its_name_that_comes(outside: Plane) -> None:
    """The socket alone would keep the old one alive, and send into it."""
    near, far = Namespace(), Namespace()
    try:
        wire_up(near, far)
        with far.inside():
            peer = Receiver("10.7.0.2", strict=False)
        beside = Receiver()
        outside.commit(
            to(peer, near.name),
            config("sflow", name="beside", port=beside.port, polling_interval=1),
        )
        peer.receive()
        near.delete()
        found = outside.await_status("c", "down", 3)
        assert found.oper_reason is not None
        assert "there is neither a VRF device nor a network namespace" in found.oper_reason
        peer.waiting()
        for _ in range(2):
            beside.receive(1.5)
        assert peer.waiting() == []
        wait_until(lambda: "port1" not in far.run("ip", "-br", "link"))  # it goes a little later
        near.add()
        wire_up(near, far)
        outside.await_status("c", "up")
        peer.receive()
        assert outside.changes("beside") == []
        peer.close()
        beside.close()
    finally:
        near.delete()
        far.delete()


def wire_up(near: Namespace, far: Namespace) -> None:
    join(near, "port0", far, "port1")
    near.ip("address", "add", "10.7.0.1/24", "dev", "port0")
    far.ip("address", "add", "10.7.0.2/24", "dev", "port1")


def test_a_connection_in_a_namespace(wire: Wire, outside: Plane) -> None:
    with wire.far.inside():
        peer = StreamPeer("fd07::2")
    outside.commit(to(peer, wire.near.name, "ipfix", transport=Transport.TCP))
    assert peer.accept().getpeername()[0] == "fd07::1"
    conversation = Conversation(peer)
    wait_until(conversation.take)
    outside.await_status("c", "up")
    peer.close()


def test_a_vrf_device(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel has no VRF, binding to a device is proved with one of another driver."""
    monkeypatch.setattr(network, "_VRF", "veth")
    wire.near.ip("link", "add", "port5", "type", "veth", "peer", "name", "port6")
    wire.near.ip("link", "set", "port5", "up")
    wire.near.ip("link", "set", "port6", "up")
    wire.near.ip("address", "add", "10.7.0.77/24", "dev", "port5")
    wire.near.ip("route", "add", "10.7.0.2/32", "dev", "port5")  # the better way, elsewhere
    peer = receive_at(wire, "10.7.0.2")
    with wire.near.inside(), plane() as inside:
        inside.commit(to(peer, "port0", source_address="10.7.0.1"))
        assert peer.receive().source == "10.7.0.1"
        wire.near.ip("link", "delete", "port0")
        found = inside.await_status("c", "down")
        assert "10.7.0.2" in (found.oper_reason or "") or "port0" in (found.oper_reason or "")
        wait_until(lambda: "neither a VRF device" in (inside.statistics("c").oper_reason or ""), 5)
        join(wire.near, "port0", wire.far, "port1")
        wire.far.ip("address", "add", "10.7.0.2/24", "dev", "port1")
        wire.near.ip("address", "add", "10.7.0.1/24", "dev", "port0")
        inside.await_status("c", "up")
    peer.close()
