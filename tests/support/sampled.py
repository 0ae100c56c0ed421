"""Sampled packets that tests make up, octet by octet."""

from __future__ import annotations

import ipaddress
import struct
from typing import Any

import numpy as np

from flowexport_mgmt.records import SampleBatch

STATION = bytes.fromhex("020000000002")


def ethernet(packet: bytes, *, to: bytes = STATION, ethertype: int | None = None) -> bytes:
    """Put a packet into a frame."""
    if ethertype is None:
        ethertype = 0x86DD if packet[0] >> 4 == 6 else 0x0800
    return to + bytes.fromhex("020000000001") + struct.pack(">H", ethertype) + packet


def tagged(packet: bytes, *vlans: int) -> bytes:
    """Put an IPv4 packet into a frame with tags."""
    tags = b"".join(struct.pack(">HH", 0x8100, 0xE000 | vlan) for vlan in vlans)
    frame = ethernet(packet)
    return frame[:12] + tags + frame[12:]


def ipv4(
    src: str, dst: str, protocol: int, payload: bytes, *, tos: int = 0, fragment: int = 0,
    options: int = 0,
) -> bytes:  # fmt: skip
    """Make an IPv4 packet."""
    head = struct.pack(
        ">BBHHHBBH", 0x45 + options // 4, tos, 20 + len(payload), 1, fragment, 64, protocol, 0
    )
    addresses = ipaddress.ip_address(src).packed + ipaddress.ip_address(dst).packed
    return head + addresses + bytes(options) + payload


def ipv6(src: str, dst: str, following: int, payload: bytes, *, traffic_class: int = 0) -> bytes:
    """Make an IPv6 packet; ``following`` is the type of its payload's first header."""
    head = struct.pack(">IHBB", 6 << 28 | traffic_class << 20, len(payload), following, 64)
    return head + ipaddress.ip_address(src).packed + ipaddress.ip_address(dst).packed + payload


def tcp(src_port: int, dst_port: int, *, flags: int = 0) -> bytes:
    """Make a TCP header."""
    return struct.pack(">HHIIBBHHH", src_port, dst_port, 0, 0, 0x50, flags, 0, 0, 0)


def udp(src_port: int, dst_port: int) -> bytes:
    """Make a UDP header."""
    return struct.pack(">HHHH", src_port, dst_port, 8, 0)


def icmp(kind: int, code: int) -> bytes:
    """Make an ICMP header."""
    return struct.pack(">BBHI", kind, code, 0, 0)


def sample(*frames: bytes, **columns: Any) -> SampleBatch:
    """Make a batch of frames that stand apart in one buffer; columns may be numbers."""
    count = len(frames)
    gap = b"\xaa\xbb\xcc"
    lengths = np.array([len(frame) for frame in frames], np.int64)
    given = {
        "source": 1, "rate": 100, "pool": 0, "drops": 0, "in_if": 1, "out_if": 0,
        "header_protocol": 1, "frame_length": lengths.astype(np.uint32), **columns,
    }  # fmt: skip
    filled: dict[str, Any] = {
        name: np.full(count, value, np.uint8 if name == "direction" else np.uint32)
        if isinstance(value, int)
        else value
        for name, value in given.items()
    }
    time_ns = filled.pop("time_ns", np.zeros(count, np.uint64))
    return SampleBatch(
        time_ns=time_ns,
        buffer=np.frombuffer(gap + gap.join(frames), np.uint8),
        offsets=np.cumsum(lengths) - lengths + len(gap) * np.arange(1, count + 1),
        lengths=lengths,
        **filled,
    )
