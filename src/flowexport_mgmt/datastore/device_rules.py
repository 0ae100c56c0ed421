"""Rules across groups of simulated devices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from flowexport_mgmt.errors import ErrorTag, Fault
from flowexport_mgmt.model.simulation import DeviceGroup, Simulation
from flowexport_mgmt.schema.paths import quote

Address = IPv4Address | IPv6Address

MOST_DEVICES: Final = 100_000
"""Devices in all groups: each takes about a hundred octets for each of its flows."""


@dataclass(frozen=True, slots=True)
class _Range:
    """The addresses of a group, as numbers."""

    group: DeviceGroup
    first: Address
    begin: int
    end: int
    excluded: frozenset[int]

    @classmethod
    def of(cls, group: DeviceGroup) -> _Range:
        first = ip_address(group.start_address)
        begin = int(first)
        excluded = frozenset(
            int(address)
            for address in map(ip_address, group.excluded_address)
            if address.version == first.version
        )
        return cls(group, first, begin, begin + group.count, excluded)

    @property
    def is_whole(self) -> bool:
        """Whether the address family has as many addresses as the group wants."""
        return self.end <= 1 << self.first.max_prefixlen


def check_devices(simulation: Simulation) -> list[Fault]:
    """Give every fault of the groups of simulated devices."""
    ranges = [_Range.of(group) for group in simulation.device_group]
    faults = [fault for each in ranges for fault in _check_group(each, simulation)]
    faults += _check_taken(each for each in ranges if each.is_whole)
    total = sum(each.group.count - len(each.group.excluded_address) for each in ranges)
    if total > MOST_DEVICES:
        message = f"there would be {total} devices; {MOST_DEVICES} at most can be simulated"
        faults.append(_refuse("/fes:simulation", message))
    return faults


def _check_group(each: _Range, simulation: Simulation) -> Iterator[Fault]:
    group, first = each.group, each.first
    start = _leaf(group, "start-address")
    if not each.is_whole:
        yield _refuse(
            _leaf(group, "count"), f"there are no {group.count} addresses from {first} on"
        )
    elif _is_no_host(first) or _is_no_host(first + (group.count - 1)):
        yield _refuse(start, f"{first} to {first + (group.count - 1)} are not addresses of hosts")
    if group.prefix_length is not None and group.prefix_length > first.max_prefixlen:
        message = f"an IPv{first.version} prefix is {first.max_prefixlen} bits long at most"
        yield _refuse(_leaf(group, "prefix-length"), message)
    for text in group.excluded_address:
        address = ip_address(text)
        if address.version != first.version or not each.begin <= int(address) < each.end:
            path = _leaf(group, f"excluded-address[.={quote(text)}]")
            yield _refuse(path, f"{text} is not an address of device-group {group.name}")
    yield from _check_collector(each, simulation)


def _check_collector(each: _Range, simulation: Simulation) -> Iterator[Fault]:
    flow = each.group.flow
    if flow is None:
        return
    path = _leaf(each.group, "flow") + "/fes:collector-address"
    collector = ip_address(flow.collector_address)
    if collector.is_multicast or collector.is_unspecified or int(collector) == 0xFFFFFFFF:
        yield _refuse(path, f"{collector} is no destination")
    elif collector.version != each.first.version and simulation.source_per_device:
        message = f"{collector} is not of the same family as the devices' addresses"
        yield _refuse(path, f"{message}, which source-per-device needs")


def _check_taken(ranges: Iterator[_Range]) -> Iterator[Fault]:
    """Find addresses of two groups; those of many groups are compared in their order."""
    open_ranges: list[_Range] = []
    for each in sorted(ranges, key=lambda one: (one.first.version, one.begin)):
        version = each.first.version
        open_ranges = [o for o in open_ranges if o.first.version == version and o.end > each.begin]
        for other in open_ranges:
            shared = _first_shared(each, other)
            if shared is not None:
                yield _refuse(
                    _leaf(each.group, "start-address"),
                    f"address {each.first + (shared - each.begin)} is taken by device-group"
                    f" {other.group.name}",
                    "data-not-unique",
                )
                break
        open_ranges.append(each)


def _first_shared(one: _Range, other: _Range) -> int | None:
    """Give the first address that is of a device in both."""
    begin, end = max(one.begin, other.begin), min(one.end, other.end)
    free = one.excluded | other.excluded
    return next((number for number in range(begin, end) if number not in free), None)


def _is_no_host(address: Address) -> bool:
    if address.is_multicast or address.is_unspecified:
        return True
    return address.version == 4 and (int(address) >> 24 == 0 or int(address) >> 28 >= 14)


def _leaf(group: DeviceGroup, leaf: str) -> str:
    return f"/fes:simulation/fes:device-group[fes:name={quote(group.name)}]/fes:{leaf}"


def _refuse(path: str, message: str, app_tag: str = "") -> Fault:
    return Fault(tag=ErrorTag.OPERATION_FAILED, message=message, app_tag=app_tag, path=path)
