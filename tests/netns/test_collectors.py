"""Collectors whose addresses, routes and listeners come and go."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.netns.conftest import Wire
from tests.support.conditions import wait_until
from tests.support.receiver import Receiver
from tests.support.runtimes import Plane, plane
from tests.support.sessions import config

from flowexport_mgmt.model.flow_export import Collector

pytestmark = pytest.mark.root

FAMILIES = pytest.mark.parametrize(
    ("target", "source", "prefix"),
    [("10.7.0.2", "10.7.0.9", 24), ("fd07::2", "fd07::9", 64)],
    ids=["ipv4", "ipv6"],
)


@pytest.fixture
def near_plane(wire: Wire) -> Iterator[Plane]:
    with wire.near.inside(), plane() as made:
        yield made


def receive_at(wire: Wire, address: str, port: int = 0, *, strict: bool = True) -> Receiver:
    with wire.far.inside():
        return Receiver(address, port, strict=strict)


def to(peer: Receiver, protocol: str = "sflow", **settings: Any) -> Collector:
    values: dict[str, Any] = {"address": peer.address, "port": peer.port, "polling_interval": 1}
    return config(protocol, **(values | settings))


def set_address(wire: Wire, change: str, address: str, prefix: int) -> None:
    words = ["address", change, f"{address}/{prefix}", "dev", "port0"]
    wire.near.ip(*words, *(["nodad"] if change == "add" and ":" in address else []))


@FAMILIES
def test_a_source_address_that_leaves_and_comes_back(
    wire: Wire, near_plane: Plane, target: str, source: str, prefix: int
) -> None:
    peer = receive_at(wire, target, strict=False)  # what meets the gap fails, and is a gap
    beside = receive_at(wire, target)
    set_address(wire, "add", source, prefix)
    near_plane.commit(to(peer, source_address=source), to(beside, "ipfix", name="beside"))
    wait_until(lambda: peer.receive().source == source)
    set_address(wire, "delete", source, prefix)
    found = near_plane.await_status("c", "down")
    assert found.oper_reason is not None
    assert source in found.oper_reason or "unreachable" in found.oper_reason
    settled = wait_until(lambda: "not an address" in (near_plane.statistics("c").oper_reason or ""))
    assert settled
    beside.waiting()
    for _ in range(2):  # the other collector feels nothing
        beside.receive()
    before = peer.waiting()
    set_address(wire, "add", source, prefix)
    near_plane.await_status("c", "up")
    again = peer.receive()
    assert again.source == source
    failed = near_plane.statistics("c").errors or 0
    assert sum(got.message.lost for got in (*before, again)) <= failed
    assert near_plane.changes("c") == ["down", "up"]
    assert near_plane.changes("beside") == []
    beside.close()
    peer.close()


@FAMILIES
def test_a_source_address_that_is_missing_at_the_start(
    wire: Wire, near_plane: Plane, target: str, source: str, prefix: int
) -> None:
    peer = receive_at(wire, target)
    refusals = near_plane.prepare(to(peer, source_address=source))
    assert [refusal.path for refusal in refusals] == [
        "/flow-export:flow-export/collector[name='c']/source-address"
    ]
    near_plane.commit(to(peer, source_address=source), strict=False)
    found = near_plane.await_status("c", "down")
    assert found.oper_reason == (
        f"source-address {source}: not an address of this host (EADDRNOTAVAIL)"
    )
    set_address(wire, "add", source, prefix)
    near_plane.await_status("c", "up")
    got = peer.receive()
    assert (got.source, got.message.sequence) == (source, 1)
    assert near_plane.statistics("c").agent_address_in_use == source
    peer.close()


@FAMILIES
def test_an_address_that_the_kernel_chose_is_replaced(
    wire: Wire, near_plane: Plane, target: str, source: str, prefix: int
) -> None:
    peer = receive_at(wire, target)
    near_plane.commit(to(peer, "ipfix"))
    chosen = peer.receive_until("data").source
    wire.near.run("sysctl", "-qw", "net.ipv4.conf.port0.promote_secondaries=1")
    set_address(wire, "add", source, prefix)
    set_address(wire, "delete", chosen, prefix)
    wait_until(lambda: peer.receive().source == source)
    near_plane.await_status("c", "up")
    peer.close()


@FAMILIES
def test_a_port_that_nobody_listens_on(
    wire: Wire, near_plane: Plane, target: str, source: str, prefix: int
) -> None:
    del source, prefix
    peer = receive_at(wire, target)
    port = peer.port
    peer.close()
    near_plane.commit(config("netflow9", address=target, port=port, polling_interval=1))
    found = near_plane.await_status("c", "down")
    assert found.oper_reason == (f"address {target} port {port}: Connection refused (ECONNREFUSED)")
    assert [failure.error for failure in found.send_failure] == ["ECONNREFUSED"]
    peer = receive_at(wire, target, port)
    first = peer.receive_until("data")  # with templates before it, or the test fails
    assert first.message.sequence > 0
    near_plane.await_status("c", "up")
    assert near_plane.changes("c") == ["down", "up"]
    peer.close()


def test_a_network_that_goes_and_returns(wire: Wire, near_plane: Plane) -> None:
    peer = receive_at(wire, "10.7.0.2")
    near_plane.commit(to(peer, "netflow9"))
    peer.receive_until("data")
    wire.near.ip("link", "set", "port0", "down")
    found = near_plane.await_status("c", "down")
    assert "ENETUNREACH" in (found.oper_reason or "")
    wire.near.ip("link", "set", "port0", "up")
    near_plane.await_status("c", "up")
    got = peer.receive_until("data")  # nothing that was generated is missing, or the test fails
    assert got.message.protocol == "netflow9"
    peer.close()


def test_a_collector_without_a_route_is_accepted_and_waits(wire: Wire, near_plane: Plane) -> None:
    peer = receive_at(wire, "10.7.0.2")
    wire.far.ip("address", "add", "10.8.0.2/32", "dev", "lo")
    elsewhere = receive_at(wire, "10.8.0.2")
    near_plane.commit(to(peer, name="good"), to(elsewhere))
    found = near_plane.statistics("c")
    assert found.oper_status == "down"
    assert found.oper_reason == "address 10.8.0.2: Network is unreachable (ENETUNREACH)"
    assert found.agent_address_in_use is None
    wire.near.ip("route", "add", "10.8.0.0/24", "via", "10.7.0.2")
    near_plane.await_status("c", "up")
    assert elsewhere.receive().source == "10.7.0.1"
    assert near_plane.statistics("c").agent_address_in_use == "10.7.0.1"
    peer.close()
    elsewhere.close()


def test_a_link_local_collector_with_its_zone(wire: Wire, near_plane: Plane) -> None:
    wire.far.ip("address", "add", "fe80::22/64", "dev", "port1", "nodad")
    with wire.far.inside():
        peer = Receiver("::")
    wire.near.ip("address", "add", "fe80::11/64", "dev", "port0", "nodad")
    near_plane.commit(
        config(
            "sflow",
            address="fe80::22%port0",
            source_address="fe80::11%port0",
            port=peer.port,
            polling_interval=1,
        )
    )
    assert peer.receive().source.startswith("fe80::11")
    assert near_plane.statistics("c").agent_address_in_use == "fe80::11"
    peer.close()


def test_dscp_on_the_wire(wire: Wire, near_plane: Plane) -> None:
    for target in ("10.7.0.2", "fd07::2"):
        peer = receive_at(wire, target)
        near_plane.commit(to(peer, dscp=34))
        assert peer.receive().tos == 34 << 2
        peer.close()
