"""Interfaces that tests make up: batches of counters, and dumps as the kernel would send them."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from flowexport_mgmt.link.netlink import Dump
from flowexport_mgmt.records import COUNTER_DTYPE, UNKNOWN64, CounterBatch

SECOND_NS = 1_000_000_000


def make_batch(
    octets: Mapping[int, int],
    *,
    second: float = 0.0,
    epochs: Mapping[int, int] | None = None,
    names: Sequence[str] | None = None,
) -> CounterBatch:
    """Make a batch of interfaces by ifindex, each with so many octets in and half as many out."""
    rows = np.zeros(len(octets), COUNTER_DTYPE)
    rows["ifindex"] = sorted(octets)
    rows["iftype"] = 6
    rows["status"] = 3
    rows["in_octets"] = [octets[ifindex] for ifindex in sorted(octets)]
    rows["out_octets"] = rows["in_octets"] // 2
    rows["in_packets"] = rows["in_octets"] // 100
    rows["out_packets"] = rows["out_octets"] // 100
    for column in ("in_broadcast", "in_unknown_protos", "out_multicast", "out_broadcast"):
        rows[column] = UNKNOWN64
    rows["epoch"] = [(epochs or {}).get(ifindex, 0) for ifindex in sorted(octets)]
    return CounterBatch(
        time_ns=1_700_000_000 * SECOND_NS + int(second * SECOND_NS),
        uptime_ms=1_000_000 + int(second * 1000),
        rows=rows,
        names=tuple(names or (f"port{ifindex}" for ifindex in sorted(octets))),
        descriptions=("",) * len(octets),
    )


@dataclass(frozen=True)
class FakeLink:
    """What the kernel would say about an interface."""

    ifindex: int
    name: str
    flags: int = 0x1043
    device_type: int = 1
    operstate: int = 6
    kind: str = ""
    alias: str = ""
    promiscuity: int = 0
    link: int = 0
    master: int = 0
    netnsid: int | None = None
    address: bytes = bytes.fromhex("0200000000aa")
    counters: Mapping[int, int] = field(default_factory=dict)
    words: int = 25
    has_statistics: bool = True

    def message(self, sequence: int = 1) -> bytes:
        """Lay out RTM_NEWLINK as the kernel does."""
        body = struct.pack("=BxHiII", 0, self.device_type, self.ifindex, self.flags, 0)
        body += _attribute(3, self.name.encode() + b"\0") + _attribute(16, bytes([self.operstate]))
        body += _attribute(30, struct.pack("=I", self.promiscuity))
        if self.link:
            body += _attribute(5, struct.pack("=I", self.link))
        if self.netnsid is not None:
            body += _attribute(37, struct.pack("=i", self.netnsid))
        if self.master:
            body += _attribute(10, struct.pack("=I", self.master))
        if self.kind:
            body += _attribute(18 | 0x8000, _attribute(1, self.kind.encode() + b"\0"))
        if self.alias:
            body += _attribute(20, self.alias.encode() + b"\0")
        if self.address:
            body += _attribute(1, self.address)
        if self.has_statistics:
            words = [self.counters.get(place, 0) for place in range(self.words)]
            body += _attribute(23, struct.pack(f"={self.words}Q", *words))
            narrow = [word & 0xFFFFFFFF for word in words]
            body += _attribute(7, struct.pack(f"={self.words}I", *narrow))
        body += _attribute(6, b"noqueue\0")
        return struct.pack("=IHHII", 16 + len(body), 16, 2, sequence, 0) + body


def _attribute(kind: int, value: bytes) -> bytes:
    length = 4 + len(value)
    return struct.pack("=HH", length, kind) + value + bytes(-length % 4)


class FakeKernel:
    """Gives dumps of the interfaces that a test put in."""

    def __init__(self, *links: FakeLink) -> None:
        self.links = list(links)
        self.error: OSError | None = None
        self.closed = False
        self._sequence = 0

    def dump(self) -> Dump:
        if self.error is not None:
            raise self.error
        self._sequence += 1
        data, spans = b"", []
        for link in self.links:
            message = link.message(self._sequence)
            spans.append((len(data), len(data) + len(message)))
            data += message
        return Dump(data, spans)

    def close(self) -> None:
        self.closed = True
