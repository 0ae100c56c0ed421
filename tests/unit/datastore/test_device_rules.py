from __future__ import annotations

from typing import Any

import pytest
from tests.support.edits import shown

from flowexport_mgmt.datastore.rules import check_rules
from flowexport_mgmt.model.configuration import Configuration
from flowexport_mgmt.model.simulation import DeviceGroup, DeviceGroupFlow, Simulation

GROUP = "/fes:simulation/fes:device-group[fes:name='{}']/fes:{}"


def group(name: str, start: str, count: int = 10, **more: Any) -> DeviceGroup:
    return DeviceGroup(name=name, start_address=start, count=count, **more)


def of(*groups: DeviceGroup, **more: Any) -> list[tuple[str, str, str]]:
    return shown(check_rules(Configuration(simulation=Simulation(device_group=groups, **more))))


def refused(name: str, leaf: str, app_tag: str = "") -> tuple[str, str, str]:
    return "operation-failed", app_tag, GROUP.format(name, leaf)


def to(address: str) -> DeviceGroupFlow:
    return DeviceGroupFlow(collector_address=address, collector_port=2055)


def test_groups_side_by_side() -> None:
    assert of(group("a", "10.0.0.1"), group("b", "10.0.0.11"), group("c", "::a00:1")) == []


@pytest.mark.parametrize(
    ("start", "count", "blamed"),
    [
        ("10.0.0.10", 1, "b"),
        ("10.0.0.1", 1, "a"),
        ("10.0.0.5", 2, "b"),
        ("9.255.255.255", 99, "a"),
    ],
)
def test_an_address_is_of_one_group(start: str, count: int, blamed: str) -> None:
    faults = of(group("b", start, count), group("a", "10.0.0.1"))
    assert faults == [refused(blamed, "start-address", "data-not-unique")]


def test_an_excluded_address_may_be_of_another_group() -> None:
    first = group("a", "10.0.0.1", excluded_address=("10.0.0.4",))
    assert of(first, group("b", "10.0.0.4", 1)) == []
    assert of(first, group("b", "10.0.0.4", 2)) == [
        refused("b", "start-address", "data-not-unique")
    ]
    (fault,) = check_rules(
        Configuration(simulation=Simulation(device_group=(first, group("b", "10.0.0.4", 2))))
    )
    assert fault.message == "address 10.0.0.5 is taken by device-group a"


@pytest.mark.parametrize(
    ("start", "count", "leaf"),
    [
        ("255.255.255.250", 10, "count"),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", 3, "count"),
        ("0.0.0.1", 1, "start-address"),
        ("223.255.255.255", 2, "start-address"),
        ("240.0.0.1", 1, "start-address"),
        ("ff02::1", 1, "start-address"),
        ("::", 1, "start-address"),
    ],
)
def test_what_are_no_addresses_of_hosts(start: str, count: int, leaf: str) -> None:
    assert of(group("a", start, count)) == [refused("a", leaf)]


def test_what_a_group_cannot_have() -> None:
    assert of(group("a", "10.0.0.1", prefix_length=33)) == [refused("a", "prefix-length")]
    assert of(group("a", "::1", prefix_length=128)) == []
    for address in ("10.0.0.11", "10.0.0.0", "::1"):
        assert of(group("a", "10.0.0.1", excluded_address=(address,))) == [
            refused("a", f"excluded-address[.='{address}']")
        ]


@pytest.mark.parametrize("address", ["0.0.0.0", "255.255.255.255", "224.0.0.5", "::1"])
def test_where_devices_cannot_export_to(address: str) -> None:
    faults = of(group("a", "10.0.0.1", flow=to(address)))
    assert faults == [refused("a", "flow/fes:collector-address")]


def test_sources_of_this_host_reach_collectors_of_any_family() -> None:
    assert of(group("a", "10.0.0.1", flow=to("::1")), source_per_device=False) == []


def test_there_are_not_too_many() -> None:
    assert of(group("a", "10.0.0.0", 100_000)) == []
    faults = of(group("a", "10.0.0.0", 100_000), group("b", "11.0.0.0", 1))
    assert faults == [("operation-failed", "", "/fes:simulation")]
