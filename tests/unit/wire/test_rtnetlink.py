"""Routing messages, most of them as pyroute2 writes them."""

from __future__ import annotations

import ipaddress
import struct
from typing import Any, Literal

import numpy as np
import pytest
from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from flowexport_mgmt.errors import DecodeError
from flowexport_mgmt.wire.rtnetlink import (
    Hop,
    Path,
    RouteKind,
    read_link,
    read_nexthop,
    read_route,
    read_routes,
    read_rule,
    split,
)


def encode(kind: Any, type_: int, attributes: list[tuple[str, Any]], **fields: Any) -> bytes:
    message = kind()
    for name, value in fields.items():
        message[name] = value
    message["attrs"] = attributes
    message["header"]["type"] = type_
    message.encode()
    return bytes(message.data)


def route(prefix: str, attributes: list[tuple[str, Any]], **fields: Any) -> bytes:
    network = ipaddress.ip_network(prefix)
    family = 2 if network.version == 4 else 10
    given = {"family": family, "dst_len": network.prefixlen, "table": 254, "type": 1, **fields}
    if network.prefixlen:
        attributes = [("RTA_DST", str(network.network_address)), *attributes]
    return encode(rtmsg, 24, attributes, **given)


def packed(address: str) -> bytes:
    return ipaddress.ip_address(address).packed


def test_a_route_by_a_gateway() -> None:
    message = route(
        "10.1.0.0/16",
        [("RTA_TABLE", 1000), ("RTA_PRIORITY", 7), ("RTA_GATEWAY", "10.0.0.9"), ("RTA_OIF", 5)],
        table=252,
    )
    found = read_route(message)
    assert found is not None
    assert (found.version, found.table, found.length) == (4, 1000, 16)
    assert found.address == 10 << 24 | 1 << 16
    assert found.path == Path(RouteKind.UNICAST, 7, (Hop(5, packed("10.0.0.9")),))


def test_a_default_route_has_no_address() -> None:
    found = read_route(route("::/0", [("RTA_GATEWAY", "fe80::1"), ("RTA_OIF", 5)]))
    assert found is not None
    assert (found.version, found.address, found.length) == (6, 0, 0)
    assert found.path.hops == (Hop(5, packed("fe80::1")),)


def multipath(*hops: tuple[int, int, int, str]) -> list[dict[str, Any]]:
    return [
        {"oif": oif, "hops": weight - 1, "flags": flags, "attrs": [("RTA_GATEWAY", gateway)]}
        for oif, weight, flags, gateway in hops
    ]


def test_several_hops_without_those_that_are_dead() -> None:
    hops = multipath((1, 1, 0, "10.0.0.1"), (2, 3, 0, "10.0.0.2"), (3, 1, 1, "10.0.0.3"))
    found = read_route(route("10.0.0.0/8", [("RTA_MULTIPATH", hops)]))
    assert found is not None
    assert found.path.hops == (Hop(1, packed("10.0.0.1")), Hop(2, packed("10.0.0.2"), 3))
    hops = multipath((1, 1, 1, "10.0.0.1"), (2, 1, 16, "10.0.0.2"))
    found = read_route(route("10.0.0.0/8", [("RTA_MULTIPATH", hops)]))
    assert found is not None
    assert [hop.ifindex for hop in found.path.hops] == [1, 2]


def test_a_gateway_of_the_other_family() -> None:
    via = struct.pack("=HH", 4 + 2 + 16, 18) + struct.pack("=H", 10) + packed("fe80::5") + bytes(2)
    message = bytearray(route("10.0.0.0/8", [("RTA_OIF", 5)]) + via)
    struct.pack_into("=I", message, 0, len(message))
    found = read_route(bytes(message))
    assert found is not None
    assert found.path.hops == (Hop(5, packed("fe80::5")),)


@pytest.mark.parametrize(
    "fields", [{"tos": 16}, {"flags": 0x200}, {"src_len": 8}, {"family": 28}], ids=str
)
def test_routes_that_depend_on_more(fields: dict[str, int]) -> None:
    assert read_route(route("10.0.0.0/8", [("RTA_OIF", 5)], **fields)) is None


def test_columns_say_what_single_messages_say() -> None:
    random = np.random.default_rng(3)
    for version in (4, 6):
        messages = []
        for number in range(300):
            length = int(random.integers(0, 33 if version == 4 else 129))
            bits = int.from_bytes(random.bytes(16), "big") >> (96 if version == 4 else 0)
            address = (ipaddress.IPv4Address if version == 4 else ipaddress.IPv6Address)(bits)
            prefix = str(ipaddress.ip_network((address, length), strict=False))
            gateway = ("10.0.0.1", "10.0.0.2") if version == 4 else ("fe80::1", "fe80::2")
            attributes: Any = [
                [("RTA_OIF", number % 3 + 1)],
                [("RTA_OIF", 1), ("RTA_GATEWAY", gateway[number % 2]), ("RTA_PRIORITY", 9)],
                [("RTA_TABLE", number % 2 + 1000), ("RTA_OIF", 2), ("RTA_METRICS", {"attrs": []})],
                [("RTA_MULTIPATH", multipath((1, 1, 0, gateway[0]), (2, 2, 0, gateway[1])))],
                [],
            ][number % 5]
            messages.append(
                route(
                    prefix,
                    attributes,
                    type=6 if number % 5 == 4 else 1,
                    proto=number % 7,
                    tos=4 if number % 50 == 3 else 0,
                )
            )
        sizes = np.array([len(message) for message in messages])
        padded = [message + bytes(-len(message) % 4) for message in messages]
        begins = np.cumsum([0, *map(len, padded)])[:-1]
        found = read_routes(version, b"".join(padded), begins, begins + sizes)
        got = sorted(
            (
                table,
                int(address) if version == 4 else int(address[0]) << 64 | int(address[1]),
                length,
                found.paths[path],
            )
            for table, address, length, path in zip(
                found.tables.tolist(),
                found.addresses,
                found.lengths.tolist(),
                found.path.tolist(),
                strict=True,
            )
        )
        single = [read_route(message) for message in messages]
        assert got == sorted((r.table, r.address, r.length, r.path) for r in single if r)
        assert len(found.paths) < 60


