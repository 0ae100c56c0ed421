"""Flow records of sampled packets before nfcapd and nfacctd, which have to multiply by the rate.

Samples go through the data plane: its flow cache, its collectors' lanes, their sockets. What the
collectors make of them is compared with what was sampled.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from interop.flow_collectors import collecting
from interop.namespaces import Namespace, eventually, namespace, stop

from flowexport_mgmt.model import flow_export as fe
from flowexport_mgmt.pipeline import read_clock
from flowexport_mgmt.records import SampleBatch
from flowexport_mgmt.runtime import Runtime

pytestmark = pytest.mark.alone

RATE = 100
FLOWS, EACH = 50, 20
OCTETS = 1000  # of each packet, from its IP header on

# Ethernet, IPv4 of 1000 octets, TCP from port 50000 to 443
HEADER = bytes.fromhex(
    "0200000000020200000000010800"
    "450003e80000400040060000c0000201c6336407"
    "c35001bb00000001000000015018040000000000"
)


@pytest.fixture(scope="module")
def space() -> Iterator[Namespace]:
    with namespace() as made:
        yield made


def make_samples(time_ns: int) -> SampleBatch:
    """Make samples of flows that differ in their source addresses, 192.0.2.1 and on."""
    count = FLOWS * EACH
    frames = np.frombuffer(HEADER * count, np.uint8).reshape(count, -1).copy()
    frames[:, 29] = np.arange(count) % FLOWS + 1
    columns: dict[str, Any] = {
        name: np.full(count, value, np.uint32)
        for name, value in {
            "source": 2, "rate": RATE, "pool": 0, "drops": 0, "in_if": 2, "out_if": 3,
            "header_protocol": 1, "frame_length": OCTETS + 14,
        }.items()
    }  # fmt: skip
    return SampleBatch(
        **columns,
        time_ns=np.full(count, time_ns, np.uint64),
        buffer=frames.reshape(-1),
        offsets=np.arange(count) * frames.shape[1],
        lengths=np.full(count, frames.shape[1]),
        direction=np.zeros(count, np.uint8),
    )


def export(space: Namespace, protocol: str, port: int) -> None:
    """Run a data plane until the records of all flows have been sent to a port."""
    collector = fe.Collector(
        name="a",
        address="127.0.0.1",
        port=port,
        protocol=fe.Protocol(protocol),
        polling_interval=3600,
        sampled_flows=fe.CollectorSampledFlows(enabled=True, inactive_timeout=1),
    )
    with space.entered():
        runtime = Runtime(lambda _: None)
        try:
            new = fe.FlowExport(collector=(collector,), enrichment=fe.Enrichment(fib=False))
            assert not runtime.prepare(1, new, strict=True)
            runtime.apply(1)
            runtime._pipeline.exchange.publish(make_samples(read_clock().unix_ns))
            eventually(lambda: _records(runtime) >= FLOWS, "the records are made")
            eventually(lambda: _sent(runtime) >= FLOWS, "the records are sent")
        finally:
            runtime.stop()


def _records(runtime: Runtime) -> int:
    state = runtime.state(["/flow-export/sampled-flows"]).flow_export
    assert state is not None
    assert state.sampled_flows is not None
    return state.sampled_flows.cache[0].records or 0


def _sent(runtime: Runtime) -> int:
    state = runtime.state(["/flow-export/collector"]).flow_export
    assert state is not None
    statistics = state.collector[0].statistics
    assert statistics is not None
    return 0 if statistics.queue_depth else statistics.records_sent or 0


@pytest.mark.parametrize("protocol", ["netflow5", "netflow9", "ipfix"])
def test_nfdump_shows_what_the_flows_stand_for(
    space: Namespace, tmp_path: Path, protocol: str
) -> None:
    with collecting("nfcapd", space, tmp_path) as collector:
        export(space, protocol, collector.port)
        totals = collector.totals()
        shown = collector.read("%sa,%sp,%da,%dp,%in,%out,%pkt,%byt,%flg")
    assert totals.flows == FLOWS
    assert totals.sequence_errors == 0
    stands_for = EACH * RATE
    assert sorted(shown) == sorted(
        f"192.0.2.{last},50000,198.51.100.7,443,2,3,{stands_for},{stands_for * OCTETS},...AP..."
        for last in range(1, FLOWS + 1)
    )


class Nfacctd:
    """nfacctd, which multiplies by the rate that it was told."""

    def __init__(self, space: Namespace, folder: Path) -> None:
        self.port = space.free_udp_port()
        self._output = folder / "flows.json"
        settings = {
            "daemonize": "false",
            "nfacctd_ip": "127.0.0.1",
            "nfacctd_port": self.port,
            "nfacctd_renormalize": "true",
            "plugins": "print",
            "aggregate": "src_host, dst_host, src_port, dst_port, proto",
            "print_output": "json",
            "print_output_file": self._output,
            "print_refresh_time": 1,
        }
        written = folder / "nfacctd.conf"
        written.write_text("".join(f"{name}: {value}\n" for name, value in settings.items()))
        log = folder / "nfacctd.log"
        self._process = space.start(["nfacctd", "-f", str(written)], log)
        eventually(lambda: "waiting for NetFlow" in log.read_text(), f"nfacctd starts: {log}")

    def stop(self) -> None:
        """End it."""
        stop(self._process)

    def flows(self) -> list[dict[str, Any]]:
        """Read what it has written so far."""
        if not self._output.exists():
            return []
        return [json.loads(line) for line in self._output.read_text().splitlines()]


@pytest.mark.parametrize("protocol", ["netflow5", "netflow9", "ipfix"])
def test_nfacctd_multiplies_by_the_rate(space: Namespace, tmp_path: Path, protocol: str) -> None:
    collector = Nfacctd(space, tmp_path)
    try:
        export(space, protocol, collector.port)
        found = eventually(
            lambda: len(flows := collector.flows()) >= FLOWS and flows, "nfacctd writes", 30.0
        )
    finally:
        collector.stop()
    assert found
    assert {(flow["packets"], flow["bytes"]) for flow in found} == {
        (EACH * RATE, EACH * RATE * OCTETS)
    }
    assert {flow["ip_src"] for flow in found} == {f"192.0.2.{n}" for n in range(1, FLOWS + 1)}
