"""A dump of routes as columns: messages of one layout are read together."""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.records.flows import Addresses
from flowexport_mgmt.wire.rtnetlink.messages import HEADER, iterate_attributes
from flowexport_mgmt.wire.rtnetlink.routes import (
    CLONED,
    DESTINATION,
    GATEWAY,
    MULTIPATH,
    NEXTHOP,
    OUTPUT,
    PRIORITY,
    ROUTE_INFO,
    TABLE,
    UNUSABLE,
    VIA,
    Path,
    read_route,
)

Words = NDArray[np.uint32]
Numbers = NDArray[np.int64]

_INFO_WORDS: Final = slice(HEADER.size // 4, (HEADER.size + ROUTE_INFO.size) // 4)
_INFO_MASK: Final = np.array(
    [
        *np.frombuffer(
            b"\xff\x00\xff\xff\xff\x00\x00\xff", np.uint32
        ),  # not length, protocol, scope
        CLONED | UNUSABLE,
    ],
    np.uint32,
)
_TELLING: Final = frozenset((OUTPUT, GATEWAY, PRIORITY, MULTIPATH, TABLE, VIA, NEXTHOP))
_MIX: Final = np.uint64(0x9E3779B97F4A7C15)


class Routes(NamedTuple):
    """Routes as columns: table, address, prefix length, and the position of the path."""

    tables: Numbers
    addresses: Addresses
    lengths: Numbers
    path: Numbers
    paths: tuple[Path, ...]


class _Part(NamedTuple):
    tables: Numbers
    addresses: Addresses
    lengths: Numbers
    path: Numbers


def read_routes(version: Literal[4, 6], data: bytes, begins: Numbers, ends: Numbers) -> Routes:
    """Read RTM_NEWROUTE messages of one family; see `read_route` for what is left out.

    A kernel without IPv6 answers with its IPv4 routes when it is asked for those of IPv6: what is
    of another family is left out too.

    Args:
        version: 4 or 6.
        data: datagrams of a dump, one behind the other, each a multiple of four octets.
        begins: where messages begin.
        ends: where they end.
    """
    words = np.frombuffer(data + bytes(-len(data) % 4), np.uint32)
    paths: list[Path] = []
    parts = [_make_empty(version)]
    sizes = ends - begins
    for size in np.unique(sizes):
        rows = begins[sizes == size] // 4
        matrix = words[rows[:, None] + np.arange((int(size) + 3) // 4)]
        while len(matrix):
            heads = _find_heads(matrix[0].tobytes())
            alike = (matrix[:, heads] == matrix[0, heads]).all(axis=1)
            part = _read_alike(version, matrix[alike], paths)
            parts += [part] if part is not None else []
            matrix = matrix[~alike]
    tables, addresses, lengths, path = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    return Routes(tables, addresses, lengths, path, tuple(paths))


def _make_empty(version: int) -> _Part:
    addresses = np.zeros(0, np.uint32) if version == 4 else np.zeros((0, 2), np.uint64)
    return _Part(_none(), addresses, _none(), _none())


def _find_heads(message: bytes) -> list[int]:
    """Find the words that say where attributes are."""
    found = iterate_attributes(message, HEADER.size + ROUTE_INFO.size)
    return [begin // 4 - 1 for _, begin, _ in found]


def _read_alike(version: int, matrix: Words, paths: list[Path]) -> _Part | None:
    """Read messages whose attributes have the same places; each path once."""
    places = {
        kind: slice(begin // 4, (end + 3) // 4)
        for kind, begin, end in iterate_attributes(
            matrix[0].tobytes(), HEADER.size + ROUTE_INFO.size
        )
    }
    info = matrix[:, _INFO_WORDS]
    telling = [info & _INFO_MASK, *(matrix[:, places[kind]] for kind in places.keys() & _TELLING)]
    first, which = _find_distinct(np.hstack(telling))
    tables = np.full(len(first), -1, np.int64)
    position = np.zeros(len(first), np.int64)
    for place, row in enumerate(first.tolist()):
        route = read_route(matrix[row].tobytes())
        if route is not None and route.version == version:
            tables[place], position[place] = route.table, len(paths)
            paths.append(route.path)
    kept = tables[which] >= 0
    if not kept.any():
        return None
    lengths = np.ascontiguousarray(info[:, :1]).view(np.uint8)[:, 1].astype(np.int64)
    addresses = _read_addresses(version, matrix, places.get(DESTINATION))
    return _Part(tables[which][kept], addresses[kept], lengths[kept], position[which][kept])


def _read_addresses(version: int, matrix: Words, place: slice | None) -> NDArray[Any]:
    count = len(matrix)
    if version == 4:
        if place is None:
            return np.zeros(count, np.uint32)
        return np.ascontiguousarray(matrix[:, place]).view(">u4")[:, 0].astype(np.uint32)
    if place is None:
        return np.zeros((count, 2), np.uint64)
    return np.ascontiguousarray(matrix[:, place]).view(">u8").astype(np.uint64)


def _find_distinct(rows: Words) -> tuple[Numbers, Numbers]:
    """Find rows that differ: where each is first, and which of these each row is like."""
    mixed = np.zeros(len(rows), np.uint64)
    for column in rows.T:
        mixed = (mixed ^ column) * _MIX
        mixed ^= mixed >> np.uint64(29)
    _, first, which = np.unique(mixed, return_index=True, return_inverse=True)
    if not np.array_equal(rows[first][which], rows):  # different rows, the same mixture
        _, first, which = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    return first, which.reshape(-1)


def _none() -> Numbers:
    return np.zeros(0, np.int64)
