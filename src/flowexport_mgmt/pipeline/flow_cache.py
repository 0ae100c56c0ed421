"""Sampled packets put together to flows: those of one flow become one record."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.pipeline.ignored import IgnoredPackets
from flowexport_mgmt.records import FlowBatch, SampleBatch
from flowexport_mgmt.records.flows import Ignored
from flowexport_mgmt.records.samples import LOCAL_INTERFACE
from flowexport_mgmt.wire.packets import PacketColumns, dissect

CAPACITY: Final = 65_536
"""Flows at most: what is sampled comes from strangers."""

IDLE, ACTIVE, FORCED, NO_ROOM = 1, 2, 4, 5
"""Reasons for a record (IPFIX element 136, flowEndReason)."""

Rows = NDArray[np.void]
Places = NDArray[np.int64]
U8 = NDArray[np.uint64]

_KEY: Final = (
    "src", "dst", "src_port", "dst_port", "protocol", "icmp", "vlan", "sampler", "sampling_rate",
)  # fmt: skip
_FLOW: Final = np.dtype(
    [
        ("version", np.uint8),
        ("src", np.uint64, 2),
        ("dst", np.uint64, 2),
        ("src_port", np.uint16),
        ("dst_port", np.uint16),
        ("protocol", np.uint8),
        ("icmp", np.uint16),
        ("vlan", np.uint16),
        ("sampler", np.uint32),
        ("sampling_rate", np.uint32),
        ("octets", np.uint64),
        ("packets", np.uint64),
        ("start_ms", np.uint64),
        ("end_ms", np.uint64),
        ("in_if", np.uint32),
        ("out_if", np.uint32),
        ("tos", np.uint8),
        ("tcp_flags", np.uint8),
        ("direction", np.uint8),
    ]
)
_ADDRESSES: Final = ("src", "dst")
_MS: Final = 1_000_000  # nanoseconds
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)


class FlowCache:
    """Flows of sampled packets until a timeout is over; not thread-safe, times are Unix ns.

    Packets are of one flow when addresses, ports, protocol, ICMP type and code and VLAN are equal,
    and the sampler and its rate: a sampler is one direction of one interface. Flows are told apart
    by 64 bits that are mixed of these and of ``seed``, which strangers do not know. A record takes
    its flow out of the cache; further packets begin another.
    """

    def __init__(self, active_s: int, inactive_s: int, seed: int, capacity: int = CAPACITY) -> None:
        self.records = 0
        self.evictions = 0
        self.skipped = 0
        """Sampled packets that are of no flow."""
        self._ignored = IgnoredPackets()
        self._active_ms = np.uint64(active_s * 1000)
        self._inactive_ms = np.uint64(inactive_s * 1000)
        self._seed = np.uint64(seed)
        self._flows = np.zeros(capacity, _FLOW)
        self._free: Places = np.arange(capacity)
        self._keys: U8 = np.zeros(0, np.uint64)  # in order
        self._places: Places = np.zeros(0, np.int64)  # parallel to the keys

    def __len__(self) -> int:
        """Count the flows."""
        return len(self._keys)

    def take(self, batch: SampleBatch) -> list[FlowBatch]:
        """Add packets to their flows; give the records of flows that had to make room."""
        records = []
        packets = 0
        self._ignored.take(batch)
        for found in dissect(batch):
            packets += len(found.rows)
            rows = _make_rows(batch, found)
            step = max(1, len(self._flows) // 4)
            for begin in range(0, len(rows), step):
                records += self._add(rows[begin : begin + step])
        self.skipped += len(batch) - packets
        return records

    def expire(self, now_ns: int) -> list[FlowBatch]:
        """Give the records of flows that are over, or have lasted long enough.

        A flow whose last packet is far ahead is over too: the clock was set back.
        """
        now = np.uint64(now_ns // _MS)
        flows = self._flows[self._places]
        is_idle = flows["end_ms"] + self._inactive_ms <= now
        is_idle |= flows["end_ms"] > now + self._inactive_ms
        is_long = flows["start_ms"] + self._active_ms <= now
        over = np.flatnonzero(is_idle | is_long)
        return self._remove(over, np.where(is_idle[over], IDLE, ACTIVE).astype(np.uint8))

    def flush(self) -> list[FlowBatch]:
        """Give the records of all flows."""
        everything = np.arange(len(self._keys))
        return self._remove(everything, np.full(len(everything), FORCED, np.uint8))

    def _add(self, rows: Rows) -> list[FlowBatch]:
        keys, sums = _sum_up(self._mix(rows), rows)
        at, is_known = self._find(keys)
        self._grow(self._places[at[is_known]], sums[is_known])
        keys, sums = keys[~is_known], sums[~is_known]
        records = self._make_room(len(keys))
        places, self._free = self._free[: len(keys)], self._free[len(keys) :]
        self._flows[places] = sums
        at = np.searchsorted(self._keys, keys)  # room may have been made in front of it
        self._keys = np.insert(self._keys, at, keys)
        self._places = np.insert(self._places, at, places)
        return records

    def _mix(self, rows: Rows) -> U8:
        mixed = np.full(len(rows), self._seed)
        for name in _KEY:
            for column in np.atleast_2d(rows[name].T):
                mixed = (mixed ^ column) * _MIX
                mixed ^= mixed >> np.uint64(29)
        return mixed

    def _find(self, keys: U8) -> tuple[Places, NDArray[np.bool_]]:
        at = np.searchsorted(self._keys, keys)
        is_known = np.zeros(len(keys), np.bool_)
        inside = at < len(self._keys)
        is_known[inside] = self._keys[at[inside]] == keys[inside]
        return at, is_known

    def _grow(self, places: Places, sums: Rows) -> None:
        flows = self._flows[places]
        flows["octets"] += sums["octets"]
        flows["packets"] += sums["packets"]
        flows["tcp_flags"] |= sums["tcp_flags"]
        flows["start_ms"] = np.minimum(flows["start_ms"], sums["start_ms"])
        flows["end_ms"] = np.maximum(flows["end_ms"], sums["end_ms"])
        self._flows[places] = flows

    def _make_room(self, count: int) -> list[FlowBatch]:
        """Take out the flows that rest for longest, until so many find room."""
        lacking = count - len(self._free)
        if lacking <= 0:
            return []
        self.evictions += lacking
        ends = self._flows["end_ms"][self._places]
        oldest = np.argpartition(ends, lacking - 1)[:lacking]
        return self._remove(oldest, np.full(lacking, NO_ROOM, np.uint8))

    def _remove(self, at: Places, reasons: NDArray[np.uint8]) -> list[FlowBatch]:
        places = self._places[at]
        self._keys = np.delete(self._keys, at)
        self._places = np.delete(self._places, at)
        self._free = np.concatenate((self._free, places))
        self.records += len(at)
        return list(_make_batches(self._flows[places], reasons, self._ignored.total))


def _make_rows(batch: SampleBatch, packets: PacketColumns) -> Rows:
    """Make a flow of each packet."""
    rows = np.zeros(len(packets.rows), _FLOW)
    rows["version"] = packets.version
    for name in _ADDRESSES:
        addresses = getattr(packets, name)
        if packets.version == 4:
            rows[name][:, 1] = addresses
        else:
            rows[name] = addresses
    for name in ("src_port", "dst_port", "protocol", "icmp", "tos", "tcp_flags", "octets"):
        rows[name] = getattr(packets, name)
    chosen = packets.rows
    direction = np.uint8(0) if batch.direction is None else batch.direction[chosen]
    rows["vlan"] = packets.vlan if batch.src_vlan is None else batch.src_vlan[chosen]
    rows["direction"] = direction
    rows["sampler"] = batch.source[chosen] * 2 + direction
    rows["sampling_rate"] = batch.rate[chosen]
    rows["packets"] = 1
    rows["start_ms"] = rows["end_ms"] = batch.time_ns[chosen] // np.uint64(_MS)
    for name, column in (("in_if", batch.in_if), ("out_if", batch.out_if)):
        rows[name] = np.where(column[chosen] == LOCAL_INTERFACE, 0, column[chosen])
    return rows


def _sum_up(keys: U8, rows: Rows) -> tuple[U8, Rows]:
    """Put rows of equal keys together; the keys come in order."""
    order = np.argsort(keys, kind="stable")
    keys, rows = keys[order], rows[order]
    first = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    sums = rows[first]
    for name, combine in (
        ("octets", np.add),
        ("packets", np.add),
        ("tcp_flags", np.bitwise_or),
        ("start_ms", np.minimum),
        ("end_ms", np.maximum),
    ):
        sums[name] = combine.reduceat(rows[name], first)
    return keys[first], sums


def _make_batches(flows: Rows, reasons: NDArray[np.uint8], ignored: Ignored) -> Iterator[FlowBatch]:
    versions: tuple[Literal[4, 6], ...] = (4, 6)
    for version in versions:
        chosen = flows["version"] == version
        if not chosen.any():
            continue
        rows = flows[chosen]
        columns: dict[str, Any] = {
            name: np.ascontiguousarray(rows[name])
            for name in _FLOW.names or ()
            if name not in ("version", *_ADDRESSES)
        }
        for name in _ADDRESSES:
            low = rows[name][:, 1].astype(np.uint32)
            columns[name] = low if version == 4 else np.ascontiguousarray(rows[name])
        yield FlowBatch(version=version, end_reason=reasons[chosen], ignored=ignored, **columns)
