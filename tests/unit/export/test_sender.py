from __future__ import annotations

import errno
import socket
from collections.abc import Iterator

import pytest
from tests.support.conditions import wait_until
from tests.support.receiver import closed_port

from flowexport_mgmt.export.endpoint import Endpoint
from flowexport_mgmt.export.sender import UdpSender


def views(*datagrams: bytes) -> list[memoryview]:
    return [memoryview(datagram) for datagram in datagrams]


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        made.settimeout(5)
        yield made


def sender_to(port: int) -> UdpSender:
    return UdpSender(Endpoint("127.0.0.1", port).connect(0))


def test_datagrams_arrive_in_order(peer: socket.socket) -> None:
    sender = sender_to(peer.getsockname()[1])
    sent = sender.send(views(b"one", b"three"))
    assert [peer.recv(100), peer.recv(100)] == [b"one", b"three"]
    assert (sent.accepted, sent.octets, sent.failures) == ([True, True], 8, {})
    sender.close()


def test_a_closed_port_is_counted_and_nothing_is_lost_when_it_opens() -> None:
    port = closed_port()
    sender = sender_to(port)
    assert sender.send(views(b"into the void")).accepted == [True]  # the kernel takes it

    def reported() -> bool:
        sent = sender.send(views(b"x"))
        assert sent.accepted == [True]
        return sent.reported and sent.failures == {errno.ECONNREFUSED: 1}

    wait_until(reported)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", port))
        peer.settimeout(5)
        sent = sender.send(views(b"kept"))  # an old report may still be waiting
        assert sent.accepted == [True]
        assert peer.recv(100) == b"kept"
    sender.close()


def test_what_is_too_long_fails_alone(peer: socket.socket) -> None:
    sender = sender_to(peer.getsockname()[1])
    sent = sender.send(views(b"a", bytes(65_508), b"b"))
    assert sent.accepted == [True, False, True]
    assert (sent.octets, sent.failures, sent.reported) == (2, {errno.EMSGSIZE: 1}, False)
    sender.close()


def test_a_full_buffer_leaves_the_rest_waiting() -> None:
    near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    near.setblocking(False)
    sender = UdpSender.__new__(UdpSender)
    sender._socket = near
    sent = sender.send(views(*[bytes(100)] * 5000))
    waiting = 5000 - len(sent.accepted)
    assert 0 < waiting < 5000
    assert all(sent.accepted)
    assert not sent.failures
    for _ in sent.accepted:
        far.recv(200)
    assert sender.send(views(b"more")).accepted == [True]
    sender.close()
    far.close()


def test_a_lasting_error_counts_once_a_datagram() -> None:
    sender = sender_to(closed_port())
    sender._socket.shutdown(socket.SHUT_WR)
    sent = sender.send(views(b"a", b"b"))
    assert sent.accepted == [False, False]
    assert sent.failures == {errno.EPIPE: 2}
    assert not sent.reported
    sender.close()
