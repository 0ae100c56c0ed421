"""From a captured frame to the UDP payload in it."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from flowexport_mgmt.errors import DecodeError
from flowexport_mgmt.wire.messages import Source

_UDP: Final = 17
_IPV4: Final = 0x0800
_IPV6: Final = 0x86DD
_VLAN_TAGS: Final = {0x8100, 0x88A8}
_FRAGMENT: Final = 44
_EXTENSIONS: Final = {0, 43, 60, 135}  # hop-by-hop, routing, destination options, mobility


@dataclass(frozen=True, slots=True)
class Datagram:
    """A UDP datagram and its ends."""

    source: Source
    port: int
    payload: bytes


def read_link(link: int, frame: bytes) -> Datagram | None:
    """Find the UDP datagram in a frame of a link type (tcpdump.org, link-layer header types).

    Returns:
        The datagram; None when the frame carries something else.

    Raises:
        DecodeError: the link type is not known, the packet is a fragment, or it is cut off.
    """
    reader = _LINKS.get(link)
    if reader is None:
        raise DecodeError("link-type", f"link type {link} is not known")
    try:
        return reader(frame)
    except (struct.error, IndexError, ipaddress.AddressValueError) as error:
        raise DecodeError("packet-truncated", f"{len(frame)} octets are too few") from error


def _read_ethernet(frame: bytes) -> Datagram | None:
    (type_,) = struct.unpack_from(">H", frame, 12)
    at = 14
    if type_ in _VLAN_TAGS:
        (type_,) = struct.unpack_from(">H", frame, 16)
        at = 18
    return _read_network(type_, frame, at)


def _read_cooked(frame: bytes) -> Datagram | None:
    return _read_network(struct.unpack_from(">H", frame, 14)[0], frame, 16)


def _read_cooked2(frame: bytes) -> Datagram | None:
    return _read_network(struct.unpack_from(">H", frame, 0)[0], frame, 20)


def _read_raw(frame: bytes) -> Datagram | None:
    return _read_network({4: _IPV4, 6: _IPV6}.get(frame[0] >> 4, 0), frame, 0)


def _read_network(type_: int, frame: bytes, at: int) -> Datagram | None:
    if type_ == _IPV4:
        return _read_ipv4(frame, at)
    return _read_ipv6(frame, at) if type_ == _IPV6 else None


def _read_ipv4(frame: bytes, at: int) -> Datagram | None:
    head, total, fragment, protocol = struct.unpack_from(">BxH2xHxB", frame, at)
    if protocol != _UDP:
        return None
    if fragment & 0x3FFF:  # offset, or more fragments
        raise DecodeError("ip-fragment", "a fragment; its datagram cannot be decoded", at)
    source = str(ipaddress.IPv4Address(frame[at + 12 : at + 16]))
    return _read_udp(frame, at + 4 * (head & 15), at + total, source)


def _read_ipv6(frame: bytes, at: int) -> Datagram | None:
    length, following = struct.unpack_from(">HB", frame, at + 4)
    end = at + 40 + length
    address = frame[at + 8 : at + 24]
    at += 40
    while following in _EXTENSIONS:
        following, words = struct.unpack_from(">BB", frame, at)
        at += 8 * (words + 1)
    if following == _FRAGMENT:
        raise DecodeError("ip-fragment", "a fragment; its datagram cannot be decoded", at)
    if following != _UDP:
        return None
    return _read_udp(frame, at, end, str(ipaddress.IPv6Address(address)))


def _read_udp(frame: bytes, at: int, end: int, source: str) -> Datagram:
    source_port, port, length = struct.unpack_from(">HHH", frame, at)
    if not 8 <= length <= end - at or end > len(frame):
        raise DecodeError("packet-truncated", f"UDP length {length}", at + 4)
    return Datagram((source, source_port), port, frame[at + 8 : at + length])


_LINKS: Final[dict[int, Callable[[bytes], Datagram | None]]] = {
    1: _read_ethernet,
    12: _read_raw,
    14: _read_raw,
    101: _read_raw,
    113: _read_cooked,
    228: _read_raw,
    229: _read_raw,
    276: _read_cooked2,
}
