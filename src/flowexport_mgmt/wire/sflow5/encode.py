"""sFlow v5 datagrams of counter samples (sFlow Version 5, section 5)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.errors import EncodeError
from flowexport_mgmt.records import COUNTER_DTYPE, ETHERNET_DTYPE, UNKNOWN64, Datagrams
from flowexport_mgmt.wire.columns import Written
from flowexport_mgmt.wire.paging import SLICE, Pages, Run, split_rows
from flowexport_mgmt.wire.sflow5.headers import header_size, make_headers
from flowexport_mgmt.wire.templates import Rows

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

CONSTANTS: Final[dict[str, int]] = {
    "format": COUNTERS_SAMPLE_EXPANDED,
    "length": SAMPLE.itemsize - 8,
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


def _word(dtype: np.dtype[np.void], name: str) -> int:
    """Give the place of a field in words of 32 bits."""
    fields = dtype.fields or MappingProxyType({})
    return int(fields[name][1]) // 4


def _sources() -> Iterator[int]:
    """Say which words of COUNTER_DTYPE, low words first, are IF_COUNTERS_DTYPE, high words first.

    A field of 32 bits takes the low word of a counter of 64.
    """
    for name in IF_COUNTERS_DTYPE.names or ():
        word = _word(COUNTER_DTYPE, _COLUMNS.get(name, "ifindex"))  # of the others: written later
        if IF_COUNTERS_DTYPE[name].itemsize == 8:
            yield word + 1
        yield word


_SOURCES: Final = np.fromiter(_sources(), np.intp)
_HEAD: Final = np.array(
    [CONSTANTS.get(name, 0) for name in (SAMPLE.names or ())[:-1]],  # source type 0 is ifIndex
    np.uint32,
)
_UNICAST: Final = {
    side: _word(SAMPLE, "counters") + _word(IF_COUNTERS_DTYPE, name)
    for side, name in (("in", "ifInUcastPkts"), ("out", "ifOutUcastPkts"))
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
    header = header_size(agent)
    samples = _CounterSamples(rows, sequences)
    parts: tuple[Rows, ...] = (samples,)
    if ethernet is not None and len(ethernet):
        parts = _add_ethernet(samples, ethernet)
    blocks = [_split(part, max_size, header) for part in parts]
    pages = Pages(itertools.chain(*blocks))
    headers = make_headers(
        pages.records,
        agent=agent,
        sub_agent_id=sub_agent_id,
        sequence=sequence,
        uptime_ms=uptime_ms,
    )
    return pages.join(headers)


def _split(samples: Rows, max_size: int, header: int) -> Iterator[Run]:
    """Split samples of one size into datagrams with room for a header."""
    per_datagram = (max_size - header) // samples.dtype.itemsize
    if per_datagram < 1:
        raise EncodeError(f"a counter sample does not fit a datagram of {max_size} octets")
    return split_rows(samples, per_datagram)


class _CounterSamples(Written):
    """Samples of the type SAMPLE that stay rows of COUNTER_DTYPE until they are written."""

    def __init__(self, rows: NDArray[np.void], sequences: NDArray[np.uint32]) -> None:
        self.dtype = SAMPLE
        self.rows = rows
        self.sequences = sequences

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, part: slice | NDArray[np.bool_]) -> _CounterSamples:
        return _CounterSamples(self.rows[part], self.sequences[part])

    def write(self, into: NDArray[np.uint8]) -> None:
        """Move words as they are, and swap the octets of all of them at once."""
        pages, per_page = len(into), len(self.rows) // len(into)
        words = into.view("<u4").reshape(pages, per_page, SAMPLE.itemsize // 4)
        source = self.rows.view("<u4").reshape(pages, per_page, COUNTER_DTYPE.itemsize // 4)
        sequences = self.sequences.reshape(pages, per_page)
        rows = self.rows.reshape(pages, per_page)
        step = max(1, SLICE // max(1, per_page))
        for begin in range(0, pages, step):
            part = slice(begin, begin + step)
            _fill(words[part], source[part], rows[part], sequences[part])


def _fill(
    words: NDArray[np.uint32],
    source: NDArray[np.uint32],
    rows: NDArray[np.void],
    sequences: NDArray[np.uint32],
) -> None:
    words[..., : len(_HEAD)] = _HEAD
    words[..., _word(SAMPLE, "sequence")] = sequences
    words[..., _word(SAMPLE, "source_index")] = rows["ifindex"]
    words[..., len(_HEAD) :] = source[..., _SOURCES]
    for side, word in _UNICAST.items():
        words[..., word] = _unicast(rows, side)
    words.byteswap(inplace=True)


def _add_ethernet(samples: _CounterSamples, ethernet: NDArray[np.void]) -> tuple[Rows, Rows]:
    """Part the samples: those of one record, and those to which one of Ethernet is added."""
    indexes = samples.rows["ifindex"]
    at = np.minimum(np.searchsorted(ethernet["ifindex"], indexes), len(ethernet) - 1)
    told = ethernet["ifindex"][at] == indexes
    both = np.zeros(int(told.sum()), _ETHERNET_SAMPLE)
    both["interface"] = np.frombuffer(samples[told].tobytes(), SAMPLE)
    both["interface"]["length"] = _ETHERNET_SAMPLE.itemsize - 8
    both["interface"]["records"] = 2
    both["record_format"] = ETHERNET_COUNTERS
    both["record_length"] = ETHERNET_COUNTERS_DTYPE.itemsize
    columns = (ETHERNET_DTYPE.names or ())[1:]
    for name, column in zip(ETHERNET_COUNTERS_DTYPE.names or (), columns, strict=True):
        both["counters"][name] = ethernet[column][at[told]]
    return samples[~told], both


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
