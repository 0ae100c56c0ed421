"""Flow records and sampled packets to encode, written down row by row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address
from typing import Any, Final, Literal

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.support.wire import NOW_NS

from flowexport_mgmt.records.flows import FlowBatch
from flowexport_mgmt.records.samples import HEADER_ETHERNET, Route, SampleBatch
from flowexport_mgmt.wire.flows.fields import ExportTime

Version = Literal[4, 6]
Row = Mapping[str, int | str]

NOW_MS: Final = NOW_NS // 10**6
TIME: Final = ExportTime(NOW_NS, 5_000_000_000)
"""When test batches are exported: after more than 49.7 days, so that the uptime has wrapped."""

ADDRESSES: Final = ("src", "dst", "next_hop", "bgp_next_hop", "nat_src", "nat_dst")
WIDTHS: Final = {
    "src_port": 16,
    "dst_port": 16,
    "protocol": 8,
    "octets": 64,
    "packets": 64,
    "start_ms": 64,
    "end_ms": 64,
    "in_if": 32,
    "out_if": 32,
    "icmp": 16,
    "tos": 8,
    "tcp_flags": 8,
    "src_mask": 8,
    "dst_mask": 8,
    "src_as": 32,
    "dst_as": 32,
    "prev_as": 32,
    "next_as": 32,
    "direction": 8,
    "end_reason": 8,
    "vlan": 16,
    "vrf": 32,
    "nat_src_port": 16,
    "nat_dst_port": 16,
    "reverse_octets": 64,
    "reverse_packets": 64,
    "sampler": 32,
    "sampling_rate": 32,
}
ALWAYS: Final = (
    "src",
    "dst",
    "src_port",
    "dst_port",
    "protocol",
    "octets",
    "packets",
    "start_ms",
    "end_ms",
    "in_if",
    "out_if",
)
_DEFAULTS: Final[dict[str, int | str]] = {
    "protocol": 6,
    "octets": 1000,
    "packets": 10,
    "start_ms": NOW_MS - 2000,
    "end_ms": NOW_MS - 1000,
}


def flow_batch(rows: Iterable[Row], version: Version = 4) -> FlowBatch:
    """Make a batch; it has the optional columns that any row names, 0 in the other rows."""
    listed = [{**_DEFAULTS, **row} for row in rows]
    names = {*ALWAYS, *(name for row in listed for name in row)}
    columns: dict[str, Any] = {name: _column(name, listed, version) for name in names}
    return FlowBatch(version=version, **columns)


def _column(name: str, rows: Sequence[Row], version: Version) -> NDArray[Any]:
    values = [row.get(name, 0) for row in rows]
    if name in ADDRESSES:
        return address_column(values, version)
    return np.array(values, f"u{WIDTHS[name] // 8}")


def address_column(values: Iterable[int | str], version: Version) -> NDArray[Any]:
    numbers = [int(ip_address(value)) if value else 0 for value in values]
    if version == 4:
        return np.array(numbers, np.uint32)
    halves = [(number >> 64, number & (2**64 - 1)) for number in numbers]
    return np.array(halves, np.uint64).reshape(-1, 2)


def flow_strategy(
    version: Version = 4, *, optional: Iterable[str] = (), wide: bool = True
) -> st.SearchStrategy[dict[str, int | str]]:
    """Draw a row with all optional columns of the names given."""
    columns: dict[str, st.SearchStrategy[int | str]] = {}
    for name in (*ALWAYS, *optional):
        if name in ADDRESSES:
            columns[name] = st.ip_addresses(v=version).map(str)
        else:
            columns[name] = st.integers(0, 2 ** WIDTHS[name] - 1)
    most = 2**40 if wide else 2**32 - 1
    for name in ("octets", "packets"):
        columns[name] = st.integers(0, most) | st.integers(0, 3000)
    moment = st.integers(NOW_MS - 10**10, NOW_MS + 10**6)
    columns["start_ms"] = columns["end_ms"] = moment
    return st.fixed_dictionaries(columns)


def sample_batch(rows: Iterable[Mapping[str, Any]], routes: Sequence[Route] = ()) -> SampleBatch:
    """Make a batch of sampled packets; ``header`` holds a packet's first octets.

    The octets of packets stand in the buffer with others between them.
    """
    listed = list(rows)
    headers = [bytes(row.get("header", b"\0" * 64)) for row in listed]
    offsets = np.cumsum([3, *(len(header) + 5 for header in headers)])[:-1]
    buffer = b"\xee\xee\xee" + b"".join(header + b"\xee" * 5 for header in headers)
    defaults = {"source": 1, "rate": 100, "header_protocol": HEADER_ETHERNET}
    names = ("source", "rate", "pool", "drops", "in_if", "out_if", "header_protocol")
    columns: dict[str, Any] = {
        name: _numbers([row.get(name, defaults.get(name, 0)) for row in listed], np.uint32)
        for name in names
    }
    for name in _OPTIONAL:
        if any(name in row for row in listed):
            columns[name] = _numbers([row.get(name, 0) for row in listed], np.uint32)
    if routes:
        columns["route"] = _numbers([row.get("route", -1) for row in listed], np.int64)
    lengths = [len(header) for header in headers]
    frames = [row.get("frame_length", length) for row, length in zip(listed, lengths, strict=True)]
    return SampleBatch(
        time_ns=np.full(len(listed), NOW_NS, np.uint64),
        frame_length=_numbers(frames, np.uint32),
        buffer=np.frombuffer(buffer, np.uint8),
        offsets=_numbers(offsets, np.int64),
        lengths=_numbers(lengths, np.int64),
        routes=tuple(routes),
        own_as=64_512 if routes else 0,
        **columns,
    )


_OPTIONAL: Final = (
    "stripped",
    "epoch",
    "src_vlan",
    "src_priority",
    "dst_vlan",
    "dst_priority",
    "src_mask",
    "src_as",
    "src_peer_as",
)


def _numbers(values: Iterable[int], dtype: type[np.generic]) -> NDArray[Any]:
    return np.array(list(values), dtype)
