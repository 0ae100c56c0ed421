"""Many datagrams in one system call, on real sockets."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterator

import pytest

from flowexport_mgmt.link.mmsg import Receiver

_TIMESTAMPNS = 35


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    far = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with near, far:
        near.bind(("127.0.0.1", 0))
        far.bind(("127.0.0.1", 0))
        far.connect(near.getsockname())
        yield near, far


def test_datagrams_come_in_order_with_their_lengths(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    near, far = ends
    receiver = Receiver(4, 64)
    sent = [bytes([number]) * (number + 1) for number in range(6)]
    for datagram in sent:
        far.send(datagram)
    got = []
    while count := receiver.receive(near):
        got += [receiver.data[i, : receiver.lengths[i]].tobytes() for i in range(count)]
    assert got == sent


def test_a_long_datagram_is_cut_and_marked(ends: tuple[socket.socket, socket.socket]) -> None:
    near, far = ends
    receiver = Receiver(4, 8)
    far.send(b"12345678")
    far.send(b"123456789")
    assert receiver.receive(near) == 2
    assert receiver.cut[:2].tolist() == [False, True]
    assert receiver.lengths[:2].tolist() == [8, 8]


def test_names_and_control_messages_come_with_each_call(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    near, far = ends
    near.setsockopt(socket.SOL_SOCKET, _TIMESTAMPNS, 1)
    receiver = Receiver(2, 8, name_size=16, control_size=32)
    for _ in range(2):  # the kernel writes the sizes that it used over those that it may use
        far.send(b"x")
        receiver.names[:] = 0
        receiver.controls[:] = 0
        assert receiver.receive(near) == 1
        family, port = struct.unpack_from("=H2s", receiver.names[0].tobytes())
        assert family == socket.AF_INET
        assert int.from_bytes(port, "big") == far.getsockname()[1]
        length, level, kind = struct.unpack_from("=Qii", receiver.controls[0].tobytes())
        assert (length, level, kind) == (32, socket.SOL_SOCKET, _TIMESTAMPNS)


def test_nothing_there_is_no_error(ends: tuple[socket.socket, socket.socket]) -> None:
    assert Receiver(2, 8).receive(ends[0]) == 0


def test_an_error_of_the_socket_is_told(ends: tuple[socket.socket, socket.socket]) -> None:
    near, far = ends
    near.close()
    far.send(b"x")
    far.settimeout(2)
    with pytest.raises(OSError, match="refused") as raised:
        Receiver(1, 8).receive(far, 0)
    assert raised.value.errno == errno.ECONNREFUSED
