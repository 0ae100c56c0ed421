"""What samples say of routes: the extended router and gateway records (sFlow Version 5, 5.4)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from flowexport_mgmt.records.samples import Route

EXTENDED_ROUTER: Final = 1002
EXTENDED_GATEWAY: Final = 1003

_UNKNOWN_ADDRESS: Final = bytes(4)
_AS_SET, _AS_SEQUENCE = 1, 2
_PER_SAMPLE: Final = 0
"""Stands for what each sample brings itself: mask and autonomous systems of its source."""


class RouteRecords:
    """The records of each route, encoded once, and where samples put what is their own.

    All arrays have one entry per route and a last one, of no octets, for samples without a route
    (-1). ``at`` and ``sizes`` say where a route's records are in ``octets``; ``src_mask`` and
    ``src_as``, in octets from there, where the source's mask length and its autonomous system
    belong, after which its peer's stands; ``src_as`` is -1 for a route that came from no BGP table.
    """

    def __init__(self, routes: Sequence[Route], own_as: int, limit: int) -> None:
        """Encode routes in at most ``limit`` octets each, leaving out what does not fit."""
        chunks, counts, masks, systems = [], [], [], []
        for route in routes:
            records = list(_encode(route, own_as, limit))
            chunks.append(b"".join(records))
            counts.append(len(records))
            masks.append(len(records[0]) - 8)
            systems.append(_find_src_as(records))
        self.octets = np.frombuffer(b"".join(chunks), np.uint8)
        self.sizes = np.array([*map(len, chunks), 0], np.int64)
        self.at = np.cumsum(self.sizes) - self.sizes
        self.counts = np.array([*counts, 0], np.int64)
        self.src_mask = np.array([*masks, -1], np.int64)
        self.src_as = np.array([*systems, -1], np.int64)


def _encode(route: Route, own_as: int, limit: int) -> Iterator[bytes]:
    """Yield a route's records; communities go first when there is no room, then the gateway."""
    router = _record(
        EXTENDED_ROUTER,
        _address(route.next_hop) + struct.pack(">II", _PER_SAMPLE, route.dst_mask),
    )
    yield router
    if not route.gateway:
        return
    for communities in (route.communities, ()):
        gateway = _record(EXTENDED_GATEWAY, _encode_gateway(route, own_as, communities))
        if len(router) + len(gateway) <= limit:
            yield gateway
            return


def _encode_gateway(route: Route, own_as: int, communities: tuple[int, ...]) -> bytes:
    words = [own_as, _PER_SAMPLE, _PER_SAMPLE, len(route.as_path)]
    for is_sequence, systems in route.as_path:
        words += (_AS_SEQUENCE if is_sequence else _AS_SET, len(systems), *systems)
    words += (len(communities), *communities, route.local_pref)
    return _address(route.bgp_next_hop) + struct.pack(f">{len(words)}I", *words)


def _find_src_as(records: Sequence[bytes]) -> int:
    """Find the source's autonomous system: after record head, address and own number."""
    if len(records) == 1:
        return -1
    (address_type,) = struct.unpack_from(">I", records[1], 8)
    return len(records[0]) + 8 + (8 if address_type == 1 else 20) + 4


def _address(packed: bytes) -> bytes:
    packed = packed or _UNKNOWN_ADDRESS
    return struct.pack(">I", 1 if len(packed) == 4 else 2) + packed


def _record(format_: int, body: bytes) -> bytes:
    return struct.pack(">II", format_, len(body)) + body
