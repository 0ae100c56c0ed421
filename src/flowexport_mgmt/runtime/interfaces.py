"""The host's interfaces as ietf-interfaces has them (RFC 8343)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from numpy import void

from flowexport_mgmt.model import interfaces as ifs
from flowexport_mgmt.records import UNKNOWN64
from flowexport_mgmt.runtime.times import date_and_time, date_and_time_or_none
from flowexport_mgmt.sources import Link, Snapshot

_TYPES: Final = {
    6: "ethernetCsmacd",
    23: "ppp",
    24: "softwareLoopback",
    53: "propVirtual",
    131: "tunnel",
    135: "l2vlan",
    161: "ieee8023adLag",
    199: "infiniband",
    209: "bridge",
}
_STATUS: Final = {
    1: ifs.InterfaceOperStatus.NOT_PRESENT,
    2: ifs.InterfaceOperStatus.DOWN,
    3: ifs.InterfaceOperStatus.LOWER_LAYER_DOWN,
    4: ifs.InterfaceOperStatus.TESTING,
    5: ifs.InterfaceOperStatus.DORMANT,
    6: ifs.InterfaceOperStatus.UP,
}
_COUNTERS: Final = (
    "in_octets",
    "in_multicast",
    "in_discards",
    "in_errors",
    "out_octets",
    "out_packets",
    "out_discards",
    "out_errors",
)


def describe_interfaces(snapshot: Snapshot) -> ifs.Interfaces:
    """Describe every interface, loopback too; what the kernel does not say is left out."""
    above, below = _layers(snapshot.links)
    return ifs.Interfaces(
        interface=tuple(
            ifs.Interface(
                name=link.name,
                description=link.alias or None,
                type=f"iana-if-type:{_TYPES.get(link.iftype, 'other')}",
                enabled=link.admin_up,
                oper_status=_status(link),
                last_change=date_and_time_or_none(snapshot.last_change_ns.get(link.ifindex)),
                phys_address=link.address or None,
                higher_layer_if=tuple(above[link.ifindex]),
                lower_layer_if=tuple(below[link.ifindex]),
                speed=link.settings.speed or None,
                statistics=_statistics(row, since_ns),
            )
            for link, row, since_ns in zip(
                snapshot.links, snapshot.rows, snapshot.since_ns.tolist(), strict=True
            )
        )
    )


def _status(link: Link) -> ifs.InterfaceOperStatus:
    """Take the kernel's word; where a driver leaves it open, whether the interface runs."""
    if link.operstate in _STATUS:
        return _STATUS[link.operstate]
    return ifs.InterfaceOperStatus.UP if link.oper_up else ifs.InterfaceOperStatus.DOWN


def _layers(
    links: Iterable[Link],
) -> tuple[Mapping[int, list[str]], Mapping[int, list[str]]]:
    """Find the names of the interfaces above and below each, by ifindex."""
    names = {link.ifindex: link.name for link in links}
    above: defaultdict[int, list[str]] = defaultdict(list)
    below: defaultdict[int, list[str]] = defaultdict(list)
    for link in links:
        for lower, upper in ((link.lower, link.ifindex), (link.ifindex, link.master)):
            if lower in names and upper in names:
                above[lower].append(names[upper])
                below[upper].append(names[lower])
    return above, below


def _statistics(row: void, since_ns: int) -> ifs.InterfaceStatistics:
    counted = {name: int(row[name]) for name in (*_COUNTERS, "in_packets")}
    known = {name: value for name, value in counted.items() if value != UNKNOWN64}
    return ifs.InterfaceStatistics(
        discontinuity_time=date_and_time(since_ns),
        in_octets=known.get("in_octets"),
        in_unicast_pkts=max(0, counted["in_packets"] - counted["in_multicast"]),
        in_multicast_pkts=known.get("in_multicast"),
        in_discards=known.get("in_discards"),
        in_errors=known.get("in_errors"),
        out_octets=known.get("out_octets"),
        out_unicast_pkts=known.get("out_packets"),
        out_discards=known.get("out_discards"),
        out_errors=known.get("out_errors"),
    )
