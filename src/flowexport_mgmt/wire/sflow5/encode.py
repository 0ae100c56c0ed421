"""sFlow v5 datagrams of counter samples (sFlow Version 5, section 5)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.errors import EncodeError
from flowexport_mgmt.records import UNKNOWN64, Datagrams
from flowexport_mgmt.wire.paging import Pages, slices, split_rows
from flowexport_mgmt.wire.sflow5.headers import header_size, make_headers

COUNTERS_SAMPLE_EXPANDED: Final = 4
IF_COUNTERS: Final = 1

IF_COUNTERS_DTYPE: Final = np.dtype(
    [
        ("ifIndex", ">u4"),
        ("ifType", ">u4"),
        ("ifSpeed", ">u8"),
        ("ifDirection", ">u4"),
        ("ifStatus", ">u4"),
        ("ifInOctets", ">u8"),
        ("ifInUcastPkts", ">u4"),
        ("ifInMulticastPkts", ">u4"),
        ("ifInBroadcastPkts", ">u4"),
        ("ifInDiscards", ">u4"),
        ("ifInErrors", ">u4"),
        ("ifInUnknownProtos", ">u4"),
        ("ifOutOctets", ">u8"),
        ("ifOutUcastPkts", ">u4"),
        ("ifOutMulticastPkts", ">u4"),
        ("ifOutBroadcastPkts", ">u4"),
        ("ifOutDiscards", ">u4"),
        ("ifOutErrors", ">u4"),
        ("ifPromiscuousMode", ">u4"),
    ]
)
"""Generic interface counters, 88 octets (format 1)."""

_SAMPLE: Final = np.dtype(
    [
        ("format", ">u4"),
        ("length", ">u4"),  # octets that follow
        ("sequence", ">u4"),
        ("source_type", ">u4"),
        ("source_index", ">u4"),
        ("records", ">u4"),
        ("record_format", ">u4"),
        ("record_length", ">u4"),
        ("counters", IF_COUNTERS_DTYPE),
    ]
)

_CONSTANTS: Final = {
    "format": COUNTERS_SAMPLE_EXPANDED,
    "length": _SAMPLE.itemsize - 8,
    "records": 1,
    "record_format": IF_COUNTERS,
    "record_length": IF_COUNTERS_DTYPE.itemsize,
}

# Counters of 32 bits are sent modulo 2^32, which makes all ones of those that are not kept.
_COLUMNS: Final = {
    "ifIndex": "ifindex",
    "ifType": "iftype",
    "ifSpeed": "speed",
    "ifDirection": "direction",
    "ifStatus": "status",
    "ifInOctets": "in_octets",
    "ifInMulticastPkts": "in_multicast",
    "ifInBroadcastPkts": "in_broadcast",
    "ifInDiscards": "in_discards",
    "ifInErrors": "in_errors",
    "ifInUnknownProtos": "in_unknown_protos",
    "ifOutOctets": "out_octets",
    "ifOutMulticastPkts": "out_multicast",
    "ifOutBroadcastPkts": "out_broadcast",
    "ifOutDiscards": "out_discards",
    "ifOutErrors": "out_errors",
    "ifPromiscuousMode": "promiscuous",
}


def encode_counter_samples(
    rows: NDArray[np.void],
    sequences: NDArray[np.uint32],
    *,
    agent: IPv4Address | IPv6Address,
    sub_agent_id: int,
    sequence: int,
    uptime_ms: int,
    max_size: int,
) -> Datagrams:
    """Encode one expanded counter sample per interface, several to a datagram.

    Args:
        rows: COUNTER_DTYPE, shape (N,).
        sequences: shape (N,), the sequence number of each interface's sample.
        agent: the agent address.
        sub_agent_id: tells agents that share an address apart.
        sequence: the sequence number of the first datagram; each datagram advances it by one.
        uptime_ms: milliseconds since boot, sent modulo 2^32.
        max_size: octets of the largest datagram.

    Raises:
        EncodeError: not even one sample fits a datagram.
    """
    per_datagram = (max_size - header_size(agent)) // _SAMPLE.itemsize
    if per_datagram < 1:
        raise EncodeError(f"a counter sample does not fit a datagram of {max_size} octets")
    pages = Pages(split_rows(_lay_out_samples(rows, sequences), per_datagram))
    headers = make_headers(
        pages.records,
        agent=agent,
        sub_agent_id=sub_agent_id,
        sequence=sequence,
        uptime_ms=uptime_ms,
    )
    return pages.join(headers)


def _lay_out_samples(rows: NDArray[np.void], sequences: NDArray[np.uint32]) -> NDArray[np.void]:
    samples = np.zeros(len(rows), _SAMPLE)
    for part in slices(len(rows)):
        _fill(samples[part], rows[part], sequences[part])
    return samples


def _fill(samples: NDArray[np.void], rows: NDArray[np.void], sequences: NDArray[np.uint32]) -> None:
    for name, constant in _CONSTANTS.items():
        samples[name] = constant
    samples["sequence"] = sequences
    samples["source_index"] = rows["ifindex"]  # source type 0 is ifIndex
    counters = samples["counters"]
    for name, column in _COLUMNS.items():
        counters[name] = rows[column]
    counters["ifInUcastPkts"] = _unicast(rows, "in")
    counters["ifOutUcastPkts"] = _unicast(rows, "out")


def _unicast(rows: NDArray[np.void], side: str) -> NDArray[np.uint64]:
    """Take multicast and broadcast, where they are counted, from the packets of all kinds."""
    packets: NDArray[np.uint64] = rows[f"{side}_packets"]
    unicast = packets.copy()
    for kind in ("multicast", "broadcast"):
        part = rows[f"{side}_{kind}"]
        # The kernel reads its counters one after the other: a part may run ahead of the whole.
        unicast -= np.where(part == UNKNOWN64, 0, np.minimum(part, unicast))
    unicast[packets == UNKNOWN64] = UNKNOWN64
    return unicast
