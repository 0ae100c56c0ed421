from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from flowexport_mgmt.export import Interest
from flowexport_mgmt.pipeline.watch import Watch


@pytest.fixture
def watch() -> Iterator[Watch[str]]:
    made: Watch[str] = Watch()
    yield made
    made.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    with near, far:
        yield near, far


def reading(link: socket.socket) -> Interest:
    return Interest(link.fileno(), read=True, write=False)


def test_a_key_is_told_once_for_each_time_it_is_armed(
    watch: Watch[str], pair: tuple[socket.socket, socket.socket]
) -> None:
    near, far = pair
    watch.arm("near", reading(near))
    assert watch.take() == []
    far.send(b"x")
    watch.wait(5)
    assert watch.take() == ["near"]
    assert watch.take() == []
    watch.arm("near", reading(near))
    assert watch.take() == ["near"]


def test_writing(watch: Watch[str], pair: tuple[socket.socket, socket.socket]) -> None:
    watch.arm("near", Interest(pair[0].fileno(), read=False, write=True))
    assert watch.take() == ["near"]


def test_what_was_closed_meanwhile_is_not_watched(watch: Watch[str]) -> None:
    near, far = socket.socketpair()
    with far:
        near.close()
        watch.arm("near", reading(near))
        assert watch.take() == []


def test_a_wait_is_as_long_as_it_should_be(watch: Watch[str]) -> None:
    begin = time.monotonic()
    for _ in range(20):
        watch.wait(0.0003)
    assert time.monotonic() - begin >= 0.006


def test_a_wait_is_ended_from_another_thread(watch: Watch[str]) -> None:
    begin = time.monotonic()
    waker = threading.Timer(0.05, watch.wake)
    waker.start()
    watch.wait(10)
    assert time.monotonic() - begin < 5
    assert watch.take() == []
    waker.join()
    begin = time.monotonic()
    watch.wait(0.05)
    assert time.monotonic() - begin >= 0.05


def test_what_was_closed_is_forgotten_and_its_number_is_somebody_elses(
    watch: Watch[str], pair: tuple[socket.socket, socket.socket]
) -> None:
    near, far = socket.socketpair()
    watch.arm("old", reading(near))
    number = near.fileno()
    near.close()
    far.close()
    watch.arm("old", Interest(number, read=True, write=False))  # closed: nothing to arm
    assert watch.take() == []
    with socket.socket(fileno=os.dup2(pair[0].fileno(), number)) as heir:
        watch.arm("new", reading(heir))
        pair[1].send(b"x")
        assert watch.take() == ["new"]


def test_a_key_that_is_forgotten_is_not_told(
    watch: Watch[str], pair: tuple[socket.socket, socket.socket]
) -> None:
    watch.arm("near", reading(pair[0]))
    watch.forget("near")
    pair[1].send(b"x")
    assert watch.take() == []


def test_after_the_end_waking_does_nothing() -> None:
    watch: Watch[str] = Watch()
    watch.close()
    watch.wake()
    watch.close()
