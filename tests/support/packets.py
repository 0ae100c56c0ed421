"""Packets that no ordinary socket sends: echo requests with a chosen id, and SCTP."""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv4Address, ip_address

import numpy as np

ICMP_OCTETS = 28
"""IP and ICMP headers of an echo request over IPv4."""

_SCTP = 132
_INIT, _INIT_ACK, _COOKIE_ECHO, _COOKIE_ACK = 1, 2, 10, 11
SCTP_HANDSHAKE = ((_INIT, True), (_INIT_ACK, False), (_COOKIE_ECHO, True), (_COOKIE_ACK, False))
"""Chunks of a set-up, and whether the one who asks sends them."""


def ping(address: str, ident: int, count: int = 1, size: int = 56) -> None:
    """Send echo requests with ``size`` octets after the header; nobody waits for answers."""
    if ip_address(address).version == 6:
        family, protocol, kind = socket.AF_INET6, socket.getprotobyname("ipv6-icmp"), 128
    else:
        family, protocol, kind = socket.AF_INET, socket.IPPROTO_ICMP, 8
    with socket.socket(family, socket.SOCK_RAW, protocol) as raw:
        for sequence in range(count):
            body = struct.pack("!BBHHH", kind, 0, 0, ident, sequence) + bytes(size)
            if family == socket.AF_INET:  # the kernel does it for IPv6
                body = body[:2] + _checksum(body).to_bytes(2, "big") + body[4:]
            raw.sendto(body, (address, 0))


def send_sctp(source: str, target: str, ports: tuple[int, int], chunk: int) -> int:
    """Send one SCTP packet with one chunk; give its length with the IP header.

    Its checksum is 0: who tracks it must not check it.
    """
    tag = 0 if chunk == _INIT else 7
    value = struct.pack("!IIHHI", 7, 65535, 1, 1, 1) if chunk in {_INIT, _INIT_ACK} else b"cook"
    packet = struct.pack("!HHII", *ports, tag, 0)
    packet += struct.pack("!BBH", chunk, 0, 4 + len(value)) + value
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, _SCTP) as raw:
        raw.bind((str(IPv4Address(source)), 0))
        raw.sendto(packet, (target, 0))
    return 20 + len(packet)


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def udp_packet(source: tuple[str, int], target: tuple[str, int]) -> bytes:
    """Write a UDP packet over IPv4 with ten octets of payload and no UDP checksum."""
    payload = 10
    return struct.pack(
        "!BBHHHBBH4s4sHHHH10s",
        *(0x45, 0, 28 + payload, 0, 0, 64, socket.IPPROTO_UDP, 0),
        *(IPv4Address(source[0]).packed, IPv4Address(target[0]).packed),
        *(source[1], target[1], 8 + payload, 0, bytes(payload)),
    )


def send_each(source: str, target: str, count: int, dport: int = 9) -> None:
    """Send one UDP packet over IPv4 from each of ``count`` ports and addresses from source on."""
    model = udp_packet((source, 0), (target, dport))
    packets = np.tile(np.frombuffer(model, np.uint8), (count, 1))
    numbers = np.arange(count)
    for place, values, kind in (
        (12, int(IPv4Address(source)) + numbers // 50_000, ">u4"),
        (20, 10_000 + numbers % 50_000, ">u2"),
    ):
        octets = values.astype(kind).view(np.uint8).reshape(count, -1)
        packets[:, place : place + octets.shape[1]] = octets
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
        for packet in packets:
            raw.sendto(packet, (target, 0))
