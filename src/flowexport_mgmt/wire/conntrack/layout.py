"""The layout of a ctnetlink message: where each value stands, and how to tell that it does.

The kernel writes the messages of alike entries alike, so what one message teaches holds for all
that have the same attribute headers at the same places. A message has a layout exactly when the
words of its headers are those that the layout was learned from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.errors import DecodeError
from flowexport_mgmt.wire.conntrack import numbers as n

MAX_LENGTH: Final = 1 << 15
"""Octets of a message at most; the kernel puts no more into one datagram of a dump."""

Words = NDArray[np.uint32]
Place = tuple[int, str]
"""Octet in the message, and numpy's name of the type that stands there."""

_Rule = tuple[str, str]  # name of the column, type of the value
_Rules = Mapping[int, "_Rule | _Nest"]


@dataclass(frozen=True, slots=True)
class _Nest:
    rules: _Rules


def _tuple(prefix: str) -> _Nest:
    """Name the columns of one direction's tuple."""
    addresses: dict[int, _Rule | _Nest] = {
        n.IP_V4_SRC: (f"{prefix}src", ">u4"),
        n.IP_V4_DST: (f"{prefix}dst", ">u4"),
        n.IP_V6_SRC: (f"{prefix}src", "V16"),
        n.IP_V6_DST: (f"{prefix}dst", "V16"),
    }
    ports: dict[int, _Rule | _Nest] = {
        n.PROTO_NUM: (f"{prefix}protocol", "u1"),
        n.PROTO_SRC_PORT: (f"{prefix}src_port", ">u2"),
        n.PROTO_DST_PORT: (f"{prefix}dst_port", ">u2"),
        n.PROTO_ICMP_ID: (f"{prefix}icmp_id", ">u2"),
        n.PROTO_ICMP_TYPE: (f"{prefix}icmp_type", "u1"),
        n.PROTO_ICMP_CODE: (f"{prefix}icmp_code", "u1"),
        n.PROTO_ICMPV6_ID: (f"{prefix}icmp_id", ">u2"),
        n.PROTO_ICMPV6_TYPE: (f"{prefix}icmp_type", "u1"),
        n.PROTO_ICMPV6_CODE: (f"{prefix}icmp_code", "u1"),
    }
    return _Nest(
        {
            n.TUPLE_IP: _Nest(addresses),
            n.TUPLE_PROTO: _Nest(ports),
            n.TUPLE_ZONE: (f"{prefix}zone", ">u2"),
        }
    )


def _counters(prefix: str) -> _Nest:
    return _Nest(
        {
            n.COUNTERS_PACKETS: (f"{prefix}packets", ">u8"),
            n.COUNTERS_OCTETS: (f"{prefix}octets", ">u8"),
            n.COUNTERS32_PACKETS: (f"{prefix}packets", ">u4"),
            n.COUNTERS32_OCTETS: (f"{prefix}octets", ">u4"),
        }
    )


