"""Sampled packets as columns."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

LOCAL_INTERFACE = 0xFFFFFFFF
"""An interface column's value for a packet that starts or ends on this host."""

HEADER_ETHERNET = 1
HEADER_IPV4 = 11
HEADER_IPV6 = 12

U1 = NDArray[np.uint8]
U4 = NDArray[np.uint32]
U8 = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Route:
    """What routing knows of a destination, for the samples that go there.

    ``next_hop`` and ``bgp_next_hop`` are packed addresses of 4 or 16 octets, empty when unknown.
    ``as_path`` has the segments in order: whether a segment is a sequence (else a set), and its
    autonomous systems, the next one first. A route of ``gateway`` False came from no BGP table.
    """

    next_hop: bytes = b""
    dst_mask: int = 0
    gateway: bool = False
    bgp_next_hop: bytes = b""
    as_path: tuple[tuple[bool, tuple[int, ...]], ...] = ()
    communities: tuple[int, ...] = ()
    local_pref: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleBatch:
    """Sampled packets in the order in which they were taken.

    Every column has N rows of native integers. The first octets of packet ``i`` are
    ``buffer[offsets[i] : offsets[i] + lengths[i]]``; the buffer may hold other things between
    them. ``frame_length`` is the packet's length on the wire without the frame check sequence, and
    ``stripped`` how much of that was taken away before its header was cut out, such as a VLAN tag.

    ``source`` is the ifIndex of the interface that samples, ``rate`` its one in N, ``pool`` and
    ``drops`` its totals modulo 2^32 when the packet was taken; ``epoch`` grows when they start
    anew. ``in_if`` and ``out_if`` are ifIndexes, 0 when unknown, LOCAL_INTERFACE for this host.

    ``route`` is the position in ``routes`` of the destination's, -1 where there is none.
    """

    source: U4
    rate: U4
    pool: U4
    drops: U4
    in_if: U4
    out_if: U4
    time_ns: U8
    header_protocol: U4
    frame_length: U4
    buffer: U1
    offsets: NDArray[np.int64]
    lengths: NDArray[np.int64]
    stripped: U4 | None = None
    epoch: U4 | None = None
    direction: U1 | None = None
    """0 taken at ingress, 1 at egress."""
    src_vlan: U4 | None = None
    src_priority: U4 | None = None
    dst_vlan: U4 | None = None
    dst_priority: U4 | None = None
    route: NDArray[np.int64] | None = None
    routes: tuple[Route, ...] = ()
    src_mask: U4 | None = None
    own_as: int = 0
    src_as: U4 | None = None
    src_peer_as: U4 | None = None
    egress_queue: U4 | None = None
    """The queue that the packet left by, UNKNOWN32 where that is not known; the same below."""
    queue_depth: U4 | None = None
    """Octets that waited in that queue."""
    transit_delay: U4 | None = None
    """Nanoseconds that the packet spent inside of the device."""

    def __len__(self) -> int:
        """Count the packets."""
        return len(self.source)

    def columns(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield name and array of each column that is there, the buffer left out."""
        for item in dataclasses.fields(self):
            column = getattr(self, item.name)
            if isinstance(column, np.ndarray) and item.name != "buffer":
                yield item.name, column

    def select(self, rows: slice | NDArray[np.intp] | NDArray[np.bool_]) -> SampleBatch:
        """Take some of the packets; they keep the same buffer."""
        chosen: dict[str, Any] = {name: column[rows] for name, column in self.columns()}
        return dataclasses.replace(self, **chosen)

    def header(self, row: int) -> bytes:
        """Copy out the first octets of one packet."""
        begin = int(self.offsets[row])
        return self.buffer[begin : begin + int(self.lengths[row])].tobytes()
