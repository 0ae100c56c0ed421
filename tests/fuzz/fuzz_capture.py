"""Captures that strangers wrote."""

from __future__ import annotations

import io
from collections.abc import Iterator

from tests.support.captures import ETHERNET, capture, ethernet, ipv4, ipv6, udp

from flowexport_mgmt.collect.pcap import read_header, read_packets
from flowexport_mgmt.errors import DecodeError


def seeds() -> Iterator[bytes]:
    """Give a capture of both address families."""
    for order in "<>":
        yield capture(ipv4(udp()), ipv6(udp()), order=order)
        frames = (ethernet(ipv4(udp(), options=bytes(4))), ethernet(ipv6(udp()), 0x86DD))
        yield capture(*frames, link=ETHERNET, order=order)


def run(data: bytes) -> None:
    """Read a capture: what is no datagram is reported."""
    reports: list[DecodeError] = []
    file = io.BytesIO(data)
    try:
        header = read_header(file)
    except DecodeError:
        return
    found = list(read_packets(file, header, lambda _, fault: reports.append(fault)))
    assert all(isinstance(fault, DecodeError) for fault in reports)
    assert sum(len(each.payload) for each in found) <= len(data)
    assert len(found) + len(reports) <= 1 + len(data) // 16
