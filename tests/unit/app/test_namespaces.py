from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from tests.support.namespaces import namespaces

from flowexport_mgmt.app.loop import Loop
from flowexport_mgmt.app.namespaces import NamespaceBroker
from flowexport_mgmt.link import control
from flowexport_mgmt.link.sockets import OpenSocket, SocketClient


class Supervisor:
    """A loop that runs in a thread, and its broker."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.broker = NamespaceBroker(self.loop)
        self._ending = threading.Event()

    @contextmanager
    def running(self) -> Iterator[None]:
        waker, woken = socket.socketpair()
        self.loop.watch(woken, lambda: None)
        thread = threading.Thread(target=self.loop.run, args=(self._ending.is_set,))
        thread.start()
        try:
            yield
        finally:
            self._ending.set()
            waker.send(b"x")
            thread.join()
            self.broker.close()
            self.loop.close()
            waker.close()
            woken.close()


@pytest.mark.root
def test_a_child_gets_sockets_in_namespaces_that_it_may_not_enter() -> None:
    supervisor = Supervisor()
    client = SocketClient(supervisor.broker.renew())
    with namespaces(1) as (red,), supervisor.running():
        red.ip("address", "add", "fd99::1/128", "dev", "lo", "nodad")
        with client.open_in_namespace(red.name, socket.AF_INET6, socket.SOCK_STREAM) as made:
            made.bind(("fd99::1", 0))
        with pytest.raises(FileNotFoundError):
            client.open_in_namespace("fx-none", socket.AF_INET, socket.SOCK_DGRAM)
    client.close()


def test_what_no_child_may_ask_for() -> None:
    supervisor = Supervisor()
    client = SocketClient(supervisor.broker.renew())
    with supervisor.running():
        for name, family in (("../x", socket.AF_INET), ("red", socket.AF_UNIX)):
            with pytest.raises(OSError, match="Invalid argument") as caught:
                client.open_in_namespace(name, family, socket.SOCK_DGRAM)
            assert caught.value.errno == errno.EINVAL
    client.close()


def test_a_child_that_asks_on_and_on_leaves_others_their_turn() -> None:
    loop = Loop()
    broker = NamespaceBroker(loop)
    turns: list[int] = []
    with broker.renew() as child:
        for number in range(100):
            control.send(child, OpenSocket(number, "../x", socket.AF_INET, 1))
        loop.call_later(0.0, lambda: turns.append(count_answers(child)))
        loop.run(lambda: bool(turns))
    assert 0 < turns[0] < 100
    broker.close()
    loop.close()


def count_answers(child: socket.socket) -> int:
    count = 0
    with suppress(BlockingIOError):
        while child.recv(4096, socket.MSG_DONTWAIT):
            count += 1
    return count


def test_the_next_child_has_an_end_of_its_own_and_nonsense_ends_the_talk() -> None:
    supervisor = Supervisor()
    former = supervisor.broker.renew()
    client = SocketClient(supervisor.broker.renew())
    assert former.recv(1) == b""
    with supervisor.running():
        with pytest.raises(FileNotFoundError):
            client.open_in_namespace("fx-none", socket.AF_INET, socket.SOCK_DGRAM)
        stranger = client._link
        stranger.send(b"nonsense")
        stranger.settimeout(5)
        assert stranger.recv(100) == b""
    former.close()
    client.close()


def test_a_descriptor_that_nobody_asked_for_is_closed() -> None:
    supervisor = Supervisor()
    client = SocketClient(supervisor.broker.renew())
    near, far = socket.socketpair()
    control.send(client._link, OpenSocket(0, "fx-none", socket.AF_INET, 1), near.fileno())
    near.close()
    with supervisor.running():
        far.settimeout(5)
        assert far.recv(1) == b""
    far.close()
    client.close()
