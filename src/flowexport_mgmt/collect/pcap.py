"""UDP datagrams out of a classic capture file (libpcap's format, not pcapng)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final, NamedTuple

from flowexport_mgmt.collect.packets import read_link
from flowexport_mgmt.errors import DecodeError
from flowexport_mgmt.wire.messages import Source

_MAGICS: Final = {  # byte order, and nanoseconds in a unit of the fraction
    b"\xd4\xc3\xb2\xa1": ("<", 1_000),
    b"\xa1\xb2\xc3\xd4": (">", 1_000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}
_PCAPNG: Final = b"\x0a\x0d\x0d\x0a"
_HEADER_SIZE: Final = 24
_MAX_PACKET: Final = 262_144  # libpcap's own bound


class Header(NamedTuple):
    """What a capture says of its packets: byte order, nanoseconds a unit of time, link type."""

    order: str
    unit: int
    link: int


class Captured(NamedTuple):
    """A captured UDP datagram."""

    time_ns: int
    source: Source
    port: int
    payload: bytes


def read_header(file: BinaryIO) -> Header:
    """Read the head of a capture.

    Raises:
        DecodeError: the file is none.
    """
    head = file.read(_HEADER_SIZE)
    if head[:4] == _PCAPNG:
        raise DecodeError("capture", "is pcapng; convert it with: editcap -F pcap")
    if head[:4] not in _MAGICS or len(head) < _HEADER_SIZE:
        raise DecodeError("capture", "is not a capture in pcap format")
    order, unit = _MAGICS[head[:4]]
    (link,) = struct.unpack(f"{order}I", head[20:])
    return Header(order, unit, link & 0xFFFF)  # the upper half tells of frame check sequences


def read_packets(
    file: BinaryIO, header: Header, report: Callable[[str, DecodeError], None]
) -> Iterator[Captured]:
    """Yield the UDP datagrams of a capture.

    ``report`` gets the place and the fault of packets that hold a datagram which cannot be had,
    and of the file's end when it is damaged. Packets are numbered from 1, as other tools do.
    """
    record = struct.Struct(f"{header.order}IIII")  # seconds, fraction, octets here, octets sent
    number, at = 0, _HEADER_SIZE
    while head := file.read(record.size):
        number += 1
        place = f"packet {number}"
        seconds, fraction, length, sent = (
            record.unpack(head) if len(head) == record.size else (0, 0, 0, 0)
        )
        data = file.read(length) if length <= _MAX_PACKET else b""
        if len(head) < record.size or len(data) < length:
            report(place, DecodeError("capture", "the file is damaged or cut off here", at))
            return
        try:
            datagram = read_link(header.link, data)
        except DecodeError as fault:
            cut = DecodeError("capture-truncated", f"{len(data)} of {sent} octets captured")
            report(place, cut if len(data) < sent else fault)
        else:
            if datagram is not None:
                time_ns = seconds * 1_000_000_000 + fraction * header.unit
                yield Captured(time_ns, datagram.source, datagram.port, datagram.payload)
        at += record.size + length
