"""How simulated devices fare, as values that stay as they are."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.simulator.fleet import Fleet
from flowexport_mgmt.simulator.formats import Endpoint, Format
from flowexport_mgmt.simulator.group import Group
from flowexport_mgmt.simulator.outlet import Outlet
from flowexport_mgmt.simulator.sent import Totals
from flowexport_mgmt.simulator.settings import Address


@dataclass(frozen=True, slots=True)
class ExporterReport:
    """What a collector was sent in one protocol; ``failures`` by the names of errors."""

    collector: Endpoint
    format: Format
    devices: int
    datagrams: int
    octets: int
    records: int
    failures: Mapping[str, int]
    last_template_ns: int | None
    status: OperStatus
    reason: str | None


@dataclass(frozen=True, slots=True)
class FleetReport:
    """How all devices fare; ``is_shared`` where those of any collector send from one address."""

    devices: int
    exporting: int
    late_turns: int
    is_shared: bool
    status: OperStatus
    reason: str | None
    exporters: tuple[ExporterReport, ...]


class DeviceReport(NamedTuple):
    """How one device fares."""

    address: Address
    group: str
    flows_active: int
    sequence: int
    datagrams: int
    octets: int
    records: int
    failures: int
    status: OperStatus
    reason: str | None


def report(fleet: Fleet) -> FleetReport:
    """Report of all devices together."""
    groups = fleet.groups.values()
    exporters = tuple(_report_exporters(fleet))
    broken = next((e for e in exporters if e.devices and e.reason), None)
    has_devices = any(group.devices for group in groups)
    is_on = fleet.settings.enabled and has_devices
    status = OperStatus.UP if broken is None else OperStatus.DEGRADED
    return FleetReport(
        devices=sum(group.devices for group in groups),
        exporting=sum(g.devices for g in groups if g.settings.collector is not None),
        late_turns=fleet.late_turns,
        is_shared=any(outlet.shared for outlet in fleet.outlets.values()),
        status=status if is_on else OperStatus.DISABLED,
        reason=None if broken is None else broken.reason,
        exporters=exporters,
    )


def _report_exporters(fleet: Fleet) -> Iterator[ExporterReport]:
    devices: dict[tuple[Endpoint, Format], int] = {}
    for group in fleet.groups.values():
        if group.settings.collector is not None:
            key = group.settings.collector, group.settings.format
            devices[key] = devices.get(key, 0) + group.devices
    known = [(endpoint, form) for endpoint, o in fleet.outlets.items() for form in o.totals]
    for endpoint, form in sorted({*known, *devices}):
        outlet = fleet.outlets.get(endpoint) or Outlet()
        totals = outlet.totals.get(form) or Totals()
        count = devices.get((endpoint, form), 0)
        status, reason = _judge(outlet)
        yield ExporterReport(
            collector=endpoint,
            format=form,
            devices=count,
            datagrams=totals.datagrams,
            octets=totals.octets,
            records=totals.records,
            failures={errno.errorcode.get(n, str(n)): c for n, c in totals.failures.items()},
            last_template_ns=totals.last_template_ns,
            status=status if count else OperStatus.DISABLED,
            reason=reason if count else None,
        )


def _judge(outlet: Outlet, group: str | None = None) -> tuple[OperStatus, str | None]:
    if outlet.reason is not None:
        return OperStatus.DOWN, outlet.reason
    reasons = [r for name, r in outlet.shared.items() if r and group in (None, name)]
    return (OperStatus.DEGRADED, reasons[0]) if reasons else (OperStatus.UP, None)


# -- devices


@dataclass(frozen=True, slots=True)
class DevicePage:
    """Which devices: of an address, or of a group, or so many of all after so many others."""

    address: Address | None = None
    group: str | None = None
    offset: int = 0
    limit: int = 1000


def report_devices(fleet: Fleet, page: DevicePage, now_ms: int) -> tuple[int, list[DeviceReport]]:
    """Give how many devices there are, and a page of them in the order of their addresses."""
    groups = [g for g in fleet.groups.values() if page.group in (None, g.settings.name)]
    if page.address is not None:
        groups = [g for g in groups if _has(g, page.address)]
    if not groups:
        return 0, []
    if page.address is not None:  # no two groups have the same address
        owners = np.zeros(1, np.intp)
        places = np.array([int(page.address) - int(groups[0].settings.first)])
    else:
        owners, places = _order(groups)
    part = slice(page.offset, page.offset + page.limit)
    found = _describe_all(fleet, groups, owners[part], places[part], now_ms)
    return len(owners), found


def _has(group: Group, address: Address) -> bool:
    first = group.settings.first
    place = int(address) - int(first)
    is_within = address.version == first.version and 0 <= place < group.settings.count
    return is_within and bool(group.present[place])


def _order(groups: list[Group]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Give group and place of each device, by the order of addresses."""
    places = [np.flatnonzero(group.present) for group in groups]
    owners = np.repeat(np.arange(len(groups)), [len(each) for each in places])
    versions = np.array([group.settings.first.version for group in groups])[owners]
    halves = np.concatenate([_halves(g)[p] for g, p in zip(groups, places, strict=True)])
    order = np.lexsort((halves[:, 1], halves[:, 0], versions))
    return owners[order], np.concatenate(places)[order]


def _halves(group: Group) -> NDArray[np.uint64]:
    """Give the addresses of a group as two numbers each."""
    octets = np.zeros((len(group.addresses), 16), np.uint8)
    raw = group.addresses.view(np.uint8).reshape(len(group.addresses), -1)
    octets[:, 16 - raw.shape[1] :] = raw
    return octets.view(">u8").astype(np.uint64)


def _describe_all(
    fleet: Fleet,
    groups: list[Group],
    owners: NDArray[np.intp],
    places: NDArray[np.intp],
    now_ms: int,
) -> list[DeviceReport]:
    flows: dict[int, tuple[int, NDArray[np.intp]]] = {}
    for owner in np.unique(owners).tolist():
        its = places[owners == owner]
        first = int(its.min())
        counts = groups[owner].flows.count(now_ms, slice(first, int(its.max()) + 1))
        flows[owner] = first, counts
    return [
        _describe(fleet, groups[owner], place, int(flows[owner][1][place - flows[owner][0]]))
        for owner, place in zip(owners.tolist(), places.tolist(), strict=True)
    ]


def _describe(fleet: Fleet, group: Group, place: int, flows: int) -> DeviceReport:
    settings = group.settings
    status, reason = OperStatus.DISABLED, None
    if settings.collector is not None and fleet.settings.enabled:
        status, reason = _judge(fleet.outlets[settings.collector], settings.name)
    return DeviceReport(
        address=settings.first + place,
        group=settings.name,
        flows_active=flows if settings.collector is not None else 0,
        sequence=int(group.voice.sequences[place]),
        datagrams=int(group.sent.datagrams[place]),
        octets=int(group.sent.octets[place]),
        records=int(group.sent.records[place]),
        failures=int(group.sent.failures[place]),
        status=status,
        reason=reason,
    )
