"""Flow records of every protocol, layout and family, as nfcapd and sfcapd count them.

What is sent is what the encoders make of generated batches; the collector's queue is watched, so
that whatever is missing was not lost on the way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from interop.judges import stop
from interop.namespaces import Namespace, eventually, namespace, run

from flowexport_mgmt.records import Datagrams, FlowBatch, SampleBatch
from flowexport_mgmt.wire import ipfix, netflow5, netflow9, sflow5
from flowexport_mgmt.wire.flows.fields import ExportTime
from flowexport_mgmt.wire.flows.templates import IPFIX, NETFLOW9
from flowexport_mgmt.wire.templates import DataSet, Template

MANY = 1_000_000
SOME = 50_000
TIME = ExportTime(1_800_000_000_123_456_789, 5_000_000_000)
Version = Literal[4, 6]


@dataclass(frozen=True)
class Case:
    """What is sent: a protocol, an address family, and which columns the flows have."""

    protocol: Literal["v5", "v9", "ipfix"]
    version: Version = 4
    extra: str = ""
    count: int = SOME

    def __str__(self) -> str:
        return f"{self.protocol}-{self.version}-{self.extra or 'plain'}"

    def encode(self, batch: FlowBatch) -> Datagrams:
        """Encode a batch behind the templates of its session."""
        if self.protocol == "v5":
            common5: dict[str, Any] = {"time": TIME, "engine": 7, "sequence": 0, "max_size": 1400}
            return netflow5.encode_flows(batch, **common5)[0]
        layouts = NETFLOW9 if self.protocol == "v9" else IPFIX
        kinds = {"classic": self.extra == "classic", "biflow": self.extra == "biflow"}
        sets: list[Template | DataSet] = [*layouts.templates(**kinds)]
        sets.append(layouts.lay_out(batch, TIME, **kinds))
        common: dict[str, Any] = {"domain": 7, "sequence": 0, "max_size": 1400}
        common["export_time_s"] = TIME.time_s
        if self.protocol == "v9":
            return netflow9.compose(sets, uptime_ms=TIME.uptime_ms, **common)
        return ipfix.compose(sets, **common)


CASES = [
    Case("v5", count=MANY),
    Case("v9", 4, "classic", MANY),
    Case("v9", 4, count=MANY),
    Case("v9", 6, count=MANY),
    Case("ipfix", 4, "classic", MANY),
    Case("ipfix", 4, count=MANY),
    Case("ipfix", 6, count=MANY),
    *(Case("v9", version, extra) for version in (4, 6) for extra in ("nat", "sampled")),
    *(
        Case("ipfix", version, extra)
        for version in (4, 6)
        for extra in ("nat", "sampled", "biflow")
    ),
]


@pytest.fixture(scope="module")
def space() -> Iterator[Namespace]:
    with namespace() as made:
        yield made


class Collector:
    """nfcapd or sfcapd, fed no faster than it reads."""

    def __init__(self, program: str, space: Namespace, folder: Path) -> None:
        self._space = space
        self._port = space.free_udp_port()
        self._log = folder / "log"
        self.files = folder / "files"
        self.files.mkdir()
        command = [program, "-w", str(self.files), "-t", "3600", "-B", "4000000"]
        command += ["-b", "127.0.0.1", "-p", str(self._port)]
        self._process = space.start(command, self._log)
        eventually(lambda: "Startup" in self._log.read_text(), f"{program} starts")

    def send(self, datagrams: Iterable[bytes | memoryview]) -> None:
        with self._space.udp("127.0.0.1") as endpoint:
            endpoint.connect(("127.0.0.1", self._port))
            for number, data in enumerate(datagrams):
                endpoint.send(data)
                if number % 64 == 0:
                    eventually(lambda: self._queued() < 100_000, "the collector keeps up")
        eventually(lambda: self._queued() == 0, "the collector has read everything")

    def _queued(self) -> int:
        """Read how many octets wait in the collector's socket."""
        table = Path(f"/proc/{self._process.pid}/net/udp").read_text()
        (line,) = [line for line in table.splitlines() if f":{self._port:04X} 00000000" in line]
        return int(line.split()[4].partition(":")[2], 16)

    def totals(self) -> tuple[int, int, int, int]:
        """End it, and read what it counted: flows, packets, octets, sequence errors."""
        stop(self._process)
        counted = re.search(
            r"Flows: (\d+), Packets: (\d+), Bytes: (\d+), Sequence Errors: (\d+)",
            self._log.read_text(errors="replace"),
        )
        assert counted is not None, self._log.read_text()
        flows, packets, octets, errors = map(int, counted.groups())
        return flows, packets, octets, errors


