"""Sampled packets as flows, against a plain dictionary."""

from __future__ import annotations

import dataclasses
import ipaddress
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.sampled import ethernet, icmp, ipv4, ipv6, sample, tcp, udp

from flowexport_mgmt.pipeline.flow_cache import ACTIVE, FORCED, IDLE, NO_ROOM, FlowCache
from flowexport_mgmt.records import FlowBatch
from flowexport_mgmt.records.samples import LOCAL_INTERFACE

SECOND = 1_000_000_000
FRAMES = [
    ethernet(ipv4("10.0.0.1", "10.0.0.2", 6, tcp(1000, 80, flags=2))),
    ethernet(ipv4("10.0.0.1", "10.0.0.2", 6, tcp(1000, 80, flags=0x10))),
    ethernet(ipv4("10.0.0.1", "10.0.0.2", 6, tcp(1001, 80, flags=0x10))),
    ethernet(ipv4("10.0.0.1", "10.0.0.2", 17, udp(1000, 80))),
    ethernet(ipv4("10.0.0.1", "10.0.0.2", 1, icmp(8, 0))),
    ethernet(ipv4("10.0.0.1", "10.0.0.2", 1, icmp(0, 0))),
    ethernet(ipv6("fd00::1", "fd00::2", 17, udp(1000, 80))),
    ethernet(ipv6("fd00::1", "fd01::2", 17, udp(1000, 80))),
    ethernet(bytes(46), ethertype=0x0806),
]
FLOW_OF = [0, 0, 2, 3, 4, 5, 6, 7, None]
OCTETS = [40, 40, 40, 28, 28, 28, 48, 48, 0]


def records(batches: Iterable[FlowBatch]) -> list[dict[str, Any]]:
    found = []
    for batch in batches:
        kind = ipaddress.IPv4Address if batch.version == 4 else ipaddress.IPv6Address
        for row in range(len(batch)):
            one = {name: column[row] for name, column in batch.columns()}
            for side in ("src", "dst"):
                number = (
                    one[side] if batch.version == 4 else int(one[side][0]) << 64 | int(one[side][1])
                )
                one[side] = str(kind(int(number)))
            found.append(one)
    return found


def key(record: dict[str, Any]) -> tuple[object, ...]:
    names = ("src", "dst", "protocol", "src_port", "dst_port", "icmp", "sampler", "sampling_rate")
    return tuple(record[name] for name in names)


@given(
    st.lists(
        st.lists(
            st.tuples(st.integers(0, len(FRAMES) - 1), st.integers(1, 2), st.integers(0, 1)),
            min_size=1,
            max_size=30,
        ),
        max_size=8,
    ),
    st.sampled_from((4, 9, 1000)),
)
def test_every_packet_is_in_one_record(
    batches: list[list[tuple[int, int, int]]], capacity: int
) -> None:
    cache = FlowCache(60, 15, seed=7, capacity=capacity)
    expected: dict[tuple[object, ...], list[int]] = {}
    got = []
    skipped = 0
    for number, packets in enumerate(batches):
        got += cache.take(
            sample(
                *(FRAMES[frame] for frame, _, _ in packets),
                source=np.array([source for _, source, _ in packets], np.uint32),
                direction=np.array([direction for _, _, direction in packets], np.uint8),
                time_ns=np.full(len(packets), number * SECOND, np.uint64),
            )
        )
        for frame, source, direction in packets:
            if FLOW_OF[frame] is None:
                skipped += 1
                continue
            total = expected.setdefault((FLOW_OF[frame], source, direction), [0, 0])
            total[0] += 1
            total[1] += OCTETS[frame]
    kept = len(cache)
    assert kept <= capacity
    assert {record["end_reason"] for record in records(got)} <= {NO_ROOM}
    assert cache.evictions == len(records(got))
    got += cache.flush()
    totals: dict[tuple[object, ...], list[int]] = {}
    for record in records(got):
        total = totals.setdefault(key(record), [0, 0])
        total[0] += int(record["packets"])
        total[1] += int(record["octets"])
    assert sorted(totals.values()) == sorted(expected.values())
    assert (len(cache), cache.skipped, cache.records) == (0, skipped, len(records(got)))
    if capacity == 1000:
        assert len(records(got)) == len(totals) == len(expected) == kept


