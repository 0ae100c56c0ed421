"""First octets of packets taken apart."""

from __future__ import annotations

import ipaddress
import struct
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests.support.sampled import ethernet, icmp, ipv4, ipv6, sample, tagged, tcp, udp

from flowexport_mgmt.records.flows import Addresses
from flowexport_mgmt.wire.packets import PacketColumns, dissect


def only(*frames: bytes, **columns: Any) -> PacketColumns:
    (found,) = dissect(sample(*frames, **columns))
    return found


def text(addresses: Addresses) -> list[str]:
    if addresses.ndim == 1:
        return [str(ipaddress.IPv4Address(int(each))) for each in addresses]
    return [str(ipaddress.IPv6Address(int(hi) << 64 | int(lo))) for hi, lo in addresses]


def test_ipv4_over_ethernet() -> None:
    found = only(
        ethernet(ipv4("10.0.0.1", "10.0.0.2", 6, tcp(1234, 443, flags=0x12), tos=0x2E)),
        ethernet(ipv4("10.0.0.3", "10.0.0.4", 17, udp(53, 5353), options=8)),
        ethernet(ipv4("10.0.0.5", "10.0.0.6", 1, icmp(8, 0))),
        ethernet(ipv4("10.0.0.7", "10.0.0.8", 17, udp(7, 8), fragment=100)),
    )
    assert found.version == 4
    assert text(found.src) == ["10.0.0.1", "10.0.0.3", "10.0.0.5", "10.0.0.7"]
    assert text(found.dst) == ["10.0.0.2", "10.0.0.4", "10.0.0.6", "10.0.0.8"]
    assert found.protocol.tolist() == [6, 17, 1, 17]
    assert found.src_port.tolist() == [1234, 53, 0, 0]
    assert found.dst_port.tolist() == [443, 5353, 0, 0]
    assert found.tcp_flags.tolist() == [0x12, 0, 0, 0]
    assert found.icmp.tolist() == [0, 0, 0x0800, 0]
    assert found.tos.tolist() == [0x2E, 0, 0, 0]
    assert found.station.tolist() == [0x020000000002] * 4


def test_ipv6_and_its_extensions() -> None:
    routing = bytes([60, 2]) + bytes(22)
    options = bytes([6, 0]) + bytes(6)
    first = bytes([17, 0]) + struct.pack(">HI", 1, 9)
    later = bytes([17, 0]) + struct.pack(">HI", 8 << 3, 9)
    found = only(
        ethernet(ipv6("fd00::1", "fd00::2", 6, tcp(1, 2, flags=2), traffic_class=0x48)),
        ethernet(ipv6("fd00::1", "fd00::2", 43, routing + options + tcp(3, 4, flags=0x11))),
        ethernet(ipv6("fd00::1", "fd00::2", 44, first + udp(5, 6))),
        ethernet(ipv6("fd00::1", "fd00::2", 44, later + udp(7, 8))),
        ethernet(ipv6("fd00::1", "fd00::2", 58, icmp(129, 1))),
    )
    assert found.version == 6
    assert text(found.src) == ["fd00::1"] * 5
    assert text(found.dst) == ["fd00::2"] * 5
    assert found.protocol.tolist() == [6, 6, 17, 17, 58]
    assert found.src_port.tolist() == [1, 3, 5, 0, 0]
    assert found.dst_port.tolist() == [2, 4, 6, 0, 0]
    assert found.tcp_flags.tolist() == [2, 0x11, 0, 0, 0]
    assert found.icmp.tolist() == [0, 0, 0, 0, 129 << 8 | 1]
    assert found.tos.tolist() == [0x48, 0, 0, 0, 0]


def test_tags_and_packets_without_a_frame() -> None:
    packet = ipv4("10.0.0.1", "10.0.0.2", 17, udp(1, 2))
    found = only(tagged(packet, 100), tagged(packet, 200, 300), ethernet(packet))
    assert found.vlan.tolist() == [100, 200, 0]
    assert found.dst_port.tolist() == [2, 2, 2]
    found = only(packet, header_protocol=11)
    assert (found.dst_port.tolist(), found.station.tolist()) == ([2], [0])
    found = only(ipv6("::1", "::2", 17, udp(1, 2)), header_protocol=12)
    assert found.dst_port.tolist() == [2]


def test_what_is_no_ip_is_left_out() -> None:
    packet = ipv4("10.0.0.1", "10.0.0.2", 17, udp(1, 2))
    arp = ethernet(bytes(28), ethertype=0x0806)
    wrong = ethernet(packet, ethertype=0x86DD)
    found = only(arp, ethernet(packet), wrong, ethernet(packet)[:33], b"", b"\0")
    assert found.rows.tolist() == [1]
    assert list(dissect(sample(arp))) == []


def test_what_is_cut_off_is_not_known() -> None:
    frame = ethernet(ipv4("10.0.0.1", "10.0.0.2", 6, tcp(1, 2, flags=0xFF)))
    found = only(frame, frame[:38], frame[:36], frame[:34])
    assert found.src_port.tolist() == [1, 1, 1, 0]
    assert found.dst_port.tolist() == [2, 2, 0, 0]
    assert found.tcp_flags.tolist() == [0xFF, 0, 0, 0]


@given(st.lists(st.binary(max_size=128), min_size=1, max_size=20), st.integers(1, 12))
def test_any_octets_do(frames: list[bytes], header_protocol: int) -> None:
    batch = sample(*frames, header_protocol=header_protocol)
    for found in dissect(batch):
        assert len(found.rows) == len(found.src) == len(found.icmp)
        assert np.isin(found.rows, np.arange(len(frames))).all()
