"""Interface counters as columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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


@dataclass(frozen=True, slots=True)
class CounterBatch:
    """The counters of every interface at one instant.

    ``rows`` has dtype COUNTER_DTYPE, sorted by ifindex; ``names`` and ``descriptions`` are parallel
    to it. ``time_ns`` is Unix time in nanoseconds, ``uptime_ms`` the time since boot in
    milliseconds, not reduced modulo 2^32.
    """

    time_ns: int
    uptime_ms: int
    rows: NDArray[np.void]
    names: tuple[str, ...]
    descriptions: tuple[str, ...]