def test_routes_of_the_other_family_are_left_out() -> None:
    messages = [
        route("10.0.0.0/8", [("RTA_OIF", 1)]),
        route("0.0.0.0/0", [("RTA_OIF", 1)]),
        route("::/0", [("RTA_OIF", 2)]),
        route("fd00::/64", [("RTA_OIF", 2)]),
    ]
    sizes = np.array([len(message) for message in messages])
    begins = np.cumsum([0, *sizes])[:-1]
    cases: tuple[tuple[Literal[4, 6], list[int]], ...] = ((4, [0, 8]), (6, [0, 64]))
    for version, lengths in cases:
        found = read_routes(version, b"".join(messages), begins, begins + sizes)
        assert sorted(found.lengths.tolist()) == lengths
        assert {found.paths[path].hops[0].ifindex for path in found.path} == {version // 2 - 1}


def test_no_routes() -> None:
    none = np.zeros(0, np.int64)
    assert read_routes(6, b"", none, none).addresses.shape == (0, 2)


def test_rules() -> None:
    found = read_rule(
        encode(
            fibmsg,
            32,
            [
                ("FRA_PRIORITY", 77),
                ("FRA_SRC", "10.9.0.0"),
                ("FRA_IIFNAME", "port1"),
                ("FRA_TABLE", 1000),
                ("FRA_SUPPRESS_PREFIXLEN", 0),
            ],
            family=2,
            action=1,
            src_len=16,
        )
    )
    assert (found.priority, found.table, found.interface) == (77, 1000, "port1")
    assert (found.source.length, found.suppressed, found.plain) == (16, 0, True)
    for attributes, fields in (
        ([("FRA_FWMARK", 7)], {"action": 1}),
        ([], {"action": 7}),
        ([], {"action": 1, "tos": 4}),
        ([], {"action": 1, "flags": 2}),
    ):
        assert not read_rule(encode(fibmsg, 32, attributes, family=2, **fields)).plain
    vrf = read_rule(encode(fibmsg, 32, [("FRA_L3MDEV", 1)], family=2, action=1))
    assert (vrf.table, vrf.plain, vrf.suppressed) == (0, True, -1)


def test_links_and_vrfs() -> None:
    info = {
        "attrs": [
            ("IFLA_INFO_KIND", "vrf"),
            ("IFLA_INFO_DATA", {"attrs": [("IFLA_VRF_TABLE", 1001)]}),
        ]
    }
    blue = read_link(
        encode(ifinfmsg, 16, [("IFLA_IFNAME", "blue"), ("IFLA_LINKINFO", info)], index=9, flags=1)
    )
    assert (blue.ifindex, blue.name, blue.kind, blue.vrf_table) == (9, "blue", "vrf", 1001)
    port = read_link(
        encode(
            ifinfmsg,
            16,
            [("IFLA_IFNAME", "p"), ("IFLA_MASTER", 9), ("IFLA_ADDRESS", "02:00:00:00:00:0a")],
            index=3,
        )
    )
    assert (port.master, port.vrf_table, port.address.hex()) == (9, 0, "02000000000a")


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value


def test_nexthops() -> None:
    head = bytes(16) + struct.pack("=BBBBI", 2, 0, 0, 0, 0)
    five = attribute(1, struct.pack("=I", 5))
    hop = attribute(5, struct.pack("=I", 3)) + attribute(6, packed("10.0.0.1"))
    found = read_nexthop(head + five + hop)
    assert (found.id, found.group, found.hop) == (5, (), Hop(3, packed("10.0.0.1")))
    group = attribute(2, struct.pack("=IBBHIBBH", 5, 0, 0, 0, 6, 3, 0, 0))
    assert read_nexthop(head + five + group).group == ((5, 1), (6, 4))
    assert read_nexthop(head + five + attribute(4, b"")).hop is None


def test_messages_that_end_elsewhere() -> None:
    good = route("10.0.0.0/8", [("RTA_OIF", 5)])
    (message,) = split(good)
    assert (message.kind, message.begin, message.end) == (24, 0, len(good))
    for length in (15, len(good) + 1):
        with pytest.raises(DecodeError, match="message of"):
            list(split(struct.pack("=I", length) + good[4:]))


@pytest.mark.parametrize("size", range(16, 60))
def test_a_message_that_is_cut_is_read_or_left_out(size: int) -> None:
    message = route("10.1.0.0/16", [("RTA_GATEWAY", "10.0.0.9"), ("RTA_OIF", 5)])[:size]
    found = read_route(message)
    assert found is None or found.length == 16
