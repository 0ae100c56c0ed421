from __future__ import annotations

import socket
import threading

from flowexport_mgmt.sources.gathering import gather, is_filling

PAYLOAD = bytes(1000)


def test_room_gets_scarce_while_datagrams_wait() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64_000)
        receiver.bind(("127.0.0.1", 0))
        assert not is_filling(receiver)
        for _ in range(40):
            sender.sendto(PAYLOAD, receiver.getsockname())
        assert is_filling(receiver)


def test_a_socket_that_cannot_be_asked_may_be_full() -> None:
    closed = socket.socket()
    closed.close()
    assert is_filling(closed)


def test_nothing_gathers_any_longer_where_room_is_scarce() -> None:
    asked: list[bool] = []

    def is_scarce() -> bool:
        asked.append(len(asked) == 2)
        return asked[-1]

    gather(is_scarce, threading.Event())
    assert asked == [False, False, True]


def test_samples_gather_for_a_bounded_time() -> None:
    asked: list[bool] = []

    def is_scarce() -> bool:
        asked.append(False)
        return False

    gather(is_scarce, threading.Event())
    assert len(asked) == 6


def test_who_stops_does_not_wait() -> None:
    stopping = threading.Event()
    stopping.set()
    gather(_fail, stopping)


def _fail() -> bool:
    raise AssertionError("it did not stop")
