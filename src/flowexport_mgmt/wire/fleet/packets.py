"""The first octets of packets that were never sent, made from what is known of their flows."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.records.flows import FlowBatch

_ICMP, _TCP, _UDP = 1, 6, 17
_ICMPV6: Final = 58
_TTL: Final = 64
_LEAST, _MOST = 60, 1500
_WORD: Final = 0xFFFF

_TRANSPORT: Final = [
    ("src_port", ">u2"),
    ("dst_port", ">u2"),
    ("sequence", ">u4"),  # of UDP length and checksum
    ("acknowledged", ">u4"),
    ("offset", "u1"),
    ("flags", "u1"),
    ("window", ">u2"),
    ("checksum", ">u2"),
    ("urgent", ">u2"),
]
_IPV4: Final = np.dtype(
    [
        ("version", "u1"),
        ("tos", "u1"),
        ("length", ">u2"),
        ("id", ">u2"),
        ("fragment", ">u2"),
        ("ttl", "u1"),
        ("protocol", "u1"),
        ("sum", ">u2"),
        ("src", ">u4"),
        ("dst", ">u4"),
        *_TRANSPORT,
    ]
)
_IPV6: Final = np.dtype(
    [
        ("version", ">u4"),
        ("length", ">u2"),
        ("protocol", "u1"),
        ("ttl", "u1"),
        ("src", ">u8", (2,)),
        ("dst", ">u8", (2,)),
        *_TRANSPORT,
    ]
)


def packet_lengths(flows: FlowBatch) -> NDArray[np.int64]:
    """Give the octets of a typical packet of each flow, its IP header included."""
    mean = flows.octets // np.maximum(flows.packets, np.uint64(1))
    lengths: NDArray[np.int64] = np.clip(mean, _LEAST, _MOST).astype(np.int64)
    return lengths


def make_packets(flows: FlowBatch, lengths: NDArray[np.int64]) -> NDArray[np.void]:
    """Make the IP and transport headers of one packet per flow: 40 octets, of IPv6 60."""
    packets = np.zeros(len(flows), _IPV4 if flows.version == 4 else _IPV6)
    _fill_transport(packets, flows, lengths)
    packets["ttl"] = _TTL
    packets["src"], packets["dst"] = flows.src, flows.dst
    if flows.version == 4:
        packets["version"] = 0x45
        packets["length"] = lengths
        packets["protocol"] = flows.protocol
        packets["sum"] = _checksums(packets)
    else:
        packets["version"] = 6 << 28
        packets["length"] = lengths - 40
        packets["protocol"] = np.where(flows.protocol == _ICMP, _ICMPV6, flows.protocol)
    return packets


def _fill_transport(
    packets: NDArray[np.void], flows: FlowBatch, lengths: NDArray[np.int64]
) -> None:
    protocol = flows.protocol
    is_icmp, is_tcp = protocol == _ICMP, protocol == _TCP
    icmp = np.uint16(0) if flows.icmp is None else flows.icmp
    packets["src_port"] = np.where(is_icmp, icmp, flows.src_port)
    packets["dst_port"] = flows.dst_port
    payload = lengths - (20 if flows.version == 4 else 40)
    packets["sequence"] = np.where(protocol == _UDP, payload << 16, 0)
    packets["offset"] = np.where(is_tcp, 0x50, 0)
    packets["window"] = np.where(is_tcp, _WORD, 0)
    if flows.tcp_flags is not None:
        packets["flags"] = flows.tcp_flags


def _checksums(packets: NDArray[np.void]) -> NDArray[np.uint32]:
    """Compute the checksums of IPv4 headers whose own field is 0 (RFC 1071)."""
    words = (
        packets.view(">u2")
        .reshape(len(packets), packets.dtype.itemsize // 2)[:, :10]
        .astype(np.uint32)
    )
    total = words.sum(axis=1)
    for _ in range(2):
        total = (total & _WORD) + (total >> 16)
    sums: NDArray[np.uint32] = ~total & np.uint32(_WORD)
    return sums
