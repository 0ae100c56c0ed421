"""A million flows of each kind through a collector's lane, paced, before foreign collectors.

nfcapd has to count what was generated, no more and no less, and miss no number; tshark, which
watches the same traffic, has to find nothing to remark on; and so has the strict decoder in the
first part of it.
"""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from interop.flow_collectors import FlowCollector, collecting
from interop.generated import TIME, Case, count_packets, make_flows
from interop.judges import Capture
from interop.namespaces import Namespace, namespace

from flowexport_mgmt.export import Instant, open_sender
from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.pipeline import Lane
from flowexport_mgmt.records import FlowBatch

pytestmark = pytest.mark.alone

MANY = 1_000_000
BATCH = 10_000
STRICT = 2000
"""Datagrams that the strict decoder judges: a record costs it thirty times what it costs C."""

MILLIONS = [
    Case("netflow5", count=MANY),
    Case("netflow9", 4, "classic", MANY),
    Case("netflow9", 4, count=MANY),
    Case("netflow9", 6, count=MANY),
    Case("ipfix", 4, "classic", MANY),
    Case("ipfix", 4, count=MANY),
    Case("ipfix", 6, count=MANY),
    Case("ipfix", 4, "nat", MANY),
    Case("ipfix", 4, "biflow", MANY),
]
OTHERS = [
    Case("netflow5", extra="sampled"),
    *(Case("netflow9", version, extra) for version in (4, 6) for extra in ("nat", "sampled")),
    *(Case("ipfix", version, "sampled") for version in (4, 6)),
    *(Case("ipfix", 6, extra) for extra in ("nat", "biflow")),
]


@pytest.fixture(scope="module")
def space() -> Iterator[Namespace]:
    with namespace() as made:
        yield made


def now() -> Instant:
    """Give the time that the generated flows were exported at, on a clock that runs."""
    return Instant(time.monotonic(), TIME.time_ns, TIME.uptime_ms)


def make_lane(case: Case, space: Namespace, port: int) -> Lane:
    config = fe.Collector(
        name="nfcapd",
        address="127.0.0.1",
        port=port,
        protocol=fe.Protocol(case.protocol),
        rate_limit=20_000,
        record_format=fe.RecordFormat("classic" if case.extra == "classic" else "extended"),
        biflow=case.extra == "biflow",
    )
    lane = Lane(config, now(), changed=lambda *_: None, recovered=lambda _: None)
    with space.entered():
        sender = open_sender(config)
    lane.configure(config, sender, now())
    return lane


def send(lane: Lane, flows: FlowBatch, collector: FlowCollector) -> None:
    """Offer a lane batch after batch, and step it as it asks for until nothing waits."""
    for begin in range(0, len(flows), BATCH):
        lane.offer(flows.select(slice(begin, begin + BATCH)))
        steps = 0
        while (due := lane.step(now())) < now().monotonic + 60:
            time.sleep(max(0.0, due - now().monotonic))
            steps += 1
            if steps % 4 == 0:  # bursts of 16 datagrams
                collector.keep_up()
        assert due == math.inf or due > now().monotonic


def judge(capture: Path, port: int) -> subprocess.Popen[str]:
    """Begin to decode a part of a capture strictly, in a process of its own."""
    command = [sys.executable, "-m", "flowexport_mgmt.collect", "--pcap", str(capture)]
    command += ["--strict", "--json", "--count", str(STRICT), "--listen", f"127.0.0.1:{port}"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("case", [*MILLIONS, *OTHERS], ids=str)
def test_nfcapd_counts_what_a_lane_was_offered(
    case: Case, space: Namespace, tmp_path: Path
) -> None:
    flows = make_flows(case)
    capture = Capture(space, tmp_path / "capture")
    with collecting("nfcapd", space, tmp_path) as collector:
        lane = make_lane(case, space, collector.port)
        send(lane, flows, collector)
        report = lane.report()
        lane.close()
        totals = collector.totals()
    capture.stop()
    assert (report.statistics.errors, report.dropped_records, report.skipped_records) == (0, 0, 0)
    assert totals == (case.count, *count_packets(flows), 0)
    with judge(capture.file, collector.port) as decoder:
        assert capture.count(collector.port) == report.statistics.datagrams
        assert capture.faults(collector.port, "cflow") == []
        _, said = decoder.communicate(timeout=120)
    assert decoder.returncode == 0, said
    capture.file.unlink()  # a hundred megabytes
