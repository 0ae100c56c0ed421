"""The vectors of tests/vectors/wire: reading them, and encoding the objects in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import numpy as np
from tests.support.flow_vectors import FLOW_OBJECTS, encode_flow_object
from tests.support.wire import counter_rows, ethernet_rows

from flowexport_mgmt.records import ETHERNET_DTYPE, UNKNOWN64, CounterBatch, Datagrams
from flowexport_mgmt.wire import ipfix, netflow9, sflow5
from flowexport_mgmt.wire.deltas import counter_deltas

FOLDER = Path(__file__).resolve().parents[1] / "vectors" / "wire"

_BEFORE = [
    {"ifindex": 1, "iftype": 24, "status": 3, "in_octets": 1000, "in_packets": 10},
    {"ifindex": 2, "iftype": 6, "status": 3, "in_octets": 2**40, "in_packets": 2**33},
    {"ifindex": 70_001, "iftype": 135, "status": 1, "epoch": 1},
]
_AFTER = [
    {
        "ifindex": 1,
        "iftype": 24,
        "status": 3,
        "in_octets": 5000,
        "in_packets": 50,
        "out_octets": 4000,
        "out_packets": 40,
    },
    {
        "ifindex": 2,
        "iftype": 6,
        "speed": 10**10,
        "direction": 1,
        "status": 3,
        "promiscuous": 2,
        "in_octets": 2**40 + 123_456_789,
        "in_packets": 2**33 + 98_765,
        "in_multicast": 4321,
        "in_broadcast": UNKNOWN64,
        "in_discards": 17,
        "in_errors": 2**32 + 5,
        "in_unknown_protos": UNKNOWN64,
        "out_octets": 2**63,
        "out_packets": 777,
        "out_multicast": UNKNOWN64,
        "out_broadcast": UNKNOWN64,
        "out_discards": 19,
    },
    {"ifindex": 70_001, "iftype": 135, "status": 1, "epoch": 1, "in_octets": 64, "in_packets": 1},
]  # fmt: skip - a paragraph for each interface
_NAMES = {"names": ["lo", "eth0", "eth0.100"], "descriptions": ["", "uplink to Zürich", ""]}

OBJECTS: dict[str, dict[str, Any]] = FLOW_OBJECTS | {
    f"own-{protocol}": {
        "protocol": protocol,
        "before": _BEFORE,
        "after": _AFTER,
        **_NAMES,
        "time-ns": 1_800_000_000_250_000_000,
        "uptime-ms": 5_000_020_000,
        "interval-ms": 20_000,
        "domain": 7,
        "sequence": 42,
        "max-size": 464,
    }
    for protocol in ("sflow5", "netflow9", "ipfix")
}
"""What ``make.py`` encodes, by the name of the vector."""

OBJECTS["own-sflow5-ethernet"] = OBJECTS["own-sflow5"] | {
    "ethernet": [
        {"ifindex": 2}
        | {name: 1000 + place for place, name in enumerate(ETHERNET_DTYPE.names or ()) if place}
        | {"fcs_errors": 2**32 + 17, "sqe_test_errors": UNKNOWN64}
    ]
}


@dataclass(frozen=True)
class Vector:
    """One file; ``records`` are those of the other program."""

    made_by: str
    object: Mapping[str, Any] | None
    datagrams: list[bytes]
    records: list[dict[str, int | str]]


def read_vectors() -> dict[str, Vector]:
    """Read all vectors by their name."""
    vectors = {}
    for path in sorted(FOLDER.glob("*.json")):
        content = json.loads(path.read_text())
        datagrams = [bytes.fromhex(data) for data in content["datagrams"]]
        vectors[path.stem] = Vector(
            content["made-by"], content["object"], datagrams, content["records"]
        )
    return vectors


def encode(source: Mapping[str, Any]) -> Datagrams:
    """Encode the object of a vector."""
    if "kind" in source:
        return encode_flow_object(source)
    if source["protocol"] == "sflow5":
        return sflow5.encode_counter_samples(
            counter_rows(source["after"]),
            np.arange(1, 1 + len(source["after"]), dtype=np.uint32),
            agent=ip_address("192.0.2.1"),
            sub_agent_id=source["domain"],
            sequence=source["sequence"],
            uptime_ms=source["uptime-ms"],
            max_size=source["max-size"],
            ethernet=ethernet_rows(source.get("ethernet", ())),
        )
    protocol = netflow9 if source["protocol"] == "netflow9" else ipfix
    batch = _batch(source, "after", 0)
    deltas = counter_deltas(_batch(source, "before", source["interval-ms"]), batch)
    table = protocol.encode_interface_table(batch.rows["ifindex"], batch.names, batch.descriptions)
    sets = [
        protocol.COUNTERS,
        protocol.INTERFACE_TABLE,
        table,
        protocol.encode_counters(deltas),
    ]
    common = {
        "domain": source["domain"],
        "sequence": source["sequence"],
        "export_time_s": source["time-ns"] // 10**9,
        "max_size": source["max-size"],
    }
    if protocol is ipfix:
        return ipfix.compose(sets, **common)
    return netflow9.compose(sets, uptime_ms=source["uptime-ms"] + 3, **common)


def _batch(source: Mapping[str, Any], which: str, ago_ms: int) -> CounterBatch:
    return CounterBatch(
        time_ns=source["time-ns"] - ago_ms * 10**6,
        uptime_ms=source["uptime-ms"] - ago_ms,
        rows=counter_rows(source[which]),
        names=tuple(source["names"]),
        descriptions=tuple(source["descriptions"]),
    )
