"""The way of packets through the kernel's tables, for many addresses at the same time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.enrich.prefix_ranges import WIDTHS, Numbers
from flowexport_mgmt.enrich.prefixes import NO_VALUE, Lookup, Version
from flowexport_mgmt.enrich.route_tables import PathColumns, TablesView
from flowexport_mgmt.records.flows import Addresses
from flowexport_mgmt.wire.rtnetlink import RouteKind, RuleMessage

Rows = NDArray[np.intp]
Mask = NDArray[np.bool_]
Interfaces = NDArray[np.uint32]

_LOCAL_KINDS: Final = (RouteKind.LOCAL, RouteKind.BROADCAST, RouteKind.ANYCAST)
_KINDS: Final = 256

IS_LOCAL: Final = np.isin(np.arange(_KINDS), _LOCAL_KINDS)
"""Whether packets for a route of this kind end on this host."""
IS_ONWARD: Final = np.arange(_KINDS) == RouteKind.UNICAST
"""Whether packets for a route of this kind leave by one of its hops."""

_MIX: Final = np.uint64(0x9E3779B97F4A7C15)


class Packets(NamedTuple):
    """Addresses that a way is looked for: to ``to``, from ``source`` by interface ``in_if``.

    ``in_if`` is 0 where it is not known; None where it is known of none.
    """

    to: Addresses
    source: Addresses
    in_if: Interfaces | None = None

    def take(self, rows: Rows) -> Packets:
        """Take some of them."""
        in_if = None if self.in_if is None else self.in_if[rows]
        return Packets(self.to[rows], self.source[rows], in_if)


class Ways(NamedTuple):
    """What the tables say: path and hop (positions in PathColumns), and the prefix length.

    Without a route, path and hop are -1, which stands for none there too, and the length is 0.
    """

    path: Numbers
    slot: Numbers
    lengths: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class FibView:
    """Tables, rules and VRFs at one instant; any thread may use it.

    ``vrfs`` has the table of each interface that is a VRF or in one, ``interfaces`` the ifindex
    of each interface's name; ``stations`` are the link-layer addresses of this host, in order.
    """

    tables: TablesView
    rules: Mapping[Version, Sequence[RuleMessage]]
    vrfs: Mapping[int, int]
    interfaces: Mapping[str, int]
    stations: NDArray[np.uint64]

    @property
    def paths(self) -> PathColumns:
        """What the routes say."""
        return self.tables.paths

    def find(self, version: Version, packets: Packets) -> Ways:
        """Follow the rules, table by table, until there is a route.

        Which of several hops the kernel takes cannot be known; each pair of addresses gets one of
        them, and all together as many as the weights say. Multicast has no way of its own.
        """
        path = np.full(len(packets.to), NO_VALUE, np.int64)
        lengths = np.zeros(len(path), np.uint8)
        left = np.flatnonzero(~_is_multicast(version, packets.to))
        for rule in self.rules[version]:
            if not len(left):
                break
            for table, rows in self._select(version, rule, packets, left):
                found = table.find(packets.to[rows])
                taken = self._is_taken(found.values, found.lengths, rule)
                path[rows[taken]] = found.values[taken]
                lengths[rows[taken]] = found.lengths[taken]
            left = left[path[left] == NO_VALUE]
        return Ways(path, self._choose(path, packets), lengths)

    def _select(
        self, version: Version, rule: RuleMessage, packets: Packets, left: Rows
    ) -> Iterator[tuple[Lookup, Rows]]:
        """Yield the tables that a rule sends packets to, and which."""
        rows = left[self._matches(version, rule, packets, left)]
        if rule.table:
            table = self.tables.tables.get((version, rule.table))
            if table is not None and len(rows):
                yield table, rows
        elif packets.in_if is not None and self.vrfs:
            in_if = packets.in_if[rows]
            for ifindex in np.unique(in_if).tolist():
                table = self.tables.tables.get((version, self.vrfs.get(ifindex, 0)))
                if table is not None:
                    yield table, rows[in_if == ifindex]

    def _matches(self, version: Version, rule: RuleMessage, packets: Packets, left: Rows) -> Mask:
        matching = np.ones(len(left), np.bool_)
        for selector, addresses in (
            (rule.source, packets.source),
            (rule.destination, packets.to),
        ):
            if selector.length:
                matching &= _is_in(version, addresses[left], selector.address, selector.length)
        if rule.interface:
            wanted = self.interfaces.get(rule.interface, 0)
            matching &= packets.in_if is not None and wanted != 0
            if packets.in_if is not None:
                matching &= packets.in_if[left] == wanted
        return matching

    def _is_taken(self, values: Numbers, lengths: NDArray[np.uint8], rule: RuleMessage) -> Mask:
        """Tell which routes end the search: not those that a rule suppresses or that say throw."""
        taken = (values != NO_VALUE) & (self.paths.kind[values] != RouteKind.THROW)
        is_wanted = lengths.astype(np.int64) > rule.suppressed
        return np.asarray(taken & is_wanted)

    def _choose(self, path: Numbers, packets: Packets) -> Numbers:
        slot = self.paths.begin[path]
        several = np.flatnonzero(self.paths.hops[path] > 1)
        if len(several):
            mixed = _mix(packets.to[several]) ^ (_mix(packets.source[several]) >> np.uint64(1))
            share = (mixed * _MIX) >> np.uint64(33)
            slot[several] += (share % self.paths.hops[path[several]].view(np.uint64)).view(np.int64)
        slot[path == NO_VALUE] = NO_VALUE
        return slot


def _mix(addresses: Addresses) -> NDArray[np.uint64]:
    if addresses.ndim == 1:
        mixed: NDArray[np.uint64] = addresses * _MIX
        return mixed
    return (addresses[:, 0] * _MIX) ^ addresses[:, 1]


def _is_multicast(version: Version, addresses: Addresses) -> Mask:
    """Tell multicast addresses, and IPv4's broadcast to all."""
    if version == 4:
        return np.asarray((addresses >> 28 == 0xE) | (addresses == 0xFFFFFFFF))
    return np.asarray(addresses[:, 0] >> np.uint64(56) == 0xFF)


def _is_in(version: Version, addresses: Addresses, prefix: int, length: int) -> Mask:
    """Tell which addresses are in a prefix."""
    if version == 4:
        rest = WIDTHS[4] - length
        return np.asarray(addresses >> rest == prefix >> rest)
    inside = np.ones(len(addresses), np.bool_)
    for half, bits in ((0, min(length, 64)), (1, max(length - 64, 0))):
        if bits:
            part = prefix >> 64 if half == 0 else prefix & 0xFFFFFFFFFFFFFFFF
            rest64 = np.uint64(64 - bits)
            inside &= addresses[:, half] >> rest64 == np.uint64(part) >> rest64
    return inside
