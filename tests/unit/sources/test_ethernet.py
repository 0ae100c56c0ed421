"""What drivers of Ethernet interfaces count."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.unit.sources.test_host import link

from flowexport_mgmt.records import ETHERNET_DTYPE, UNKNOWN64
from flowexport_mgmt.sources.ethernet import EthernetSource
from flowexport_mgmt.sources.ethtool_ioctl import EthtoolDevices
from flowexport_mgmt.sources.ethtool_netlink import Counts, EthtoolSocket, read_device

COUNTERS = (ETHERNET_DTYPE.names or ())[1:]
# What Linux 6.18 said of loopback: an index, a name and two groups without any statistics.
EMPTY = bytes.fromhex(
    "140002800800010001000000070002006c6f00000800050000000000"
    "1400048008000200000000000800030011000000"
    "1400048008000200010000000800030012000000"
)


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def device(ifindex: int, groups: Mapping[int, Mapping[int, int]]) -> bytes:
    """Lay out an answer: each statistic in a nest of its own, behind padding for its 64 bits."""
    body = attribute(0x8002, attribute(1, struct.pack("=I", ifindex)))
    for group, statistics in groups.items():
        nests = b"".join(
            attribute(0x8004, attribute(1, b"") + attribute(kind, struct.pack("=Q", value)))
            for kind, value in statistics.items()
        )
        head = attribute(2, struct.pack("=I", group)) + attribute(3, struct.pack("=I", 17))
        body += attribute(0x8004, head + nests)
    return body


def columns(row: np.void) -> dict[str, int]:
    return {name: int(row[name]) for name in COUNTERS if row[name] != UNKNOWN64}


class Standard:
    """Statistics by standard names, as a test has them."""

    def __init__(self, told: Mapping[int, Counts] | None = None) -> None:
        self.told = told

    def read(self) -> Mapping[int, Counts]:
        if self.told is None:
            raise OSError
        return self.told

    def close(self) -> None:
        self.told = None


class Drivers:
    """Statistics by the names of drivers, as a test has them."""

    def __init__(self, **devices: Mapping[str, int]) -> None:
        self.devices = devices
        self.questions: list[str] = []

    def _find(self, name: str) -> Mapping[str, int]:
        if name not in self.devices:
            raise OSError
        return self.devices[name]

    def read_names(self, device: str) -> Sequence[str]:
        self.questions.append(device)
        return list(self._find(device))

    def read_values(self, device: str) -> NDArray[np.uint64]:
        return np.array(list(self._find(device).values()), np.uint64)

    def close(self) -> None:
        self.devices = {}


def test_statistics_have_the_columns_of_the_mib() -> None:
    mac = {1: 11, 2: 12, 4: 14, 5: 15, 7: 17, 8: 18, 9: 19, 10: 20, 11: 21, 13: 23, 21: 31}
    ignored = {0: 1, 3: 2, 6: 3}  # frames and octets
    assert read_device(device(70_001, {0: {0: 5}, 1: mac | ignored, 3: {1: 9}})) == (
        70_001,
        {
            "symbol_errors": 5,
            "single_collisions": 11,
            "multiple_collisions": 12,
            "fcs_errors": 14,
            "alignment_errors": 15,
            "deferred": 17,
            "late_collisions": 18,
            "excessive_collisions": 19,
            "transmit_errors": 20,
            "carrier_sense_errors": 21,
            "receive_errors": 23,
            "frames_too_long": 31,
        },
    )


def test_a_driver_that_counts_nothing() -> None:
    assert read_device(EMPTY) == (1, {})


@pytest.mark.parametrize("size", range(len(EMPTY)))
def test_an_answer_that_is_cut_is_read_as_far_as_it_goes(size: int) -> None:
    assert read_device(EMPTY[:size])[1] == {}


def test_what_no_driver_counts_is_unknown() -> None:
    source = EthernetSource(Standard({2: {"fcs_errors": 7, "deferred": 2**40}}), Drivers())
    rows = source.read((link(1, flags=0x49), link(2), link(3)))
    assert rows["ifindex"].tolist() == [2]
    assert columns(rows[0]) == {"fcs_errors": 7, "deferred": 2**40}


def test_drivers_are_asked_by_their_names_when_there_is_no_standard() -> None:
    e1000e = {"rx_packets": 1, "rx_crc_errors": 4, "tx_single_coll_ok": 5, "rx_align_errors": 0}
    drivers = Drivers(port2=e1000e, port3={"rx_queue_0_packets": 9})
    source = EthernetSource(Standard(), drivers)
    for _ in range(3):
        rows = source.read((link(2), link(3), link(4), link(5, kind="veth")))
        assert rows["ifindex"].tolist() == [2]
        assert columns(rows[0]) == {
            "fcs_errors": 4,
            "single_collisions": 5,
            "alignment_errors": 0,
        }
        rows.fill(0)
    assert drivers.questions.count("port5") == 0


def test_names_are_read_again_when_the_interface_changed() -> None:
    drivers = Drivers(port2={"rx_crc_errors": 4})
    source, port = EthernetSource(Standard({}), drivers), link(2)
    for link_now in (port, port, replace(port, alias="uplink")):
        source.read((link_now,))
    assert drivers.questions == ["port2", "port2"]


def test_a_device_that_vanishes_meanwhile_is_absent() -> None:
    drivers = Drivers(port2={"rx_crc_errors": 4})
    source, port = EthernetSource(Standard({}), drivers), link(2)
    assert len(source.read((port,))) == 1
    drivers.close()
    assert len(source.read((port,))) == 0


def answer(kind: int, sequence: int, *bodies: bytes) -> bytes:
    """Lay out a dump: generic netlink messages, and the one that ends it."""
    messages = [
        struct.pack("=IHHII", 20 + len(body), kind, 2, sequence, 0) + bytes(4) + body
        for body in bodies
    ]
    return b"".join(messages) + struct.pack("=IHHIIi", 20, 3, 2, sequence, 0, 0)


def serve(*answers: Callable[[int], bytes]) -> Callable[[], socket.socket]:
    def run(far: socket.socket) -> None:
        with far:
            for give in answers:
                request = far.recv(4096)
                far.send(give(struct.unpack_from("=I", request, 8)[0]))

    def open_socket() -> socket.socket:
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        near.settimeout(5)
        threading.Thread(target=run, args=(far,), daemon=True).start()
        return near

    return open_socket


FAMILIES = [
    attribute(2, b"nl80211\0") + attribute(1, struct.pack("=H", 30)),
    attribute(2, b"ethtool\0") + attribute(1, struct.pack("=H", 21)),
]


def test_the_kernel_is_asked_for_the_family_once() -> None:
    told = device(4, {1: {4: 17}})
    ethtool = EthtoolSocket(
        serve(
            lambda sequence: answer(16, sequence, *FAMILIES),
            lambda sequence: answer(21, sequence, EMPTY, told),
            lambda sequence: answer(21, sequence, told),
        )
    )
    for _ in range(2):
        assert ethtool.read() == {4: {"fcs_errors": 17}}
    ethtool.close()


def test_a_kernel_without_ethtool_netlink() -> None:
    ethtool = EthtoolSocket(serve(lambda sequence: answer(16, sequence, FAMILIES[0])))
    with pytest.raises(OSError, match="no ethtool netlink"):
        ethtool.read()
    ethtool.close()


def test_this_kernel_answers() -> None:
    """Loopback is there on every machine, and no driver counts Ethernet's errors for it."""
    ethtool, devices = EthtoolSocket(), EthtoolDevices()
    loopback = socket.if_nametoindex("lo")
    assert loopback not in ethtool.read()
    with pytest.raises(OSError, match="not supported"):
        devices.read_names("lo")
    with pytest.raises(OSError, match="No such device"):
        devices.read_values("nosuchdevice0")
    ethtool.close()
    devices.close()
