from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.captures import (
    COOKED,
    COOKED2,
    ETHERNET,
    MICROSECONDS,
    NANOSECONDS,
    PAYLOAD,
    RAW,
    capture,
    ethernet,
    ipv4,
    ipv6,
    udp,
)

from flowexport_mgmt.collect.pcap import Captured, read_header, read_packets
from flowexport_mgmt.errors import DecodeError

EXPECTED = [(("192.0.2.7", 40_000), 6343, PAYLOAD)]
EXPECTED_V6 = [(("2001:db8::7", 40_000), 6343, PAYLOAD)]


def read(content: bytes) -> tuple[list[Captured], list[tuple[str, str]]]:
    """Read datagrams and faults of a capture."""
    file = io.BytesIO(content)
    faults: list[tuple[str, str]] = []

    def report(place: str, fault: DecodeError) -> None:
        faults.append((place, fault.code))

    return list(read_packets(file, read_header(file), report)), faults


def datagrams(content: bytes) -> list[tuple[tuple[str, int], int, bytes]]:
    packets, faults = read(content)
    assert faults == []
    return [(packet.source, packet.port, packet.payload) for packet in packets]


@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
@pytest.mark.parametrize(
    ("magic", "fraction"), [(MICROSECONDS, 250_000), (NANOSECONDS, 250_000_000)], ids=["us", "ns"]
)
def test_both_byte_orders_and_units_of_time(order: str, magic: int, fraction: int) -> None:
    content = capture(ipv4(udp()), order=order, magic=magic, fraction=fraction)
    ((packet,), faults) = read(content)
    assert faults == []
    assert packet == Captured(1_700_000_000_250_000_000, ("192.0.2.7", 40_000), 6343, PAYLOAD)


@pytest.mark.parametrize(
    ("link", "frame"),
    [
        (ETHERNET, ethernet(ipv4(udp()))),
        (ETHERNET, ethernet(ipv4(udp()), tag=b"\x81\x00\x00\x05")),
        (ETHERNET, ethernet(ipv4(udp())) + bytes(6)),
        (RAW, ipv4(udp())),
        (RAW, ipv4(udp(), options=bytes(8))),
        (COOKED, bytes(14) + b"\x08\x00" + ipv4(udp())),
        (COOKED2, b"\x08\x00" + bytes(18) + ipv4(udp())),
    ],
    ids=["ethernet", "vlan", "trailer", "raw", "options", "cooked", "cooked2"],
)
def test_link_types(link: int, frame: bytes) -> None:
    assert datagrams(capture(frame, link=link)) == EXPECTED


def test_ipv6_and_its_extension_headers() -> None:
    extended = bytes([60, 0]) + bytes(6) + bytes([17, 1]) + bytes(14) + udp()
    for frame in (ipv6(udp()), ipv6(extended, following=0)):
        assert datagrams(capture(frame)) == EXPECTED_V6
    tagged = ethernet(ipv6(udp()), 0x86DD)
    assert datagrams(capture(tagged, link=ETHERNET)) == EXPECTED_V6


def test_what_is_no_udp_is_passed_over() -> None:
    arp, tcp = ethernet(bytes(28), 0x0806), ethernet(ipv4(bytes(20), protocol=6))
    content = capture(arp, tcp, ethernet(ipv6(bytes(20), 6), 0x86DD), link=ETHERNET)
    assert read(content) == ([], [])


@pytest.mark.parametrize(
    "frame",
    [
        ipv4(udp(), fragment=0x2000),
        ipv4(bytes(16), fragment=0x0005),
        ipv6(bytes([17, 0, 0, 1]) + bytes(4) + udp(), following=44),
    ],
    ids=["first", "further", "ipv6"],
)
def test_fragments_are_reported(frame: bytes) -> None:
    assert read(capture(ipv4(udp()), frame))[1] == [("packet 2", "ip-fragment")]


@pytest.mark.parametrize(
    "frame",
    [ipv4(udp())[:30], ipv4(udp(length=99)), ipv4(udp(length=7)), ipv6(udp())[:30], b"", b"\x45"],
)
def test_cut_off_packets_are_reported(frame: bytes) -> None:
    assert read(capture(frame)) == ([], [("packet 1", "packet-truncated")])


def test_packets_that_the_capture_cut_say_so() -> None:
    content = capture(ipv4(udp())[:25], sent=500)
    assert read(content) == ([], [("packet 1", "capture-truncated")])


def test_an_unknown_link_type_is_reported() -> None:
    assert read(capture(bytes(60), link=147))[1] == [("packet 1", "link-type")]


@pytest.mark.parametrize(
    "tail",
    [b"\x01", struct.pack("<IIII", 0, 0, 50, 50) + b"x", struct.pack("<IIII", 0, 0, 2**31, 0)],
)
def test_a_damaged_end_is_reported_after_what_is_sound(tail: bytes) -> None:
    packets, faults = read(capture(ipv4(udp())) + tail)
    assert [packet.payload for packet in packets] == [PAYLOAD]
    assert faults == [("packet 2", "capture")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a capture"),
        (b"\xd4\xc3\xb2\xa1" + bytes(10), "not a capture"),
        (bytes(40), "not a capture"),
        (b"\x0a\x0d\x0d\x0a" + bytes(40), "editcap"),
    ],
)
def test_other_files_are_refused(content: bytes, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        read_header(io.BytesIO(content))


@given(st.sampled_from([1, 12, 101, 113, 228, 276]), st.lists(st.binary(max_size=80), max_size=4))
def test_any_frames(link: int, frames: list[bytes]) -> None:
    packets, faults = read(capture(*frames, link=link))
    assert len(packets) + len(faults) <= len(frames)


@given(st.binary(max_size=200))
def test_any_records(body: bytes) -> None:
    packets, faults = read(capture() + body)
    assert len(packets) + len(faults) <= 1 + len(body) // 16


@pytest.mark.parametrize("link", [ETHERNET, RAW, COOKED, COOKED2])
@pytest.mark.parametrize("frame", [ipv4(udp()), ipv6(udp())], ids=["ipv4", "ipv6"])
def test_packets_of_any_length_are_had_or_reported(link: int, frame: bytes) -> None:
    whole = ethernet(frame, 0x0800 if frame[0] >> 4 == 4 else 0x86DD) if link == ETHERNET else frame
    for size in range(len(whole)):
        packets, faults = read(capture(whole[:size], link=link))
        assert len(packets) + len(faults) <= 1
