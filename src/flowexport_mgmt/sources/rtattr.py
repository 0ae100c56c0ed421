"""RTM_NEWLINK messages taken apart (rtnetlink(7), linux/if_link.h)."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final, NamedTuple

from flowexport_mgmt.sources.links import Link
from flowexport_mgmt.sources.sysfs import LinkSettings
from flowexport_mgmt.wire.rtnetlink.messages import iterate_attributes, read_attributes

BODY: Final = 16
"""Octets of the netlink header, which differs from dump to dump."""

_INFO = struct.Struct("=BxHiII")  # ifinfomsg: family, device type, index, flags, change
_UINT32 = struct.Struct("=I")

_ADDRESS, _NAME, _LINK, _STATS, _MASTER, _OPERSTATE = 1, 3, 5, 7, 10, 16
_LINKINFO, _ALIAS, _STATS64, _PROMISCUITY, _LINK_NETNSID = 18, 20, 23, 30, 37
_INFO_KIND = 1


class Layout(NamedTuple):
    """Where the counters of a message stand, in octets from its begin.

    The 64-bit statistics are ``size`` octets at ``counters``. Between ``begin`` and ``end`` stand
    all statistics, so that what is outside changes only when the interface itself does.
    """

    counters: int
    size: int
    begin: int
    end: int


def ifindex_at(data: bytes, begin: int) -> int:
    """Read the ifindex of the message that begins at ``begin``."""
    index: int = _INFO.unpack_from(data, begin + BODY)[2]
    return index


def find_counters(message: bytes) -> Layout | None:
    """Find the statistics of a message; None where it has no 64-bit ones."""
    places = {
        kind: (begin, end)
        for kind, begin, end in iterate_attributes(message, BODY + _INFO.size)
        if kind in (_STATS, _STATS64)
    }
    if _STATS64 not in places:
        return None
    begin, end = places[_STATS64]
    return Layout(
        counters=begin,
        size=end - begin,
        begin=min(place[0] for place in places.values()),
        end=max(place[1] for place in places.values()),
    )


def find_name(message: bytes) -> str:
    """Read the name of the interface."""
    return next(
        (
            _text(message[begin:end])
            for kind, begin, end in iterate_attributes(message, BODY + _INFO.size)
            if kind == _NAME
        ),
        "",
    )


def describe(message: bytes, settings: LinkSettings) -> Link:
    """Make a Link of a message and of what sysfs says."""
    _, device_type, ifindex, flags, _ = _INFO.unpack_from(message, BODY)
    found = read_attributes(message, BODY + _INFO.size)
    kind = _text(read_attributes(found.get(_LINKINFO, b"")).get(_INFO_KIND, b""))
    return Link(
        ifindex=ifindex,
        name=_text(found.get(_NAME, b"")),
        alias=_text(found.get(_ALIAS, b"")),
        kind=kind,
        device_type=device_type,
        flags=flags,
        operstate=found.get(_OPERSTATE, b"\0")[0],
        promiscuity=_number(found.get(_PROMISCUITY, b"")),
        address=found.get(_ADDRESS, b"").hex(":"),
        lower=_lower(ifindex, kind, found),
        master=_number(found.get(_MASTER, b"")),
        settings=settings,
    )


def _lower(ifindex: int, kind: str, found: Mapping[int, bytes]) -> int:
    """Read what the interface stands on: not a veth's peer, nor one of another namespace."""
    if kind == "veth" or _LINK_NETNSID in found:
        return 0
    lower = _number(found.get(_LINK, b""))
    return 0 if lower == ifindex else lower


def _text(value: bytes) -> str:
    return value.rstrip(b"\0").decode("utf-8", "replace")


def _number(value: bytes) -> int:
    number: int = _UINT32.unpack_from(value)[0] if len(value) >= _UINT32.size else 0
    return number
