"""Flows that go through a collector's lane, paced, to nfcapd: its totals are those generated."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from interop.judges import stop
from interop.namespaces import Namespace, namespace
from interop.test_flow_encoders import TIME, Case, Collector, make_batch

from flowexport_mgmt.export import Instant, open_sender
from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.pipeline import Lane

COUNT, BATCH = 200_000, 10_000
CASES = [
    Case("v5", count=COUNT),
    *(Case(protocol, version, count=COUNT) for protocol in ("v9", "ipfix") for version in (4, 6)),
]
PROTOCOLS = {
    "v5": fe.Protocol.NETFLOW5,
    "v9": fe.Protocol.NETFLOW9,
    "ipfix": fe.Protocol.IPFIX,
}


@pytest.fixture(scope="module")
def space() -> Iterator[Namespace]:
    with namespace() as made:
        yield made


def now() -> Instant:
    """Give the time that the generated flows were exported at, on a clock that runs."""
    return Instant(time.monotonic(), TIME.time_ns, TIME.uptime_ms)


def drain(lane: Lane) -> None:
    """Step a lane as it asks for until nothing waits."""
    while (due := lane.step(now())) < now().monotonic + 60:
        time.sleep(max(0.0, due - now().monotonic))
    assert due == math.inf or due > now().monotonic


@pytest.mark.parametrize("case", CASES, ids=str)
def test_nfcapd_counts_what_a_lane_was_offered(
    case: Case, space: Namespace, tmp_path: Path
) -> None:
    batch = make_batch(case)
    collector = Collector("nfcapd", space, tmp_path)
    try:
        config = fe.Collector(
            name="nfcapd",
            address="127.0.0.1",
            port=collector._port,
            protocol=PROTOCOLS[case.protocol],
            rate_limit=5000,
        )
        lane = Lane(config, now(), changed=lambda *_: None, recovered=lambda _: None)
        with space.entered():
            sender = open_sender(config)
        lane.configure(config, sender, now())
        for begin in range(0, COUNT, BATCH):
            lane.offer(batch.select(slice(begin, begin + BATCH)))
            drain(lane)
        report = lane.report()
        lane.close()
        collector.send(())  # nothing more, but it waits until everything was read
        totals = collector.totals()
    finally:
        stop(collector._process)
    assert (report.statistics.errors, report.dropped_records, report.skipped_records) == (0, 0, 0)
    assert report.statistics.data_records == COUNT
    assert totals == (COUNT, int(batch.packets.sum()), int(batch.octets.sum()), 0)