def test_what_a_record_says() -> None:
    cache = FlowCache(60, 15, seed=1)
    batch = sample(
        FRAMES[0], FRAMES[1], rate=500, source=3, direction=1, in_if=LOCAL_INTERFACE, out_if=3,
        src_vlan=7, time_ns=np.array([5 * SECOND, 8 * SECOND], np.uint64),
    )  # fmt: skip
    assert cache.take(batch) == []
    (record,) = records(cache.flush())
    assert (record["src"], record["dst"], record["protocol"]) == ("10.0.0.1", "10.0.0.2", 6)
    assert (record["src_port"], record["dst_port"], record["tcp_flags"]) == (1000, 80, 0x12)
    assert (record["packets"], record["octets"]) == (2, 80)
    assert (record["start_ms"], record["end_ms"]) == (5000, 8000)
    assert (record["in_if"], record["out_if"]) == (0, 3)
    assert (record["vlan"], record["direction"], record["end_reason"]) == (7, 1, FORCED)
    assert (record["sampler"], record["sampling_rate"]) == (7, 500)


def test_timeouts() -> None:
    cache = FlowCache(60, 15, seed=1)

    def see(second: int, frame: int) -> None:
        cache.take(sample(FRAMES[frame], time_ns=np.array([second * SECOND], np.uint64)))

    see(0, 0)
    for second in range(0, 60, 10):
        see(second, 3)
        if second < 15:
            assert cache.expire(second * SECOND) == []
    (idle,) = records(cache.expire(55 * SECOND))
    assert (idle["protocol"], idle["end_reason"], idle["packets"]) == (6, IDLE, 1)
    assert cache.expire(59 * SECOND) == []
    (active,) = records(cache.expire(60 * SECOND))
    assert (active["protocol"], active["end_reason"], active["packets"]) == (17, ACTIVE, 6)
    assert (active["start_ms"], active["end_ms"]) == (0, 50_000)
    assert len(cache) == 0
    see(61, 3)
    (further,) = records(cache.flush())
    assert (further["start_ms"], further["packets"]) == (61_000, 1)


def test_a_clock_that_is_set_back_keeps_no_flow() -> None:
    """Nobody waits until it says once more what it said when the last packet came."""
    cache = FlowCache(60, 15, seed=1)
    cache.take(sample(FRAMES[0], time_ns=np.array([90_000 * SECOND], np.uint64)))
    assert cache.expire((90_000 - 15) * SECOND) == []  # as little as that does no harm
    (record,) = records(cache.expire(3600 * SECOND))
    assert (record["end_reason"], record["packets"]) == (IDLE, 1)
    assert len(cache) == 0


def test_those_that_rest_for_longest_make_room() -> None:
    cache = FlowCache(60, 15, seed=1, capacity=8)
    frames = [ethernet(ipv4("10.0.0.1", f"10.0.1.{n}", 17, udp(1, 2))) for n in range(12)]
    for second, frame in enumerate(frames[:8]):
        assert cache.take(sample(frame, time_ns=np.array([second * SECOND], np.uint64))) == []
    gone = records(cache.take(sample(*frames[8:10], time_ns=np.full(2, 9 * SECOND, np.uint64))))
    assert {record["dst"] for record in gone} == {"10.0.1.0", "10.0.1.1"}
    assert {record["end_reason"] for record in gone} == {NO_ROOM}
    assert (len(cache), cache.evictions) == (8, 2)


@pytest.mark.parametrize(("length", "octets"), [(0, 9000), (1500, 1500)])
def test_packets_that_the_kernel_has_put_together(length: int, octets: int) -> None:
    packet = bytearray(ipv4("10.0.0.1", "10.0.0.2", 6, tcp(1, 2)))
    packet[2:4] = length.to_bytes(2, "big")
    cache = FlowCache(60, 15, seed=1)
    cache.take(sample(ethernet(bytes(packet)), frame_length=9000 + 14))
    (record,) = records(cache.flush())
    assert record["octets"] == octets


def test_a_changed_rate_begins_another_flow() -> None:
    cache = FlowCache(60, 15, seed=1)
    for rate in (100, 200, 200):
        cache.take(sample(FRAMES[0], rate=rate))
    found = {r["sampling_rate"]: r["packets"] for r in records(cache.flush())}
    assert found == {100: 1, 200: 2}


def test_many_flows_at_once() -> None:
    random = np.random.default_rng(5)
    frame = np.frombuffer(FRAMES[3], np.uint8)
    frames = np.tile(frame, (5000, 1))
    frames[:, 30:34] = random.integers(0, 256, (5000, 4))
    batch = sample(*(row.tobytes() for row in frames))
    cache = FlowCache(60, 15, seed=int(random.integers(2**62)))
    cache.take(batch)
    cache.take(dataclasses.replace(batch, rate=batch.rate))
    assert len(cache) == len(np.unique(frames[:, 30:34], axis=0))
    assert {int(r["packets"]) for r in records(cache.flush())} <= {2, 4}
