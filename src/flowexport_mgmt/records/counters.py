"""Interface counters as columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.records.hosts import HostCounters

UNKNOWN64 = 0xFFFFFFFFFFFFFFFF
"""A 64-bit counter that the kernel does not keep (sFlow v5: all ones)."""

UNKNOWN32 = 0xFFFFFFFF
"""A 32-bit counter that the kernel does not keep."""

COUNTER_DTYPE = np.dtype(
    [
        ("ifindex", "<u4"),
        ("iftype", "<u4"),  # IANA ifType: 6 ethernet, 24 loopback, 209 bridge, 135 vlan, ...
        ("speed", "<u8"),  # bits per second; 0 when unknown
        ("direction", "<u4"),  # 0 unknown, 1 full duplex, 2 half duplex
        ("status", "<u4"),  # bit 0 admin up, bit 1 oper up
        ("in_octets", "<u8"),
        ("in_packets", "<u8"),
        ("in_multicast", "<u8"),
        ("in_broadcast", "<u8"),
        ("in_discards", "<u8"),
        ("in_errors", "<u8"),
        ("in_unknown_protos", "<u8"),
        ("out_octets", "<u8"),
        ("out_packets", "<u8"),
        ("out_multicast", "<u8"),
        ("out_broadcast", "<u8"),
        ("out_discards", "<u8"),
        ("out_errors", "<u8"),
        ("promiscuous", "<u4"),  # 1 yes, 2 no, 0 unknown
        ("epoch", "<u4"),  # grows when the interface's counters start anew
    ]
)
"""One row per interface. Counters are totals as the kernel keeps them, UNKNOWN64 where it keeps
none; ``*_packets`` counts unicast, multicast and broadcast together, as the kernel does."""


ETHERNET_DTYPE = np.dtype(
    [
        ("ifindex", "<u4"),
        ("alignment_errors", "<u8"),
        ("fcs_errors", "<u8"),
        ("single_collisions", "<u8"),
        ("multiple_collisions", "<u8"),
        ("sqe_test_errors", "<u8"),
        ("deferred", "<u8"),
        ("late_collisions", "<u8"),
        ("excessive_collisions", "<u8"),
        ("transmit_errors", "<u8"),
        ("carrier_sense_errors", "<u8"),
        ("frames_too_long", "<u8"),
        ("receive_errors", "<u8"),
        ("symbol_errors", "<u8"),
    ]
)
"""What an Ethernet interface counts as the dot3StatsTable has it (RFC 3635); UNKNOWN64 for what its
driver does not count."""


@dataclass(frozen=True, slots=True)
class CounterBatch:
    """The counters of every interface at one instant.

    ``rows`` has dtype COUNTER_DTYPE, sorted by ifindex; ``names`` and ``descriptions`` are parallel
    to it. ``time_ns`` is Unix time in nanoseconds, ``uptime_ms`` the time since boot in
    milliseconds, not reduced modulo 2^32.

    ``ethernet`` has dtype ETHERNET_DTYPE and a row for each interface whose driver tells, sorted by
    ifindex; ``host`` is what the host says of itself. Both are None where nobody asked.
    """

    time_ns: int
    uptime_ms: int
    rows: NDArray[np.void]
    names: tuple[str, ...]
    descriptions: tuple[str, ...]
    ethernet: NDArray[np.void] | None = None
    host: HostCounters | None = None
