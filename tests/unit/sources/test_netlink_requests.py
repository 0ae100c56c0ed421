from __future__ import annotations

import errno
import socket
import struct

import pytest

from flowexport_mgmt.sources.genetlink import find_family
from flowexport_mgmt.sources.netlink_requests import (
    CREATE,
    EXCLUSIVE,
    Requests,
    number,
    pack,
    text,
    unpack,
)
from flowexport_mgmt.sources.ports import Ports

NEWLINK, GETLINK = 16, 18
ANY_LINK = struct.pack("=BxHiII", 0, 0, 0, 0, 0)


@pytest.fixture
def requests() -> Requests:
    return Requests(socket.NETLINK_ROUTE)


def test_a_dump_has_all_there_is(requests: Requests) -> None:
    names = [text(unpack(body, 16)[3]) for body in requests.dump(GETLINK, ANY_LINK)]
    assert sorted(names) == sorted(name for _, name in socket.if_nameindex())
    requests.close()


def test_what_the_kernel_refuses_is_the_error_that_python_has_for_it(requests: Requests) -> None:
    unknown = ANY_LINK + pack(3, b"fx-is-not-here\0")
    with pytest.raises(OSError, match="No such device") as refused:
        requests.call(GETLINK, unknown)
    assert refused.value.errno == errno.ENODEV
    loopback = ANY_LINK + pack(3, b"lo\0")
    with pytest.raises((FileExistsError, PermissionError)):
        requests.call(NEWLINK, loopback, CREATE | EXCLUSIVE)
    assert requests.call(GETLINK, loopback)  # and the next question is answered
    requests.close()


def test_attributes_are_read_as_they_are_written() -> None:
    data = pack(1, b"abc\0") + pack(2 | 0x8000, pack(7, struct.pack("=H", 513))) + pack(3, b"")
    found = unpack(data)
    assert text(found[1]) == "abc"
    assert number(unpack(found[2])[7]) == 513
    assert (found[3], number(found[3]), number(None, 9)) == (b"", 0, 9)
    assert unpack(data + b"\x63\0\x04\0") == found  # one that reaches past the end is left out
    assert unpack(struct.pack("=HH", 3, 9) + data) == {}


def test_interfaces_are_found_by_name() -> None:
    ports = Ports()
    found = ports.find("lo")
    assert found is not None
    assert (found.ifindex, found.device_type, found.vlan) == (1, 772, 0)
    assert ports.find("fx-is-not-here") is None
    assert ports.find("\N{LATIN SMALL LETTER E WITH ACUTE}" * 15) is None  # 30 octets
    ports.close()


def test_families_are_found_by_name() -> None:
    controller = find_family("nlctrl")
    assert controller is not None
    assert controller.number == 0x10
    assert controller.groups == {"notify": 0x10}
    assert find_family("fx-is-not-here") is None
