"""The kernel's routing tables as they are kept here, and changed as the kernel tells."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.enrich.prefix_ranges import Numbers
from flowexport_mgmt.enrich.prefixes import NO_VALUE, Change, Lookup, Prefixes, Version
from flowexport_mgmt.wire.rtnetlink import Hop, Path, RouteMessage, Routes

_MOST_SLOTS: Final = 256
"""Slots that the weights of a route's hops are brought to at most."""

_REPLACE: Final = 0x100  # flags of messages that tell of a new route (netlink(7))
_APPEND: Final = 0x800

TableKey = tuple[Version, int]


class PathColumns(NamedTuple):
    """Paths as columns.

    ``kind`` (a RouteKind), ``begin`` and ``hops`` have one entry per path, and say which of the
    slots are its; a hop of twice the weight has twice the slots. The other columns have one entry
    per slot: ifindex, gateway (0 for none and for one of the other family) and its octets. The
    last path and slot stand for none.
    """

    kind: Numbers
    begin: Numbers
    hops: Numbers
    ifindex: NDArray[np.uint32]
    gateway4: NDArray[np.uint32]
    gateway6: NDArray[np.uint64]
    gateways: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class TablesView:
    """All tables at one instant."""

    tables: Mapping[TableKey, Lookup]
    paths: PathColumns


class RouteTables:
    """Routes by family and table; one thread changes them.

    The values of the prefixes are positions of paths, which many routes share. Of routes with the
    same prefix the one with the lowest metric counts; what else there is for such a prefix is not
    kept, so its end is a reason to read all tables again.
    """

    def __init__(self, nexthops: Mapping[int, tuple[Hop, ...]]) -> None:
        """Begin without routes; ``nexthops`` are the hops of nexthop objects by id."""
        self._nexthops = nexthops
        self._tables: dict[TableKey, Prefixes] = {}
        self._shared: set[tuple[TableKey, int, int]] = set()
        self._positions: dict[Path, int] = {}
        self._paths: list[Path] = []
        self._columns = _make_columns([], {})
        self._changed: set[TableKey] = set()

    def count(self, version: Version) -> int:
        """Count the prefixes of a family."""
        return sum(len(table) for key, table in self._tables.items() if key[0] == version)

    def load(self, version: Version, routes: Routes) -> None:
        """Take all routes of a family, of which there are none yet."""
        positions = np.array([self._position(path) for path in routes.paths], np.int64)
        metrics = np.array([path.metric for path in routes.paths], np.int64)
        # Of equal prefixes the last counts: the lowest metric, of which the first in the table.
        order = np.arange(len(routes.path))[::-1]
        order = order[np.argsort(-metrics[routes.path][order], kind="stable")]
        for table in np.unique(routes.tables).tolist():
            rows = order[routes.tables[order] == table]
            prefixes = Prefixes(version)
            superseded = rows[
                prefixes.load(
                    routes.addresses[rows], routes.lengths[rows], positions[routes.path[rows]]
                )
            ]
            key = (version, table)
            self._tables[key] = prefixes
            for address, length in zip(
                routes.addresses[superseded].tolist(),
                routes.lengths[superseded].tolist(),
                strict=True,
            ):
                self._shared.add((key, _number(address), length))

    def add(self, route: RouteMessage, flags: int) -> None:
        """Take a new or changed route; ``flags`` are those of the message."""
        key = (route.version, route.table)
        table = self._tables.setdefault(key, Prefixes(route.version))
        known = table.get(route.address, route.length)
        if known != NO_VALUE and self._is_beside(route, self._paths[known], flags):
            self._shared.add((key, route.address, route.length))
            if not self._is_preferred(route.path, self._paths[known], flags):
                return
        table.update([Change(route.address, route.length, self._position(route.path))])
        self._changed.add(key)

    def remove(self, route: RouteMessage) -> bool:
        """Forget a route; tell whether that is all. If it is not, all is to be read again."""
        key = (route.version, route.table)
        table = self._tables.get(key)
        known = NO_VALUE if table is None else table.get(route.address, route.length)
        if table is None or known == NO_VALUE:
            return True
        is_shared = (key, route.address, route.length) in self._shared
        if is_shared or self._position(route.path) != known:
            return False
        table.update([Change(route.address, route.length, NO_VALUE)])
        self._changed.add(key)
        return True

    def view(self) -> TablesView:
        """Give all tables as they are now."""
        for key in self._changed:
            self._tables[key].publish()
        self._changed.clear()
        if len(self._columns.kind) != len(self._paths) + 1:
            self._columns = _make_columns(self._paths, self._nexthops)
        tables = {key: table.current for key, table in self._tables.items() if len(table)}
        return TablesView(tables, self._columns)

    def _is_beside(self, route: RouteMessage, known: Path, flags: int) -> bool:
        """Tell whether the kernel keeps the known route of the same prefix too."""
        if route.path.metric != known.metric:
            return True
        return route.version == 4 and not flags & _REPLACE and route.path != known

    def _is_preferred(self, path: Path, known: Path, flags: int) -> bool:
        if path.metric != known.metric:
            return path.metric < known.metric
        return not flags & _APPEND

    def _position(self, path: Path) -> int:
        position = self._positions.setdefault(path, len(self._paths))
        if position == len(self._paths):
            self._paths.append(path)
        return position


def _number(address: int | list[int]) -> int:
    return address if isinstance(address, int) else address[0] << 64 | address[1]


def _make_columns(paths: list[Path], nexthops: Mapping[int, tuple[Hop, ...]]) -> PathColumns:
    hops = [_spread(path.hops or nexthops.get(path.nexthop, ())) for path in paths]
    counts = np.array([*map(len, hops), 1], np.int64)
    slots = [hop for each in hops for hop in each] + [Hop(0)]
    padded = [hop.gateway.rjust(16, b"\0") for hop in slots]
    gateway6 = np.frombuffer(b"".join(padded), ">u8").reshape(-1, 2).astype(np.uint64)
    is_4 = np.array([len(hop.gateway) == 4 for hop in slots])
    return PathColumns(
        kind=np.array([*(path.kind for path in paths), 0], np.int64),
        begin=np.cumsum(counts) - counts,
        hops=counts,
        ifindex=np.array([hop.ifindex for hop in slots], np.uint32),
        gateway4=np.where(is_4, gateway6[:, 1], 0).astype(np.uint32),
        gateway6=np.where(is_4[:, None], 0, gateway6).astype(np.uint64),
        gateways=tuple(hop.gateway for hop in slots),
    )


def _spread(hops: tuple[Hop, ...]) -> list[Hop]:
    """Repeat hops by their weights; a path without any gets a slot that says nothing."""
    if not hops:
        return [Hop(0)]
    unit = max(
        math.gcd(*(hop.weight for hop in hops)), sum(hop.weight for hop in hops) // _MOST_SLOTS
    )
    return [hop for hop in hops for _ in range(max(1, hop.weight // unit))]