@pytest.fixture
def collect(space: Namespace, tmp_path: Path) -> Iterator[Callable[[str], Collector]]:
    started: list[Collector] = []

    def start(program: str) -> Collector:
        started.append(Collector(program, space, tmp_path))
        return started[-1]

    yield start
    for collector in started:
        stop(collector._process)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_nfcapd_counts_what_was_sent(case: Case, collect: Callable[[str], Collector]) -> None:
    batch = make_batch(case)
    collector = collect("nfcapd")
    datagrams = case.encode(batch)
    assert max(map(len, datagrams)) <= 1400
    collector.send(datagrams)
    packets, octets = int(batch.packets.sum()), int(batch.octets.sum())
    if batch.reverse_packets is not None and batch.reverse_octets is not None:
        packets += int(batch.reverse_packets.sum())
        octets += int(batch.reverse_octets.sum())
    assert collector.totals() == (case.count, packets, octets, 0)


def make_batch(case: Case) -> FlowBatch:
    """Make random flows whose counts fit the classic layout; every column is known."""
    random = np.random.default_rng(7)
    count = case.count

    def numbers(width: int, high: int) -> Any:
        return random.integers(0, high, count).astype(f"u{width}")

    def addresses() -> Any:
        if case.version == 4:
            return numbers(4, 1 << 32)
        return np.stack((numbers(8, 1 << 63), numbers(8, 1 << 63)), axis=1)

    columns: dict[str, Any] = {
        **{name: addresses() for name in ("src", "dst", "next_hop", "bgp_next_hop")},
        **{name: numbers(2, 1 << 16) for name in ("src_port", "dst_port")},
        **{name: numbers(4, 1 << 17) for name in ("in_if", "out_if", "src_as", "dst_as")},
        **{name: numbers(1, 1 << 8) for name in ("tos", "tcp_flags")},
        "protocol": random.choice(np.array([6, 17], np.uint8), count),
        "octets": numbers(8, 1 << 32),
        "packets": numbers(8, 1 << 24) + np.uint64(1),
        "end_ms": np.uint64(TIME.time_ms) - numbers(8, 60_000),
    }
    columns["start_ms"] = columns["end_ms"] - numbers(8, 300_000)
    if case.extra == "nat":
        columns |= {"nat_src": addresses(), "nat_dst": addresses()}
        columns |= {name: numbers(2, 1 << 16) for name in ("nat_src_port", "nat_dst_port")}
    if case.extra == "biflow":
        columns |= {name: numbers(8, 1 << 24) for name in ("reverse_octets", "reverse_packets")}
    if case.extra == "sampled":
        columns |= {"sampler": numbers(4, 4), "sampling_rate": numbers(4, 1000)}
    return FlowBatch(version=case.version, **columns)


HEADER = bytes.fromhex(
    "0200000000010200000000020800"
    "45000400000040004006000000000000c6336407"
    "c35001bb00000001000000015018040000000000"
)


def test_sfcapd_counts_what_was_sampled(collect: Callable[[str], Collector]) -> None:
    count, rate, frame = 100_000, 100, 1038
    batch = make_samples(count, rate, frame)
    collector = collect("sfcapd")
    sequences = sflow5.SampleSequences().assign(batch)
    collector.send(
        sflow5.encode_flow_samples(
            batch,
            sequences,
            agent=IPv4Address("127.0.0.1"),
            sub_agent_id=0,
            sequence=1,
            uptime_ms=1000,
            max_size=1400,
        )
    )
    octets = count * rate * (frame + 4)  # sfcapd counts the frame check sequence
    assert collector.totals() == (count, count * rate, octets, 0)
    shown = read(collector, "%sa,%sp,%da,%dp,%in,%out,%pkt,%byt,%flg", "-c", "2")
    assert shown == [
        f"0.0.0.{last},50000,198.51.100.7,443,2,3,{rate},{rate * (frame + 4)},...AP..."
        for last in (1, 2)
    ]


def read(collector: Collector, fields: str, *options: str) -> list[str]:
    """Have nfdump show fields of what was collected."""
    command = ["nfdump", "-R", str(collector.files), "-q", "-N", *options]
    lines = run(*command, "-o", f"fmt:{fields}").replace(" ", "").splitlines()
    return [line for line in lines if line]


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


FIELDS = "%sa,%sp,%da,%dp,%pr,%byt,%pkt,%in,%out,%sas,%das,%smk,%dmk,%nh,%nhb,%tos,%dir"


@pytest.mark.parametrize("protocol", ["v9", "ipfix"])
def test_nfdump_reads_the_fields(
    protocol: Literal["v9", "ipfix"], collect: Callable[[str], Collector]
) -> None:
    batch = FlowBatch(version=4, **{name: np.array([value]) for name, value in FLOW.items()})
    collector = collect("nfcapd")
    collector.send(Case(protocol, 4, "nat").encode(batch))
    assert collector.totals()[0] == 1
    addresses = "10.0.0.1,51000,198.51.100.7,443,6"
    routing = "64500,4200000000,24,20,192.0.2.254,192.0.2.253"
    assert read(collector, FIELDS) == [f"{addresses},123456,321,2,70000,{routing},40,E"]
    assert read(collector, "%nsa,%nsp,%nda,%ndp") == ["192.0.2.1,61000,198.51.100.8,8443"]


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
