"""sFlow v5 datagrams of counter samples (sFlow Version 5, section 5)."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address
from typing import Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.errors import EncodeError
from flowexport_mgmt.records import UNKNOWN32, UNKNOWN64, Datagrams

VERSION: Final = 5
COUNTERS_SAMPLE_EXPANDED: Final = 4
IF_COUNTERS: Final = 1
_ADDRESS_TYPE: Final = {4: 1, 6: 2}

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

_COLUMNS: Final = {  # what is sent as it stands
    "ifIndex": "ifindex",
    "ifType": "iftype",
    "ifSpeed": "speed",
    "ifDirection": "direction",
    "ifStatus": "status",
    "ifInOctets": "in_octets",
    "ifOutOctets": "out_octets",
    "ifPromiscuousMode": "promiscuous",
}
_COUNTERS: Final = {  # what is sent modulo 2^32, all ones when unknown
    "ifInMulticastPkts": "in_multicast",
    "ifInBroadcastPkts": "in_broadcast",
    "ifInDiscards": "in_discards",
    "ifInErrors": "in_errors",
    "ifInUnknownProtos": "in_unknown_protos",
    "ifOutMulticastPkts": "out_multicast",
    "ifOutBroadcastPkts": "out_broadcast",
    "ifOutDiscards": "out_discards",
    "ifOutErrors": "out_errors",
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
    header = struct.pack(
        f">II{agent.max_prefixlen // 8}sI",
        VERSION,
        _ADDRESS_TYPE[agent.version],
        agent.packed,
        sub_agent_id,
    )
    per_datagram = (max_size - len(header) - 12) // _SAMPLE.itemsize
    if per_datagram < 1:
        raise EncodeError(f"a counter sample does not fit a datagram of {max_size} octets")
    samples = memoryview(_samples(rows, sequences).tobytes())
    chunks: list[bytes | memoryview] = []
    offsets, records = [0], []
    for number, at in enumerate(range(0, len(rows), per_datagram)):
        count = min(per_datagram, len(rows) - at)
        tail = ((sequence + number) & 0xFFFFFFFF, uptime_ms & 0xFFFFFFFF, count)
        body = samples[at * _SAMPLE.itemsize : (at + count) * _SAMPLE.itemsize]
        chunks += (header, struct.pack(">III", *tail), body)
        offsets.append(offsets[-1] + len(header) + 12 + len(body))
        records.append(count)
    return Datagrams(b"".join(chunks), tuple(offsets), tuple(records), (0,) * len(records))


def _samples(rows: NDArray[np.void], sequences: NDArray[np.uint32]) -> NDArray[np.void]:
    samples = np.zeros(len(rows), _SAMPLE)
    samples["format"] = COUNTERS_SAMPLE_EXPANDED
    samples["length"] = _SAMPLE.itemsize - 8
    samples["sequence"] = sequences
    samples["source_index"] = rows["ifindex"]  # source type 0 is ifIndex
    samples["records"] = 1
    samples["record_format"] = IF_COUNTERS
    samples["record_length"] = IF_COUNTERS_DTYPE.itemsize
    counters = samples["counters"]
    for name, column in _COLUMNS.items():
        counters[name] = rows[column]
    for name, column in _COUNTERS.items():
        counters[name] = _narrow(rows[column])
    counters["ifInUcastPkts"] = _narrow(_unicast(rows, "in"))
    counters["ifOutUcastPkts"] = _narrow(_unicast(rows, "out"))
    return samples


def _unicast(rows: NDArray[np.void], side: str) -> NDArray[np.uint64]:
    """Take multicast and broadcast, where they are counted, from the packets of all kinds."""
    packets: NDArray[np.uint64] = rows[f"{side}_packets"]
    unicast = packets.copy()
    for kind in ("multicast", "broadcast"):
        part = rows[f"{side}_{kind}"]
        known = part != UNKNOWN64
        # The kernel reads its counters one after the other: a part may run ahead of the whole.
        unicast[known] -= np.minimum(part, unicast)[known]
    unicast[packets == UNKNOWN64] = UNKNOWN64
    return unicast


def _narrow(counter: NDArray[np.uint64]) -> NDArray[np.uint32]:
    return np.where(counter == UNKNOWN64, UNKNOWN32, counter & 0xFFFFFFFF).astype(np.uint32)
