"""sFlow v5 datagrams of counter samples (sFlow Version 5, section 5)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.errors import EncodeError
from flowexport_mgmt.records import ETHERNET_DTYPE, UNKNOWN64, Datagrams
from flowexport_mgmt.wire.paging import Pages, Run, slices, split_rows
from flowexport_mgmt.wire.sflow5.headers import header_size, make_headers

COUNTERS_SAMPLE_EXPANDED: Final = 4
IF_COUNTERS: Final = 1
ETHERNET_COUNTERS: Final = 2

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

ETHERNET_COUNTERS_DTYPE: Final = np.dtype(
    [
        (f"dot3Stats{name}", ">u4")
        for name in (
            "AlignmentErrors",
            "FCSErrors",
            "SingleCollisionFrames",
            "MultipleCollisionFrames",
            "SQETestErrors",
            "DeferredTransmissions",
            "LateCollisions",
            "ExcessiveCollisions",
            "InternalMacTransmitErrors",
            "CarrierSenseErrors",
            "FrameTooLongs",
            "InternalMacReceiveErrors",
            "SymbolErrors",
        )
    ]
)
"""Counters of Ethernet interfaces, 52 octets (format 2), in the order of ETHERNET_DTYPE."""

SAMPLE: Final = np.dtype(
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
_ETHERNET_SAMPLE: Final = np.dtype(
    [
        ("interface", SAMPLE),
        ("record_format", ">u4"),
        ("record_length", ">u4"),
        ("counters", ETHERNET_COUNTERS_DTYPE),
    ]
)

CONSTANTS: Final = {
    "format": COUNTERS_SAMPLE_EXPANDED,
    "length": SAMPLE.itemsize - 8,
    "records": 1,
    "record_format": IF_COUNTERS,
    "record_length": IF_COUNTERS_DTYPE.itemsize,
}
_NO_ETHERNET: Final = np.empty(0, ETHERNET_DTYPE)

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
    ethernet: NDArray[np.void] | None = None,
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
        ethernet: ETHERNET_DTYPE, sorted by ifindex; an interface that has a row here has a second
            record in its sample, and such samples go last.

    Raises:
        EncodeError: not even one sample fits a datagram.
    """
    samples = _lay_out_samples(rows, sequences)
    blocks = [
        _split(part, max_size, header_size(agent))
        for part in _add_ethernet(samples, _NO_ETHERNET if ethernet is None else ethernet)
    ]
    pages = Pages(itertools.chain(*blocks))
    headers = make_headers(
        pages.records,
        agent=agent,
        sub_agent_id=sub_agent_id,
        sequence=sequence,
        uptime_ms=uptime_ms,
    )
    return pages.join(headers)


def _split(samples: NDArray[np.void], max_size: int, header: int) -> Iterator[Run]:
    """Split samples of one size into datagrams with room for a header."""
    per_datagram = (max_size - header) // samples.dtype.itemsize
    if per_datagram < 1:
        raise EncodeError(f"a counter sample does not fit a datagram of {max_size} octets")
    return split_rows(samples, per_datagram)


def _add_ethernet(
    samples: NDArray[np.void], ethernet: NDArray[np.void]
) -> tuple[NDArray[np.void], ...]:
    """Part the samples: those of one record, and those to which one of Ethernet is added."""
    if not len(ethernet):
        return (samples,)
    indexes = samples["source_index"].astype(np.uint32)
    at = np.minimum(np.searchsorted(ethernet["ifindex"], indexes), len(ethernet) - 1)
    told = ethernet["ifindex"][at] == indexes
    both = np.zeros(int(told.sum()), _ETHERNET_SAMPLE)
    both["interface"] = samples[told]
    both["interface"]["length"] = _ETHERNET_SAMPLE.itemsize - 8
    both["interface"]["records"] = 2
    both["record_format"] = ETHERNET_COUNTERS
    both["record_length"] = ETHERNET_COUNTERS_DTYPE.itemsize
    columns = (ETHERNET_DTYPE.names or ())[1:]
    for name, column in zip(ETHERNET_COUNTERS_DTYPE.names or (), columns, strict=True):
        both["counters"][name] = ethernet[column][at[told]]
    return samples[~told], both


def _lay_out_samples(rows: NDArray[np.void], sequences: NDArray[np.uint32]) -> NDArray[np.void]:
    samples = np.zeros(len(rows), SAMPLE)
    for part in slices(len(rows)):
        _fill(samples[part], rows[part], sequences[part])
    return samples


def _fill(samples: NDArray[np.void], rows: NDArray[np.void], sequences: NDArray[np.uint32]) -> None:
    for name, constant in CONSTANTS.items():
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