_RULES: Final[_Rules] = {
    n.TUPLE_ORIG: _tuple(""),
    n.TUPLE_REPLY: _tuple("reply_"),
    n.STATUS: ("status", ">u4"),
    n.PROTOINFO: _Nest(
        {
            n.PROTOINFO_TCP: _Nest({n.PROTOINFO_STATE: ("tcp_state", "u1")}),
            n.PROTOINFO_SCTP: _Nest({n.PROTOINFO_STATE: ("sctp_state", "u1")}),
        }
    ),
    n.TIMEOUT: ("timeout", ">u4"),
    n.MARK: ("mark", ">u4"),
    n.COUNTERS_ORIG: _counters(""),
    n.COUNTERS_REPLY: _counters("reply_"),
    n.ID: ("id", ">u4"),
    n.ZONE: ("both_zone", ">u2"),
    n.TIMESTAMP: _Nest(
        {n.TIMESTAMP_START: ("start_ns", ">u8"), n.TIMESTAMP_STOP: ("stop_ns", ">u8")}
    ),
}
_REQUIRED: Final = ("src", "dst", "protocol", "reply_src", "reply_dst", "id")
_ADDRESS_TYPES: Final = {n.AF_INET: ">u4", n.AF_INET6: "V16"}


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the values of a message of ``length`` octets stand, by the names of the columns.

    ``kind`` is the message's type, CT_NEW of an entry and CT_DELETE of one that ended. ``mask`` and
    ``expected`` hold the message as words: those of message and attribute headers are given, the
    rest is free.
    """

    kind: int
    version: Literal[4, 6]
    length: int
    places: Mapping[str, Place]
    mask: Words
    expected: Words

    def match(self, words: Words) -> NDArray[np.bool_]:
        """Tell which messages have this layout; ``words`` has the shape (N, words)."""
        same = (words & self.mask) == self.expected
        if same.all():  # in one go, which is much faster than row by row
            return np.ones(len(words), np.bool_)
        by_row: NDArray[np.bool_] = same.all(axis=1)
        return by_row


def learn(message: bytes) -> Layout:
    """Walk one message, its padding included, and remember where everything stands.

    Raises:
        DecodeError: the message breaks netlink's rules, or lacks what every entry has.
    """
    walk = _Walk(message)
    places = walk.places
    family = message[n.HEADER.size]
    if family not in _ADDRESS_TYPES:
        raise DecodeError("address-family", f"{family} is no family of addresses", n.HEADER.size)
    for name in _REQUIRED:
        if name not in places:
            raise DecodeError("missing-attribute", f"{name} is missing", n.BODY)
    for name in ("src", "dst", "reply_src", "reply_dst"):
        if places[name][1] != _ADDRESS_TYPES[family]:
            raise DecodeError(
                "address-family", f"{name} is not of family {family}", places[name][0]
            )
    expected = np.frombuffer(message, np.uint32) & walk.mask
    version: Literal[4, 6] = 4 if family == n.AF_INET else 6
    return Layout(walk.kind, version, walk.length, places, walk.mask, expected)


class _Walk:
    """One message taken apart."""

    def __init__(self, message: bytes) -> None:
        if not n.BODY <= len(message) <= MAX_LENGTH or len(message) % 4:
            raise DecodeError("message-length", f"{len(message)} octets are no message")
        self.length, self.kind, *_ = n.HEADER.unpack_from(message)
        if not n.BODY <= self.length <= len(message) < self.length + 4:
            raise DecodeError("message-length", f"{self.length} in a message of {len(message)}")
        self.places: dict[str, Place] = {}
        octets = np.zeros(len(message), np.uint8)
        octets[:6] = 0xFF  # length and type, not the flags
        octets[n.HEADER.size] = 0xFF  # the address family
        self._octets = octets
        self._message = message
        self._walk(_RULES, n.BODY, self.length)

    @property
    def mask(self) -> Words:
        return self._octets.view(np.uint32)

    def _walk(self, rules: _Rules, begin: int, end: int) -> None:
        for kind, at, stop in self._attributes(begin, end):
            rule = rules.get(kind)
            if isinstance(rule, _Nest):
                self._walk(rule.rules, at, stop)
            elif rule is not None:
                self._place(rule, at, stop)

    def _attributes(self, begin: int, end: int) -> Iterator[tuple[int, int, int]]:
        """Yield type, begin and end of each value, and remember the headers."""
        while begin < end:
            if end - begin < n.ATTRIBUTE.size:
                raise DecodeError("trailing-octets", f"{end - begin} octets too many", begin)
            length, kind = n.ATTRIBUTE.unpack_from(self._message, begin)
            if not n.ATTRIBUTE.size <= length <= end - begin:
                raise DecodeError("attribute-length", f"an attribute of {length} octets", begin)
            self._octets[begin : begin + n.ATTRIBUTE.size] = 0xFF
            yield kind & n.TYPE_MASK, begin + n.ATTRIBUTE.size, begin + length
            begin += (length + 3) & ~3

    def _place(self, rule: _Rule, at: int, stop: int) -> None:
        name, kind = rule
        if name in self.places:
            raise DecodeError("duplicate-attribute", f"{name} stands here twice", at)
        if stop - at != np.dtype(kind).itemsize:
            raise DecodeError("attribute-length", f"{name} has {stop - at} octets", at)
        self.places[name] = at, kind
