"""NetFlow v5 export datagrams."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.errors import EncodeError
from flowexport_mgmt.records import Datagrams
from flowexport_mgmt.records.flows import FlowBatch, unfold
from flowexport_mgmt.wire.columns import Columns, Values
from flowexport_mgmt.wire.flows import fields as take
from flowexport_mgmt.wire.flows.fields import ExportTime, Read, column
from flowexport_mgmt.wire.flows.split import split_wide
from flowexport_mgmt.wire.paging import Pages, Run, split_rows

VERSION: Final = 5
MAX_RECORDS: Final = 30
"""Records of one datagram, whatever its size."""

MAX_SAMPLING_RATE: Final = 0x3FFF
_RANDOM_SAMPLING: Final = 2 << 14

HEADER: Final = np.dtype(
    [
        ("version", ">u2"),
        ("count", ">u2"),
        ("uptime", ">u4"),
        ("seconds", ">u4"),
        ("nanoseconds", ">u4"),
        ("sequence", ">u4"),
        ("engine", ">u2"),  # type and id
        ("sampling", ">u2"),  # 2 bits mode, 14 bits interval
    ]
)

RECORD: Final = np.dtype(
    [
        ("src", ">u4"),
        ("dst", ">u4"),
        ("next_hop", ">u4"),
        ("in_if", ">u2"),
        ("out_if", ">u2"),
        ("packets", ">u4"),
        ("octets", ">u4"),
        ("first", ">u4"),
        ("last", ">u4"),
        ("src_port", ">u2"),
        ("dst_port", ">u2"),
        ("padding1", "u1"),
        ("tcp_flags", "u1"),
        ("protocol", "u1"),
        ("tos", "u1"),
        ("src_as", ">u2"),
        ("dst_as", ">u2"),
        ("src_mask", "u1"),
        ("dst_mask", "u1"),
        ("padding2", ">u2"),
    ]
)

_FIELDS: Final[dict[str, Read]] = {
    "src": column("src"),
    "dst": column("dst"),
    "next_hop": column("next_hop"),
    "in_if": take.short_interface("in_if"),
    "out_if": take.short_interface("out_if"),
    "packets": column("packets"),
    "octets": column("octets"),
    "first": take.start_uptime,
    "last": take.end_uptime,
    "src_port": column("src_port"),
    "dst_port": take.destination_port,
    "tcp_flags": column("tcp_flags"),
    "protocol": column("protocol"),
    "tos": column("tos"),
    "src_as": take.short_as("src_as"),
    "dst_as": take.short_as("dst_as"),
    "src_mask": column("src_mask"),
    "dst_mask": column("dst_mask"),
}


def encode_flows(
    batch: FlowBatch,
    *,
    time: ExportTime,
    engine: int,
    sequence: int,
    max_size: int,
) -> tuple[Datagrams, int]:
    """Encode flow records of IPv4; others have no place in the format.

    Counts of more than 32 bits are split over several records. A datagram tells one sampling rate,
    so flows of different ``sampling_rate`` go in different datagrams; without that column it says
    1 without a mode: nothing is sampled.

    Args:
        batch: the flows; biflows become two records each.
        time: when they are exported; no flow ends later, nor starts after its end.
        engine: engine type and engine id, 16 bits.
        sequence: records sent before; the next call's is ``sequence + sum(result.records)``.
        max_size: octets of the largest datagram.

    Returns:
        The datagrams, and how many records were left out because they are IPv6.

    Raises:
        EncodeError: not even one record fits, or a sampling rate is above 16383.
    """
    batch = unfold(batch)
    if batch.version != 4:
        return Datagrams(b"", (0,), (), ()), len(batch)
    per_datagram = min((max_size - HEADER.itemsize) // RECORD.itemsize, MAX_RECORDS)
    if per_datagram < 1:
        raise EncodeError(f"a record does not fit a datagram of {max_size} octets")
    batch, rates, ends = _group_by_rate(split_wide(batch))
    rows = lay_out(batch, time)
    pages = Pages(_split(rows, ends, per_datagram))
    headers = np.zeros(len(pages), HEADER)
    headers["version"] = VERSION
    headers["count"] = pages.records
    headers["uptime"] = time.uptime_ms & 0xFFFFFFFF
    headers["seconds"], headers["nanoseconds"] = divmod(time.time_ns, 1_000_000_000)
    headers["sequence"] = (sequence + np.cumsum(pages.records) - pages.records) & 0xFFFFFFFF
    headers["engine"] = engine & 0xFFFF
    counts = np.diff(ends, prepend=0)
    headers["sampling"] = np.repeat(rates, -(-counts // per_datagram))
    return pages.join(headers), 0


def lay_out(batch: FlowBatch, time: ExportTime) -> Columns:
    """Make the records of flows of IPv4, whose counts fit 32 bits."""
    return Columns(RECORD, len(batch), _read(batch, time))


def _read(batch: FlowBatch, time: ExportTime) -> Iterator[tuple[str, Values]]:
    for name, read in _FIELDS.items():
        values = read(batch, time)
        if values is not None:
            yield name, values


def _group_by_rate(batch: FlowBatch) -> tuple[FlowBatch, NDArray[np.int64], NDArray[np.int64]]:
    """Sort a batch by sampling rate: it, each group's header field, and where each group ends."""
    if batch.sampling_rate is None:
        return batch, np.array([1]), np.array([len(batch)])
    rates, counts = np.unique(batch.sampling_rate, return_counts=True)
    if len(rates) and rates[-1] > MAX_SAMPLING_RATE:
        raise EncodeError(f"a sampling rate of {rates[-1]} is above {MAX_SAMPLING_RATE}")
    if len(rates) > 1:
        batch = batch.select(np.argsort(batch.sampling_rate, kind="stable"))
    fields = rates.astype(np.int64)
    return batch, np.where(fields > 1, fields | _RANDOM_SAMPLING, fields), np.cumsum(counts)


def _split(rows: Columns, ends: NDArray[np.int64], per_datagram: int) -> Iterator[Run]:
    begin = 0
    for end in ends.tolist():
        yield from split_rows(rows[begin:end], per_datagram)
        begin = end
