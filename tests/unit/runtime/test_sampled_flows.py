"""Sampled packets as flow records, from the configuration to what a collector decodes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace
from tests.support.conditions import wait_until
from tests.support.receiver import Receiver, receiver
from tests.support.runtimes import Plane
from tests.support.sampled import ethernet, ipv4, sample, tcp
from tests.support.sessions import config

from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.pipeline import read_clock

FRAME = ethernet(ipv4("10.0.0.1", "10.0.0.2", 6, tcp(1234, 80, flags=0x12)))


def collector(protocol: str, peer: Receiver, name: str = "a", **settings: Any) -> fe.Collector:
    wanted = {"enabled": True, "active_timeout": 60, "inactive_timeout": 1, **settings}
    return config(
        protocol, name=name, port=peer.port, sampled_flows=fe.CollectorSampledFlows(**wanted)
    )


def caches(plane: Plane) -> tuple[fe.SampledFlowsCache, ...]:
    state = plane.runtime.state(["/flow-export/sampled-flows"]).flow_export
    assert state is not None
    return () if state.sampled_flows is None else state.sampled_flows.cache


def publish(plane: Plane, count: int = 3, rate: int = 100) -> None:
    now = np.full(count, read_clock().unix_ns, np.uint64)
    batch = sample(*[FRAME] * count, rate=rate, source=7, in_if=7, direction=0, time_ns=now)
    plane.runtime._pipeline.exchange.publish(batch)


def decoded(peer: Receiver) -> list[dict[str, Any]]:
    return [
        record.fields
        for got in peer.waiting()
        for record in got.kinds("data")
        if "sourceTransportPort" in record.fields
    ]


@pytest.mark.parametrize("protocol", ["netflow5", "netflow9", "ipfix"])
def test_a_collector_gets_the_records(data_plane: Plane, peer: Receiver, protocol: str) -> None:
    data_plane.commit(collector(protocol, peer), enrichment=fe.Enrichment(fib=False))
    data_plane.await_status("a", "up")
    publish(data_plane)
    (cache,) = caches(data_plane)
    assert (cache.flows_active, cache.records, cache.collector) == (1, 0, ("a",))
    found = wait_until(lambda: decoded(peer))
    (record,) = found
    packets = "packetDeltaCount" if "packetDeltaCount" in record else "packets"
    assert record[packets] == 3
    assert (record["sourceTransportPort"], record["destinationTransportPort"]) == (1234, 80)
    (cache,) = caches(data_plane)
    assert (cache.flows_active, cache.records, cache.evictions) == (0, 1, 0)


def test_only_those_who_want_them_get_them(data_plane: Plane, peer: Receiver) -> None:
    with_them, without = collector("ipfix", peer), config("ipfix", name="b", port=peer.port)
    other = collector("ipfix", peer, "c", inactive_timeout=3600)
    data_plane.commit(with_them, without, other)
    for name in "abc":
        data_plane.await_status(name, "up")
    peer.waiting()
    publish(data_plane)
    found = wait_until(lambda: decoded(peer))
    assert len(found) == 1
    assert [cache.collector for cache in caches(data_plane)] == [("a",), ("c",)]
    assert [cache.flows_active for cache in caches(data_plane)] == [0, 1]


def test_a_commit_elsewhere_leaves_the_flows_alone(data_plane: Plane, peer: Receiver) -> None:
    slow = collector("ipfix", peer, inactive_timeout=3600)
    data_plane.commit(slow)
    publish(data_plane)
    data_plane.commit(slow, config("ipfix", name="b", port=peer.port))
    publish(data_plane)
    (cache,) = caches(data_plane)
    assert (cache.flows_active, cache.records) == (1, 0)
    data_plane.commit(config("ipfix", port=peer.port))
    assert caches(data_plane) == ()
    publish(data_plane)  # nobody wants them


def test_timeouts_that_nobody_wants_any_more_give_their_records(
    data_plane: Plane, peer: Receiver
) -> None:
    data_plane.commit(collector("ipfix", peer, "a", inactive_timeout=3600))
    data_plane.await_status("a", "up")
    publish(data_plane)
    data_plane.commit(collector("ipfix", peer, "a", inactive_timeout=1800))
    found = wait_until(lambda: decoded(peer))
    assert [record["packetDeltaCount"] for record in found] == [3]
    assert [cache.inactive_timeout for cache in caches(data_plane)] == [1800]


def test_at_the_end_flows_that_go_on_are_told(data_plane: Plane, peer: Receiver) -> None:
    """By a collector with a rate limit too: the end waits until nothing waits any more."""
    slow = replace(collector("ipfix", peer, inactive_timeout=3600), rate_limit=20)
    data_plane.commit(slow, enrichment=fe.Enrichment(fib=False))
    data_plane.await_status("a", "up")
    frames = [
        ethernet(ipv4("10.0.0.1", "10.0.0.2", 6, tcp(port, 80, flags=0x12)))
        for port in range(1000, 1200)
    ]
    now = np.full(len(frames), read_clock().unix_ns, np.uint64)
    batch = sample(*frames, rate=1, source=7, in_if=7, direction=0, time_ns=now)
    data_plane.runtime._pipeline.exchange.publish(batch)
    assert decoded(peer) == []
    data_plane.runtime.finish(20.0)
    data_plane.runtime.stop()
    found = [record["sourceTransportPort"] for record in decoded(peer)]
    assert sorted(found) == list(range(1000, 1200))


def test_the_end_does_not_wait_for_a_collector_that_is_down(data_plane: Plane) -> None:
    """The patience is longer than the test may take."""
    with receiver() as peer:
        gone = replace(collector("ipfix", peer), source_address="192.0.2.77")
        data_plane.commit(gone, strict=False)
        publish(data_plane)
        data_plane.runtime.finish(3600.0)
