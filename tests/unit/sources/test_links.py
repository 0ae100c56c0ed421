from __future__ import annotations

import struct
from pathlib import Path

import pytest
from tests.support.interfaces import FakeLink

from flowexport_mgmt.sources.links import Link
from flowexport_mgmt.sources.rtattr import describe, find_counters, find_name
from flowexport_mgmt.sources.sysfs import UNKNOWN_SETTINGS, LinkSettings, read_settings


def link_of(fake: FakeLink) -> Link:
    return describe(fake.message(), UNKNOWN_SETTINGS)


@pytest.mark.parametrize(
    ("fake", "iftype"),
    [
        (FakeLink(2, "eth0"), 6),
        (FakeLink(1, "lo", flags=0x49, device_type=772), 24),
        (FakeLink(2, "br0", kind="bridge"), 209),
        (FakeLink(2, "eth0.5", kind="vlan", link=3), 135),
        (FakeLink(2, "gre1", kind="gre", device_type=778), 131),
        (FakeLink(2, "vx0", kind="vxlan"), 131),
        (FakeLink(2, "tun0", kind="tun", device_type=0xFFFE), 131),
        (FakeLink(2, "tap0", kind="tun"), 53),
        (FakeLink(2, "d0", kind="dummy"), 53),
        (FakeLink(2, "v0", kind="veth"), 6),
        (FakeLink(2, "bond0", kind="bond"), 161),
        (FakeLink(2, "ppp0", device_type=512), 23),
        (FakeLink(2, "ib0", device_type=32), 199),
        (FakeLink(2, "can0", device_type=280), 1),
    ],
)
def test_iftype_follows_driver_and_device(fake: FakeLink, iftype: int) -> None:
    assert link_of(fake).iftype == iftype


@pytest.mark.parametrize(
    ("flags", "operstate", "admin", "oper"),
    [
        (0x1043, 6, True, True),
        (0x1003, 2, True, False),
        (0x1002, 2, False, False),
        (0x43, 0, True, True),  # the driver says nothing, and the interface runs
        (0x3, 0, True, False),
        (0x42, 0, False, False),
        (0x1043, 5, True, False),
    ],
)
def test_status_of_driver_and_flags(flags: int, operstate: int, admin: bool, oper: bool) -> None:
    link = link_of(FakeLink(2, "eth0", flags=flags, operstate=operstate))
    assert (link.admin_up, link.oper_up) == (admin, oper)


def test_attributes_are_read() -> None:
    fake = FakeLink(7, "eth7", alias="to the käse shop", promiscuity=2, master=9)
    link = link_of(fake)
    assert (link.ifindex, link.name, link.alias) == (7, "eth7", "to the käse shop")
    assert (link.promiscuity, link.master) == (2, 9)
    assert link.address == "02:00:00:00:00:aa"
    assert find_name(fake.message()) == "eth7"


@pytest.mark.parametrize(
    ("fake", "lower"),
    [
        (FakeLink(5, "eth0.7", kind="vlan", link=2), 2),
        (FakeLink(5, "v0", kind="veth", link=2), 0),
        (FakeLink(5, "mv0", kind="macvlan", link=2, netnsid=1), 0),
        (FakeLink(5, "x", link=5), 0),
    ],
)
def test_lower_is_neither_peer_nor_stranger_nor_self(fake: FakeLink, lower: int) -> None:
    assert link_of(fake).lower == lower


def test_statistics_are_found_and_kept_apart_from_the_rest() -> None:
    one = FakeLink(2, "eth0", counters={0: 1, 2: 1 << 40}).message()
    other = FakeLink(2, "eth0", counters={0: 9, 2: 1 << 41}).message()
    layout = find_counters(one)
    assert layout == find_counters(other)
    assert layout is not None
    assert struct.unpack_from("=3Q", one, layout.counters) == (1, 0, 1 << 40)
    assert layout.size == 25 * 8
    assert one[16 : layout.begin] == other[16 : layout.begin]
    assert one[layout.end :] == other[layout.end :]
    assert one != other


def test_a_message_without_statistics_has_no_layout() -> None:
    assert find_counters(FakeLink(2, "eth0", has_statistics=False).message()) is None


@pytest.mark.parametrize("length", [0, 3, 5000])
def test_an_attribute_that_cannot_be_ends_the_message(length: int) -> None:
    message = FakeLink(2, "eth0").message()
    broken = message[:32] + struct.pack("=HH", length, 3) + message[36:]
    assert find_counters(broken) is None
    assert describe(broken, UNKNOWN_SETTINGS).name == ""


@pytest.mark.parametrize(
    ("speed", "duplex", "expected"),
    [
        (b"1000\n", b"full\n", LinkSettings(1_000_000_000, 1)),
        (b"10\n", b"half\n", LinkSettings(10_000_000, 2)),
        (b"-1\n", b"unknown\n", UNKNOWN_SETTINGS),
        (None, None, UNKNOWN_SETTINGS),
    ],
)
def test_speed_and_duplex(
    tmp_path: Path, speed: bytes | None, duplex: bytes | None, expected: LinkSettings
) -> None:
    folder = tmp_path / "eth0"
    folder.mkdir()
    (folder / "ifindex").write_bytes(b"3\n")
    for name, value in (("speed", speed), ("duplex", duplex)):
        if value is not None:
            (folder / name).write_bytes(value)
    assert read_settings("eth0", 3, str(tmp_path)) == expected
    assert read_settings("eth0", 4, str(tmp_path)) == UNKNOWN_SETTINGS  # another namespace's eth0
    assert read_settings("eth1", 3, str(tmp_path)) == UNKNOWN_SETTINGS
