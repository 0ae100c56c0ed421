"""Sampled packets and flows with the routes of tables that a test makes up."""

from __future__ import annotations

import dataclasses
import ipaddress
from typing import Any

import numpy as np
import pytest
from tests.support.routes import column, flows
from tests.support.sampled import ethernet, icmp, ipv4, ipv6, sample, udp

from flowexport_mgmt.enrich.fib_view import FibView
from flowexport_mgmt.enrich.flows import enrich_flows
from flowexport_mgmt.enrich.route_tables import RouteTables
from flowexport_mgmt.enrich.samples import enrich_samples
from flowexport_mgmt.records.flows import unfold
from flowexport_mgmt.records.samples import LOCAL_INTERFACE, Route
from flowexport_mgmt.wire.rtnetlink import Hop, Path, RouteKind, RouteMessage, RuleMessage
from flowexport_mgmt.wire.rtnetlink.tables import Selector

LAN, WAN, BLUE = 2, 3, 4
BLUE_TABLE = 1001


def route(prefix: str, table: int, kind: int, *hops: tuple[int, str]) -> RouteMessage:
    network = ipaddress.ip_network(prefix)
    ways = tuple(
        Hop(ifindex, ipaddress.ip_address(gateway).packed if gateway else b"")
        for ifindex, gateway in hops
    )
    return RouteMessage(
        network.version, table, int(network.network_address), network.prefixlen, Path(kind, 0, ways)
    )


def rule(table: int) -> RuleMessage:
    return RuleMessage(0, table, Selector(), Selector(), "", -1, plain=True)


@pytest.fixture
def view() -> FibView:
    tables = RouteTables({})
    for message in (
        route("10.1.0.0/24", 254, RouteKind.UNICAST, (LAN, "")),
        route("10.1.0.1/32", 255, RouteKind.LOCAL, (LAN, "")),
        route("10.1.0.255/32", 255, RouteKind.BROADCAST, (LAN, "")),
        route("198.51.100.1/32", 255, RouteKind.LOCAL, (WAN, "")),
        route("0.0.0.0/0", 254, RouteKind.UNICAST, (WAN, "198.51.100.9")),
        route("10.66.0.0/16", 254, RouteKind.BLACKHOLE),
        route("0.0.0.0/0", BLUE_TABLE, RouteKind.UNICAST, (BLUE, "10.9.0.9")),
        route("fd01::/64", 254, RouteKind.UNICAST, (LAN, "")),
        route("::/0", 254, RouteKind.UNICAST, (WAN, "fe80::9")),
    ):
        tables.add(message, 0)
    rules = (rule(255), rule(0), rule(254))
    return FibView(
        tables.view(), {4: rules, 6: rules}, {BLUE: BLUE_TABLE}, {}, np.array([0x020000000002])
    )


def packed(address: str) -> bytes:
    return ipaddress.ip_address(address).packed


def test_where_packets_go_and_what_the_routes_say(view: FibView) -> None:
    batch = sample(
        ethernet(ipv4("10.1.0.7", "192.0.2.1", 17, udp(1, 2))),
        ethernet(ipv4("192.0.2.1", "10.1.0.7", 17, udp(1, 2))),
        ethernet(ipv4("192.0.2.1", "10.1.0.1", 1, icmp(8, 0))),
        ethernet(ipv4("192.0.2.1", "10.66.0.1", 1, icmp(8, 0))),
        ethernet(ipv4("192.0.2.1", "224.0.0.5", 1, icmp(8, 0))),
        ethernet(ipv6("fd01::5", "2001:db8::1", 17, udp(1, 2))),
        ethernet(bytes(40), ethertype=0x0806),
        in_if=WAN,
        source=WAN,
    )
    found = enrich_samples(view, batch)
    assert found.out_if.tolist() == [WAN, LAN, LOCAL_INTERFACE, 0, 0, WAN, 0]
    assert found.in_if.tolist() == [WAN] * 7
    assert found.route is not None
    assert found.src_mask is not None
    assert found.src_mask.tolist() == [24, 0, 0, 0, 0, 64, 0]
    routes = [None if at < 0 else found.routes[at] for at in found.route.tolist()]
    assert routes == [
        Route(packed("198.51.100.9"), 0),
        Route(bytes(4), 24),
        Route(bytes(4), 32),
        None,
        None,
        Route(packed("fe80::9"), 0),
        None,
    ]
    assert batch.out_if.tolist() == [0] * 7  # the batch itself stays as it is


def test_packets_taken_on_their_way_out(view: FibView) -> None:
    batch = sample(
        ethernet(ipv4("10.1.0.1", "192.0.2.1", 17, udp(1, 2)), to=bytes.fromhex("0200000000ff")),
        ethernet(ipv4("10.1.0.7", "192.0.2.1", 17, udp(1, 2)), to=bytes.fromhex("0200000000ff")),
        in_if=0,
        out_if=WAN,
        source=WAN,
        direction=1,
    )
    found = enrich_samples(view, batch)
    assert found.in_if.tolist() == [LOCAL_INTERFACE, LAN]
    assert found.out_if.tolist() == [WAN, WAN]


