"""RTM_NEWROUTE and RTM_DELROUTE messages (rtnetlink(7), linux/rtnetlink.h)."""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from flowexport_mgmt.wire.rtnetlink.messages import HEADER, number, read_attributes

ROUTE_INFO: Final = struct.Struct("=BBBBBBBBI")
"""rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, flags."""

DESTINATION, OUTPUT, GATEWAY, PRIORITY, MULTIPATH, TABLE, VIA, NEXTHOP = 1, 4, 5, 6, 9, 15, 18, 30

CLONED: Final = 0x200
"""The route is a copy for one destination, not of the table."""
UNUSABLE: Final = 0x01 | 0x10
"""The hop is dead, or its link is down."""

_VERSIONS: Final[dict[int, Literal[4, 6]]] = {2: 4, 10: 6}
_HOP: Final = struct.Struct("=HBBi")  # rtnexthop: length, flags, weight minus one, ifindex


class RouteKind(enum.IntEnum):
    """What is done with packets that a route is for (RTN_*)."""

    UNICAST = 1
    LOCAL = 2
    BROADCAST = 3
    ANYCAST = 4
    MULTICAST = 5
    BLACKHOLE = 6
    UNREACHABLE = 7
    PROHIBIT = 8
    THROW = 9


class Hop(NamedTuple):
    """A way on: interface, gateway of 4 or 16 octets or none, and its share."""

    ifindex: int
    gateway: bytes = b""
    weight: int = 1


class Path(NamedTuple):
    """What a route says but for its prefix.

    ``kind`` is a RouteKind, the lower ``metric`` is preferred. ``nexthop`` is the id of the nexthop
    object that says more where the route itself has no ``hops``, 0 for none.
    """

    kind: int
    metric: int = 0
    hops: tuple[Hop, ...] = ()
    nexthop: int = 0


class RouteMessage(NamedTuple):
    """A route: ``address`` is the number of its first address."""

    version: Literal[4, 6]
    table: int
    address: int
    length: int
    path: Path


def read_route(message: bytes) -> RouteMessage | None:
    """Read a message; None for a route that depends on more than table and destination.

    These are routes of a type of service or of a source prefix, and copies for one destination.
    Hops that cannot be used are left out, unless there is no other.
    """
    if len(message) < HEADER.size + ROUTE_INFO.size:
        return None
    info = ROUTE_INFO.unpack_from(message, HEADER.size)
    family, length, src_length, tos, table, _, _, kind, flags = info
    if family not in _VERSIONS or src_length or tos or flags & CLONED:
        return None
    found = read_attributes(message, HEADER.size + ROUTE_INFO.size)
    return RouteMessage(
        _VERSIONS[family],
        number(found[TABLE]) if TABLE in found else table,
        int.from_bytes(found.get(DESTINATION, b""), "big"),
        length,
        Path(
            kind,
            number(found.get(PRIORITY, b"")),
            _read_hops(found),
            number(found.get(NEXTHOP, b"")),
        ),
    )


def _read_hops(found: dict[int, bytes]) -> tuple[Hop, ...]:
    if MULTIPATH not in found:
        return (_read_hop(found, number(found[OUTPUT]), 1),) if OUTPUT in found else ()
    hops = list(_read_multipath(found[MULTIPATH]))
    usable = tuple(hop for hop, flags in hops if not flags & UNUSABLE)
    return usable or tuple(hop for hop, _ in hops)


def _read_multipath(value: bytes) -> Iterator[tuple[Hop, int]]:
    """Yield hops with their flags."""
    at = 0
    while at + _HOP.size <= len(value):
        length, flags, weight, ifindex = _HOP.unpack_from(value, at)
        if not _HOP.size <= length <= len(value) - at:
            return
        found = read_attributes(value[at : at + length], _HOP.size)
        yield _read_hop(found, ifindex, weight + 1), flags
        at += (length + 3) & ~3


def _read_hop(found: dict[int, bytes], ifindex: int, weight: int) -> Hop:
    """Read a hop; the gateway may be of the other family (RTA_VIA, after the family)."""
    return Hop(ifindex, found.get(GATEWAY) or found.get(VIA, b"")[2:], weight)
