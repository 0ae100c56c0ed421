"""Fields of flow records as nfdump shows them, and sampled packets as sfcapd counts them.

What is sent is what the encoders make; the collector's queue is watched, so that whatever is
missing was not lost on the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from interop.flow_collectors import collecting
from interop.generated import TIME
from interop.namespaces import Namespace, namespace
from tests.support.flows import flow_batch

from flowexport_mgmt.records import Datagrams, FlowBatch, SampleBatch
from flowexport_mgmt.wire import ipfix, netflow9, sflow5
from flowexport_mgmt.wire.flows.templates import IPFIX, NETFLOW9

pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def space() -> Iterator[Namespace]:
    with namespace() as made:
        yield made


HEADER = bytes.fromhex(
    "0200000000010200000000020800"
    "45000400000040004006000000000000c6336407"
    "c35001bb00000001000000015018040000000000"
)


def test_sfcapd_counts_what_was_sampled(space: Namespace, tmp_path: Path) -> None:
    count, rate, frame = 100_000, 100, 1038
    batch = make_samples(count, rate, frame)
    sequences = sflow5.SampleSequences().assign(batch)
    datagrams = sflow5.encode_flow_samples(
        batch,
        sequences,
        agent=IPv4Address("127.0.0.1"),
        sub_agent_id=0,
        sequence=1,
        uptime_ms=1000,
        max_size=1400,
    )
    with collecting("sfcapd", space, tmp_path) as collector:
        collector.send(datagrams)
        totals = collector.totals()
    octets = count * rate * (frame + 4)  # sfcapd counts the frame check sequence
    assert totals == (count, count * rate, octets, 0)
    shown = collector.read("%sa,%sp,%da,%dp,%in,%out,%pkt,%byt,%flg", "-c", "2")
    assert shown == [
        f"0.0.0.{last},50000,198.51.100.7,443,2,3,{rate},{rate * (frame + 4)},...AP..."
        for last in (1, 2)
    ]


def make_samples(count: int, rate: int, frame: int) -> SampleBatch:
    """Make TCP packets that tell themselves apart by their source address."""
    packets = np.frombuffer(HEADER * count, np.uint8).reshape(count, -1).copy()
    packets[:, 26:30] = np.arange(1, count + 1, dtype=">u4").view(np.uint8).reshape(count, 4)
    constant = {"rate": rate, "drops": 0, "in_if": 2, "out_if": 3, "source": 2}
    columns: dict[str, Any] = {
        name: np.full(count, value, np.uint32)
        for name, value in {**constant, "header_protocol": 1, "frame_length": frame}.items()
    }
    return SampleBatch(
        **columns,
        pool=np.arange(rate, rate * (count + 1), rate, dtype=np.uint32),
        time_ns=np.zeros(count, np.uint64),
        buffer=packets.reshape(-1),
        offsets=np.arange(count) * packets.shape[1],
        lengths=np.full(count, packets.shape[1]),
    )


def encode(protocol: str, batch: FlowBatch) -> Datagrams:
    common: dict[str, Any] = {"domain": 7, "sequence": 0, "max_size": 1400}
    common["export_time_s"] = TIME.time_s
    if protocol == "netflow9":
        data = NETFLOW9.lay_out(batch, TIME)
        return netflow9.compose([data.template, data], uptime_ms=TIME.uptime_ms, **common)
    data = IPFIX.lay_out(batch, TIME)
    return ipfix.compose([data.template, data], **common)


WITH_PORTS = (6, 17, 132, 136, 33)
"""TCP, UDP, SCTP, UDP-Lite and DCCP."""
GRE = 47


@pytest.mark.parametrize(("version", "icmp"), [(4, 1), (6, 58)])
@pytest.mark.parametrize("protocol", ["netflow9", "ipfix"])
def test_nfdump_reads_ports_and_icmp(
    protocol: str, version: Literal[4, 6], icmp: int, space: Namespace, tmp_path: Path
) -> None:
    ports = {"src_port": 51_000, "dst_port": 443}
    rows: list[dict[str, int]] = [{"protocol": number, **ports} for number in WITH_PORTS]
    rows += [{"protocol": icmp, "icmp": 3 << 8 | 1}, {"protocol": GRE}]
    with collecting("nfcapd", space, tmp_path) as collector:
        collector.send(encode(protocol, flow_batch(rows, version)))
        assert collector.totals().flows == len(rows)
    assert collector.read("%pr,%sp,%dp") == [
        *(f"{number},51000,443" for number in WITH_PORTS),
        f"{icmp},0,3.1",
        f"{GRE},0,0",
    ]


FIELDS = "%sa,%sp,%da,%dp,%pr,%byt,%pkt,%in,%out,%sas,%das,%smk,%dmk,%nh,%nhb,%tos,%dir"


@pytest.mark.parametrize("protocol", ["netflow9", "ipfix"])
def test_nfdump_reads_the_fields(protocol: str, space: Namespace, tmp_path: Path) -> None:
    columns: dict[str, Any] = {name: np.array([value]) for name, value in FLOW.items()}
    batch = FlowBatch(version=4, **columns)
    with collecting("nfcapd", space, tmp_path) as collector:
        collector.send(encode(protocol, batch))
        assert collector.totals().flows == 1
    addresses = "10.0.0.1,51000,198.51.100.7,443,6"
    routing = "64500,4200000000,24,20,192.0.2.254,192.0.2.253"
    assert collector.read(FIELDS) == [f"{addresses},123456,321,2,70000,{routing},40,E"]
    assert collector.read("%nsa,%nsp,%nda,%ndp") == ["192.0.2.1,61000,198.51.100.8,8443"]


FLOW = {
    "src": int(IPv4Address("10.0.0.1")),
    "dst": int(IPv4Address("198.51.100.7")),
    "src_port": 51_000,
    "dst_port": 443,
    "protocol": 6,
    "octets": 123_456,
    "packets": 321,
    "start_ms": TIME.time_ms - 60_000,
    "end_ms": TIME.time_ms,
    "in_if": 2,
    "out_if": 70_000,
    "tos": 40,
    "src_mask": 24,
    "dst_mask": 20,
    "src_as": 64_500,
    "dst_as": 4_200_000_000,
    "direction": 1,
    "next_hop": int(IPv4Address("192.0.2.254")),
    "bgp_next_hop": int(IPv4Address("192.0.2.253")),
    "nat_src": int(IPv4Address("192.0.2.1")),
    "nat_dst": int(IPv4Address("198.51.100.8")),
    "nat_src_port": 61_000,
    "nat_dst_port": 8443,
}