def test_frames_for_another_station_are_not_routed_here(view: FibView) -> None:
    packet = ipv4("10.1.0.7", "192.0.2.1", 17, udp(1, 2))
    batch = sample(
        ethernet(packet, to=bytes.fromhex("0200000000ff")),
        ethernet(packet, to=b"\xff" * 6),
        packet + bytes(20),
        direction=0,
    )
    found = enrich_samples(view, batch)
    assert found.out_if.tolist() == [0, WAN, 0]
    assert found.route is not None
    assert found.route.tolist() == [-1, 0, -1]


def test_a_vrf_is_told_by_the_interface(view: FibView) -> None:
    batch = sample(
        ethernet(ipv4("10.1.0.7", "192.0.2.1", 17, udp(1, 2))),
        ethernet(ipv4("10.1.0.7", "192.0.2.1", 17, udp(1, 2))),
        source=np.array([LAN, BLUE], np.uint32),
        in_if=np.array([LAN, BLUE], np.uint32),
    )
    assert enrich_samples(view, batch).out_if.tolist() == [WAN, BLUE]
    seen = np.array([LAN, BLUE], np.uint32)
    batch2 = enrich_flows(view, flows(["10.1.0.7"] * 2, ["192.0.2.1"] * 2, in_if=seen))
    assert batch2.out_if.tolist() == [WAN, BLUE]


def biflow(src: str, dst: str, **columns: Any) -> Any:
    one = np.ones(1, np.uint64)
    return flows([src], [dst], reverse_octets=one, reverse_packets=one, **columns)


def test_both_directions_of_a_biflow(view: FibView) -> None:
    found = enrich_flows(view, biflow("10.1.0.7", "192.0.2.1"))
    forward, back = (unfold(found).select(slice(row, row + 1)) for row in (0, 1))
    expected = {
        "in_if": (LAN, WAN),
        "out_if": (WAN, LAN),
        "src_mask": (24, 0),
        "dst_mask": (0, 24),
        "next_hop": (int(ipaddress.IPv4Address("198.51.100.9")), 0),
    }
    for name, values in expected.items():
        assert (getattr(forward, name)[0], getattr(back, name)[0]) == values, name
    found = enrich_flows(view, biflow("192.0.2.1", "10.1.0.7"))
    back = unfold(found).select(slice(1, 2))
    assert back.next_hop is not None
    assert back.next_hop.tolist() == [int(ipaddress.IPv4Address("198.51.100.9"))]


def test_a_biflow_that_is_masqueraded(view: FibView) -> None:
    found = enrich_flows(
        view,
        biflow(
            "10.1.0.7",
            "192.0.2.1",
            nat_src=column(["198.51.100.1"]),
            nat_dst=column(["192.0.2.1"]),
            nat_src_port=np.zeros(1, np.uint16),
            nat_dst_port=np.zeros(1, np.uint16),
        ),
    )
    both = unfold(found)
    assert both.in_if.tolist() == [LAN, WAN]
    assert both.out_if.tolist() == [WAN, LAN]
    assert both.src_mask is not None
    assert both.dst_mask is not None
    assert both.src_mask.tolist() == [24, 0]
    assert both.dst_mask.tolist() == [0, 0]  # of the address in front, not of the one behind


def test_a_destination_that_is_translated(view: FibView) -> None:
    found = enrich_flows(
        view,
        biflow(
            "192.0.2.1",
            "198.51.100.1",
            nat_src=column(["192.0.2.1"]),
            nat_dst=column(["10.1.0.7"]),
            nat_src_port=np.zeros(1, np.uint16),
            nat_dst_port=np.zeros(1, np.uint16),
        ),
    )
    both = unfold(found)
    assert both.in_if.tolist() == [WAN, LAN]
    assert both.out_if.tolist() == [LAN, WAN]
    assert both.dst_mask is not None
    assert both.dst_mask.tolist() == [32, 0]


def test_flows_of_ipv6(view: FibView) -> None:
    found = enrich_flows(view, flows(["fd01::7", "2001:db8::9"], ["2001:db8::1", "fd01::5"]))
    assert (found.in_if.tolist(), found.out_if.tolist()) == ([LAN, WAN], [WAN, LAN])
    assert found.next_hop is not None
    assert found.next_hop.tolist() == [[0xFE80 << 48, 9], [0, 0]]


def test_a_route_that_goes_leaves_the_one_around_it(view: FibView) -> None:
    tables = RouteTables({})
    wide = route("10.0.0.0/8", 254, RouteKind.UNICAST, (LAN, ""))
    narrow = route("10.1.0.0/16", 254, RouteKind.UNICAST, (WAN, ""))
    tables.add(wide, 0)
    tables.add(narrow, 0)

    def output() -> list[int]:
        seen = dataclasses.replace(view, tables=tables.view())
        found: list[int] = enrich_flows(seen, flows(["10.1.0.1"], ["10.1.2.3"])).out_if.tolist()
        return found

    assert output() == [WAN]
    assert tables.remove(narrow)
    assert output() == [LAN]
    assert tables.remove(narrow)  # it is known to be gone
    assert not tables.remove(route("10.0.0.0/8", 254, RouteKind.UNICAST, (WAN, "")))
    assert tables.count(4) == 1
