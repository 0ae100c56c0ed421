"""What a flow record's fields are made from: columns as the formats want them.

Each function takes a batch and the time of export and gives a column, or None for one that is
unknown, whose field stays 0. A column may be wider than its field: what is written are its low
octets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.records.flows import FlowBatch
from flowexport_mgmt.wire.options import ALL_PACKETS

AS_TRANS: Final = 23456
"""What stands for a number above 16 bits where the format has no more (RFC 6793, section 9)."""

BIFLOW_INITIATOR: Final = 1
"""biflowDirection: the forward direction is the one of who began (RFC 5103, section 6.3)."""

_MAX16: Final = 0xFFFF
_LONGEST_AGE_MS: Final = 0x7FFFFFFF

Column = NDArray[Any]


@dataclass(frozen=True, slots=True)
class ExportTime:
    """When a datagram is made: Unix time in nanoseconds, and milliseconds since boot.

    ``uptime_ms`` is not reduced modulo 2^32; IPFIX does not use it.
    """

    time_ns: int
    uptime_ms: int = 0

    @property
    def time_ms(self) -> int:
        """Unix time in milliseconds."""
        return self.time_ns // 1_000_000

    @property
    def time_s(self) -> int:
        """Unix time in seconds."""
        return self.time_ns // 1_000_000_000


Read = Callable[[FlowBatch, ExportTime], Column | int | None]


def column(name: str) -> Read:
    """Take a column as it is."""

    def read(batch: FlowBatch, time: ExportTime) -> Column | None:
        del time
        value: Column | None = getattr(batch, name)
        return value

    return read


def short_interface(name: str) -> Read:
    """Take an ifIndex into 16 bits; one that does not fit is sent as 0, unknown."""
    return _limited(name, 0)


def short_as(name: str) -> Read:
    """Take an autonomous system's number into 16 bits."""
    return _limited(name, AS_TRANS)


def _limited(name: str, substitute: int) -> Read:
    def read(batch: FlowBatch, time: ExportTime) -> Column | None:
        del time
        value: Column | None = getattr(batch, name)
        if value is None or value.max(initial=0) <= _MAX16:
            return value
        short = value.astype(np.uint16)
        np.putmask(short, value > _MAX16, substitute)
        return short

    return read


def translated(name: str) -> Read:
    """Take a column after translation, or before it when nothing was translated."""

    def read(batch: FlowBatch, time: ExportTime) -> Column | None:
        del time
        value: Column | None = getattr(batch, f"nat_{name}")
        return getattr(batch, name) if value is None else value

    return read


def destination_port(batch: FlowBatch, time: ExportTime) -> Column:
    """Take the destination port, in rows of ICMP the type and code."""
    del time
    return batch.dst_port if batch.icmp is None else batch.dst_port | batch.icmp


def biflow_direction(batch: FlowBatch, time: ExportTime) -> int:
    """Say how the forward direction of biflows was told."""
    del batch, time
    return BIFLOW_INITIATOR


def selector(batch: FlowBatch, time: ExportTime) -> Column | int:
    """Name the selector that took the packets, that of all packets where none were sampled."""
    del time
    return ALL_PACKETS.id if batch.sampler is None else batch.sampler


def start_ms(batch: FlowBatch, time: ExportTime) -> Column:
    """Give the Unix time of the start, which is not after the end."""
    return np.minimum(batch.start_ms, end_ms(batch, time))


def end_ms(batch: FlowBatch, time: ExportTime) -> Column:
    """Give the Unix time of the end, which is not after the export."""
    return np.minimum(batch.end_ms, np.uint64(time.time_ms))


def start_uptime(batch: FlowBatch, time: ExportTime) -> Column:
    """Give the start in milliseconds since boot."""
    return _since_boot(start_ms(batch, time), time)


def end_uptime(batch: FlowBatch, time: ExportTime) -> Column:
    """Give the end in milliseconds since boot."""
    return _since_boot(end_ms(batch, time), time)


def _since_boot(unix_ms: Column, time: ExportTime) -> Column:
    """Count from boot, of which 32 bits are written.

    What lies before boot is moved there, and what is older than 2^31 ms to that age: its low 32
    bits would read as a time in the future.
    """
    oldest = time.time_ms - min(time.uptime_ms, _LONGEST_AGE_MS)
    boot = np.uint64((time.time_ms - time.uptime_ms) % (1 << 64))
    since: Column = np.maximum(unix_ms, np.uint64(max(0, oldest))) - boot
    return since
