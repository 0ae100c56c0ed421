"""Captures in pcap format, and the packets in them."""

from __future__ import annotations

import struct

ETHERNET, RAW, COOKED, COOKED2 = 1, 101, 113, 276
MICROSECONDS, NANOSECONDS = 0xA1B2C3D4, 0xA1B23C4D

PAYLOAD = b"payload"


def udp(payload: bytes = PAYLOAD, length: int | None = None) -> bytes:
    size = 8 + len(payload) if length is None else length
    return struct.pack(">HHHH", 40_000, 6343, size, 0) + payload


def ipv4(
    body: bytes,
    *,
    protocol: int = 17,
    fragment: int = 0x4000,
    options: bytes = b"",
    source: tuple[int, int, int, int] = (192, 0, 2, 7),
) -> bytes:
    words = 5 + len(options) // 4
    total = 4 * words + len(body)
    head = struct.pack(">BBHHHBBH", 0x40 | words, 0, total, 0, fragment, 64, protocol, 0)
    return head + bytes([*source, 192, 0, 2, 8]) + options + body


def ipv6(body: bytes, following: int = 17) -> bytes:
    source = bytes.fromhex("20010db8000000000000000000000007")
    return struct.pack(">IHBB", 6 << 28, len(body), following, 64) + source + bytes(16) + body


def ethernet(body: bytes, type_: int = 0x0800, tag: bytes = b"") -> bytes:
    return bytes(12) + tag + struct.pack(">H", type_) + body


def capture(
    *frames: bytes,
    link: int = RAW,
    order: str = "<",
    magic: int = MICROSECONDS,
    fraction: int = 250_000,
    sent: int | None = None,
) -> bytes:
    content = struct.pack(f"{order}IHHIIII", magic, 2, 4, 0, 0, 65535, link)
    for frame in frames:
        size = len(frame) if sent is None else sent
        content += struct.pack(f"{order}IIII", 1_700_000_000, fraction, len(frame), size) + frame
    return content
