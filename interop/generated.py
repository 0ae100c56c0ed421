"""Flows at random, of every kind that the formats tell apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from flowexport_mgmt.records import FlowBatch
from flowexport_mgmt.wire.flows.fields import ExportTime

TIME = ExportTime(1_800_000_000_123_456_789, 5_000_000_000)
"""When they are exported."""

RATES = (1, 10, 100, 16_384)
"""The rates of the four selectors, 1 to 4, that sampled flows come from."""

ONE_RATE = (100,)
"""What NetFlow v5 is tried with: nfcapd believes the first header of an engine."""

Protocol = Literal["netflow5", "netflow9", "ipfix"]
Version = Literal[4, 6]
Extra = Literal["", "classic", "nat", "biflow", "sampled"]


@dataclass(frozen=True)
class Case:
    """What is sent: a protocol, an address family, which columns there are, and how many flows."""

    protocol: Protocol
    version: Version = 4
    extra: Extra = ""
    count: int = 20_000

    def __str__(self) -> str:
        return f"{self.protocol}-{self.version}-{self.extra or 'plain'}"


def make_flows(case: Case) -> FlowBatch:
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
        rates = np.array(ONE_RATE if case.protocol == "netflow5" else RATES, np.uint32)
        selector = numbers(4, len(rates))
        columns |= {"sampler": selector + 1, "sampling_rate": rates[selector]}
    return FlowBatch(version=case.version, **columns)


def count_packets(batch: FlowBatch) -> tuple[int, int]:
    """Count packets and octets, those of both directions, and each that was sampled for many."""
    rate = 1 if batch.sampling_rate is None else batch.sampling_rate.astype(np.uint64)
    packets, octets = int((batch.packets * rate).sum()), int((batch.octets * rate).sum())
    if batch.reverse_packets is not None and batch.reverse_octets is not None:
        packets += int(batch.reverse_packets.sum())
        octets += int(batch.reverse_octets.sum())
    return packets, octets
