"""The ring of recent flows against a plain list."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.routes import flows
from tests.support.sampled import sample

from flowexport_mgmt.pipeline.recent import RecentFlows
from flowexport_mgmt.records import FlowBatch


def numbered(*numbers: int, **columns: Any) -> FlowBatch:
    octets = np.array(numbers, np.uint64)
    count = len(numbers)
    return flows(["10.0.0.1"] * count, ["10.0.0.2"] * count, octets=octets, **columns)


def kept(ring: RecentFlows) -> list[int]:
    return [flow.bytes for flow in ring.find(None)]


@given(
    st.integers(1, 9),
    st.lists(st.integers(0, 20) | st.integers(-12, -1), max_size=12),
)
def test_the_latest_are_kept_and_the_rest_counted(capacity: int, steps: list[int]) -> None:
    ring = RecentFlows(capacity)
    expected: list[int] = []
    added = 0
    for step in steps:
        if step < 0:  # stands for another capacity
            capacity = -step
            ring.resize(capacity)
        elif step:
            numbers = range(added, added + step)
            added += step
            ring.take(numbered(*numbers))
            expected += numbers
        expected = expected[-capacity:]
        assert kept(ring) == expected[::-1]
        assert ring.drops == added - len(expected)


def test_what_a_record_says() -> None:
    ring = RecentFlows(64)
    ring.take(
        numbered(
            900,
            packets=np.array([7], np.uint64),
            src_port=np.array([1234], np.uint16),
            dst_port=np.array([443], np.uint16),
            protocol=np.array([6], np.uint8),
            tcp_state=np.array([3], np.uint8),
            start_ms=np.array([1000], np.uint64),
            end_ms=np.array([2000], np.uint64),
            src_as=np.array([64512], np.uint32),
            next_hop=np.array([0x0A000009], np.uint32),
        )
    )
    (flow,) = ring.find(None)
    assert (flow.src_address, flow.src_port) == ("10.0.0.1", 1234)
    assert (flow.dst_address, flow.dst_port) == ("10.0.0.2", 443)
    assert (flow.protocol, flow.tcp_state) == (6, "established")
    assert (flow.bytes, flow.packets, flow.first_ms, flow.last_ms) == (900, 7, 1000, 2000)
    assert (flow.src_as, flow.dst_as, flow.next_hop) == (64512, None, "10.0.0.9")


def test_directions_are_records_of_their_own() -> None:
    ring = RecentFlows(3)
    reverse = {
        "reverse_octets": np.array([10, 20, 0], np.uint64),
        "reverse_packets": np.array([1, 1, 0], np.uint64),
        "packets": np.array([1, 0, 1], np.uint64),
    }
    ring.take(numbered(1, 2, 3, **reverse))
    found = ring.find(None)
    assert sorted((flow.bytes, flow.src_address) for flow in found) == [
        (3, "10.0.0.1"),
        (10, "10.0.0.2"),
        (20, "10.0.0.2"),
    ]
    assert ring.drops == 1


def test_records_of_sampled_packets_are_not_flows() -> None:
    ring = RecentFlows(64)
    ring.take(numbered(1, sampling_rate=np.array([100], np.uint32)))
    ring.take(sample(b"\0" * 60))
    assert ring.find(None) == ()
    assert ring.drops == 0


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("10.1.0.0/16", ["10.1.2.3"]),
        ("10.0.0.0/8", ["10.2.0.1", "10.1.2.3"]),
        ("0.0.0.0/0", ["10.2.0.1", "10.1.2.3"]),
        ("10.1.2.3/32", ["10.1.2.3"]),
        ("fd00:1::/64", ["fd00:1::5"]),
        ("fd00:1::4/127", ["fd00:1::5"]),
        ("::/0", ["fd00:2::5", "fd00:1::5"]),
        ("192.0.2.0/24", []),
        ("::/8", []),
    ],
)
def test_those_to_a_prefix(prefix: str, expected: list[str]) -> None:
    ring = RecentFlows(64)
    ring.take(flows(["10.0.0.1"] * 2, ["10.1.2.3", "10.2.0.1"]))
    ring.take(flows(["fd00::1"] * 2, ["fd00:1::5", "fd00:2::5"]))
    assert [flow.dst_address for flow in ring.find(ip_network(prefix))] == expected
