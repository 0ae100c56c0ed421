"""The counters of a host that the test made of files."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from tests.unit.sources.test_proc import DISKS, MEMORY, SNMP, STAT, VMSTAT

from flowexport_mgmt.records import COUNTER_DTYPE, HostCounters
from flowexport_mgmt.sources.host import HostSource
from flowexport_mgmt.sources.links import Link
from flowexport_mgmt.sources.sysfs import UNKNOWN_SETTINGS
from flowexport_mgmt.wire.sflow5.structures import STRUCTURES, Number

NOTHING = np.zeros(0, COUNTER_DTYPE)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    files = {
        "proc/stat": STAT,
        "proc/loadavg": "0.63 0.28 0.51 4/121 12503\n",
        "proc/uptime": "12285.44 14102.36\n",
        "proc/meminfo": MEMORY,
        "proc/vmstat": VMSTAT,
        "proc/diskstats": DISKS,
        "proc/mounts": "/dev/vda / ext4 rw 0 0\n/dev/vdc /not/there ext4 rw 0 0\n",
        "proc/thread-self/net/snmp": SNMP,
        "proc/cpuinfo": "processor\t: 0\ncpu MHz\t\t: 2100.123\n",
        "etc/machine-id": "3d1219c7c4c5404aaa1f6d2a48adfda4\n",
        "sys/block/vda/device/vendor": "",
        "sys/block/loop0/ro": "0\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def read(source: HostSource, second: float = 0) -> HostCounters:
    return source.read((), NOTHING, second)


def link(ifindex: int, **values: object) -> Link:
    made = {
        "ifindex": ifindex,
        "name": f"port{ifindex}",
        "alias": "",
        "kind": "",
        "device_type": 1,
        "flags": 0x43,
        "operstate": 6,
        "promiscuity": 0,
        "address": f"02:00:00:00:00:{ifindex:02x}",
        "lower": 0,
        "master": 0,
        "settings": UNKNOWN_SETTINGS,
    } | values
    return Link(**made)  # type: ignore[arg-type]


def test_every_record_is_read_and_encodes(root: Path) -> None:
    found = read(HostSource(str(root)))
    assert found.counters.keys() == STRUCTURES.keys()
    for format_, values in found.counters.items():
        assert STRUCTURES[format_].encode(values)
    cpu = found.counters[2003]
    assert (cpu["uptime"], cpu["cpuSpeed"], cpu["cpuNum"]) == (12_285, 2100, os.cpu_count())
    assert found.counters[2005]["bytesRead"] == 6000 * 512  # vda has a device, loop0 has none
    assert found.counters[1001]["totalMemory"] == 24_730_032 * 1024


def test_a_frequency_that_the_kernel_knows_better(root: Path) -> None:
    path = root / "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq"
    path.parent.mkdir(parents=True)
    path.write_text("3500000\n")
    assert read(HostSource(str(root))).counters[2003]["cpuSpeed"] == 3500


def test_space_is_that_of_the_file_systems_that_are_there(root: Path) -> None:
    space, found = os.statvfs("/"), read(HostSource(str(root))).counters[2005]
    assert found["diskTotal"] == space.f_blocks * space.f_frsize
    assert 0 < found["diskFree"] < found["diskTotal"]
    assert 0 < found["partMaxUsed"] <= 10_000


def test_a_host_that_shows_nothing(tmp_path: Path) -> None:
    found = read(HostSource(str(tmp_path)))
    assert found.counters.keys() == {2003, 2006}
    assert found.counters[2003] == {"cpuNum": os.cpu_count()}
    assert found.description is not None
    assert found.description.uuid == bytes(16)


def _steady(values: Mapping[str, Number]) -> dict[str, Number]:
    """Leave out how full file systems are: those of this machine are asked, and others write."""
    return {name: values[name] for name in values.keys() - {"diskFree", "partMaxUsed"}}


@pytest.mark.parametrize(
    ("name", "format_"),
    [
        ("proc/meminfo", 2004),
        ("proc/vmstat", 2004),
        ("proc/diskstats", 2005),
        ("proc/stat", 2003),
        ("proc/loadavg", 2003),
        ("proc/uptime", 2003),
        ("proc/thread-self/net/snmp", 2007),
    ],
)
def test_a_file_that_says_something_else_hides_only_itself(
    root: Path, name: str, format_: int
) -> None:
    whole = read(HostSource(str(root))).counters
    (root / name).write_text("cpu x: y\nIp: a\nvda b c d\n 1 2 vda x x x x x x x x x\n")
    found = read(HostSource(str(root))).counters
    left, before = (_steady(counters.get(format_, {})) for counters in (found, whole))
    assert left.items() <= before.items()
    assert left != before
    for other in whole.keys() - {format_, 1001, 2007, 2008, 2009, 2010}:
        assert found[other].keys() == whole[other].keys()


def test_the_identity_stays_and_is_not_the_machine_id(root: Path) -> None:
    first, second = (read(HostSource(str(root))).description for _ in range(2))
    assert first == second
    assert first is not None
    assert uuid.UUID(bytes=first.uuid).version == 4
    assert first.uuid.hex() != "3d1219c7c4c5404aaa1f6d2a48adfda4"
    assert (first.hostname, first.os_name) == (os.uname().nodename, 2)


def test_the_load_of_the_processors_follows_the_readings(root: Path) -> None:
    source = HostSource(str(root))
    assert "cpu5s" not in read(source).counters[1001]
    (root / "proc/stat").write_text(
        STAT.replace("cpu  1000 20 300 40000", "cpu  1250 20 300 40750")
    )
    assert read(source, 10).counters[1001]["cpu5s"] == 2500


def test_interfaces_on_others_are_not_added_twice(root: Path) -> None:
    links = (
        link(1, flags=0x49),  # loopback
        link(2, master=5),  # of the bridge, and below the VLAN
        link(3, kind="vlan", lower=2),
        link(4),
        link(5, kind="bridge"),
        link(6, kind="vxlan"),
    )
    rows = np.zeros(len(links), COUNTER_DTYPE)
    rows["in_octets"] = [10**index for index in range(6)]
    rows["out_discards"] = 1
    found = HostSource(str(root)).read(links, rows, 0)
    assert found.counters[2006]["bytesIn"] == 10 + 1000
    assert found.counters[2006]["dropsOut"] == 2
    assert [adapter.ifindex for adapter in found.adapters] == [2, 3, 4, 5, 6]
    assert found.adapters[0].addresses == (bytes.fromhex("020000000002"),)


def test_an_interface_without_an_address_of_six_octets_is_no_adapter(root: Path) -> None:
    links = (link(2, address=""), link(3, address="0a:00:00:01"))
    found = HostSource(str(root)).read(links, np.zeros(2, COUNTER_DTYPE), 0)
    assert found.adapters == ()


def test_counters_that_fall_begin_another_epoch(root: Path) -> None:
    source = HostSource(str(root))
    rows = np.zeros(1, COUNTER_DTYPE)
    rows["in_octets"] = 500
    epochs = [source.read((link(2),), rows, 0).epoch for _ in range(2)]
    rows["in_octets"] = 499
    epochs += [source.read((link(2),), rows, 0).epoch for _ in range(2)]
    (root / "proc/diskstats").unlink()  # what is not known any more has not fallen
    epochs.append(source.read((link(2),), rows, 0).epoch)
    assert epochs == [0, 0, 1, 1, 1]
