"""The latest flow records, kept for whoever asks what has just been seen."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.link.messages import RecentFlow
from flowexport_mgmt.records import FlowBatch, SampleBatch
from flowexport_mgmt.records.flows import Addresses, unfold

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_ADDRESS: Final = (np.uint64, 2)
_ENTRY: Final = np.dtype(
    [
        ("version", np.uint8),
        ("src", *_ADDRESS),
        ("dst", *_ADDRESS),
        ("src_port", np.uint16),
        ("dst_port", np.uint16),
        ("protocol", np.uint8),
        ("tcp_state", np.uint8),
        ("octets", np.uint64),
        ("packets", np.uint64),
        ("start_ms", np.uint64),
        ("end_ms", np.uint64),
        ("src_as", np.uint32),
        ("dst_as", np.uint32),
        ("next_hop", *_ADDRESS),
    ]
)
_ADDRESSES: Final = frozenset(("src", "dst", "next_hop"))
_HALF: Final = 0xFFFFFFFFFFFFFFFF

_TCP_STATES: Final = (
    None,
    "syn-sent",
    "syn-recv",
    "established",
    "fin-wait",
    "close-wait",
    "last-ack",
    "time-wait",
    "close",
    "syn-sent2",
)
"""The kernel's numbers for states of TCP (linux/netfilter/nf_conntrack_tcp.h)."""


class RecentFlows:
    """A ring of flow records, one per direction; a full one forgets its oldest.

    The threads of sources bring batches, another one asks and resizes; the lock makes each of
    these one piece.
    """

    def __init__(self, capacity: int) -> None:
        self._lock = threading.Lock()
        self._entries = np.zeros(capacity, _ENTRY)
        self._count = 0
        self._next = 0
        self._drops = 0

    @property
    def drops(self) -> int:
        """Records that made room for later ones."""
        return self._drops

    def take(self, batch: FlowBatch | SampleBatch) -> None:
        """Keep the records of a batch; those made of sampled packets are not the flows' own."""
        if not isinstance(batch, FlowBatch) or batch.is_sampled:
            return
        total = _count(batch)
        with self._lock:
            # Each row comes to a record at least: no more rows than these can be kept.
            latest = unfold(batch.select(slice(-len(self._entries), None)))
            rows = _make_entries(latest.select(slice(-len(self._entries), None)))
            self._put(rows)
            self._drops += total - len(rows)

    def resize(self, capacity: int) -> None:
        """Hold so many records from now on; of those that are there the latest stay."""
        with self._lock:
            if capacity == len(self._entries):
                return
            kept = self._in_order()[-capacity:]
            self._drops += self._count - len(kept)
            self._entries = np.zeros(capacity, _ENTRY)
            self._count = self._next = 0
            self._put(kept)

    def find(self, destination: Network | None) -> tuple[RecentFlow, ...]:
        """Give the records to addresses of a network, or all, the latest first."""
        with self._lock:
            rows = self._in_order()
        if destination is not None:
            rows = rows[_is_in(rows, destination)]
        return tuple(_describe(rows[::-1]))

    def _put(self, rows: NDArray[np.void]) -> None:
        size = len(self._entries)
        places = (self._next + np.arange(len(rows))) % size
        self._entries[places] = rows
        self._next = (self._next + len(rows)) % size
        evicted = max(0, self._count + len(rows) - size)
        self._count += len(rows) - evicted
        self._drops += evicted

    def _in_order(self) -> NDArray[np.void]:
        """Copy out the records, the oldest first."""
        size = len(self._entries)
        places = (self._next - self._count + np.arange(self._count)) % size
        return self._entries[places]


def _count(batch: FlowBatch) -> int:
    """Count the records of a batch, directions apart."""
    if batch.reverse_packets is None:
        return len(batch)
    return int((batch.packets > 0).sum() + (batch.reverse_packets > 0).sum())


def _make_entries(batch: FlowBatch) -> NDArray[np.void]:
    rows = np.zeros(len(batch), _ENTRY)
    rows["version"] = batch.version
    for name, column in batch.columns():
        if name in _ADDRESSES:
            rows[name] = _widen(column)
        elif name in _ENTRY.fields:  # type: ignore[operator] # there are some
            rows[name] = column
    return rows


def _widen(addresses: Addresses) -> NDArray[np.uint64]:
    if addresses.ndim > 1:
        return addresses.astype(np.uint64)
    return np.stack((np.zeros(len(addresses), np.uint64), addresses.astype(np.uint64)), axis=1)


def _is_in(rows: NDArray[np.void], network: Network) -> NDArray[np.bool_]:
    first, mask = int(network.network_address), int(network.netmask)
    inside: NDArray[np.bool_] = rows["version"] == network.version
    for half, shift in ((0, 64), (1, 0)):
        part = rows["dst"][:, half] & np.uint64(mask >> shift & _HALF)
        inside &= part == np.uint64(first >> shift & _HALF)
    return inside


def _describe(rows: NDArray[np.void]) -> Iterator[RecentFlow]:
    """Write entries out; what is not known is left out."""
    columns = [rows[name].tolist() for name in _ENTRY.names or ()]
    for values in zip(*columns, strict=True):
        entry = dict(zip(_ENTRY.names or (), values, strict=True))
        version = entry["version"]
        state = entry["tcp_state"]
        yield RecentFlow(
            src_address=_text(version, entry["src"]),
            dst_address=_text(version, entry["dst"]),
            src_port=entry["src_port"],
            dst_port=entry["dst_port"],
            protocol=entry["protocol"],
            bytes=entry["octets"],
            packets=entry["packets"],
            tcp_state=_TCP_STATES[state] if state < len(_TCP_STATES) else None,
            first_ms=entry["start_ms"],
            last_ms=entry["end_ms"],
            src_as=entry["src_as"] or None,
            dst_as=entry["dst_as"] or None,
            next_hop=_text(version, entry["next_hop"]) if any(entry["next_hop"]) else None,
        )


def _text(version: int, address: list[int]) -> str:
    if version == 4:
        return str(ipaddress.IPv4Address(address[1]))
    return str(ipaddress.IPv6Address(address[0] << 64 | address[1]))
