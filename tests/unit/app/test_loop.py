from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator

import pytest

from flowexport_mgmt.app.loop import Loop


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


def test_timers_run_in_order_and_cancelled_ones_do_not(loop: Loop) -> None:
    ran: list[str] = []
    loop.call_later(0.02, lambda: ran.append("late"))
    loop.call_later(0.01, lambda: ran.append("never")).cancel()
    loop.call_later(0.0, lambda: ran.append("soon"))
    begin = time.monotonic()
    loop.run(lambda: "late" in ran)
    assert ran == ["soon", "late"]
    assert time.monotonic() - begin >= 0.02


def test_a_socket_is_watched_until_it_is_not(loop: Loop) -> None:
    ours, theirs = socket.socketpair()
    heard: list[bytes] = []

    def read() -> None:
        heard.append(ours.recv(1))
        loop.unwatch(ours)

    with ours, theirs:
        loop.watch(ours, read)
        theirs.send(b"ab")
        done: list[bool] = []
        loop.call_later(0.02, lambda: done.append(True))
        loop.run(lambda: bool(done))
        loop.unwatch(ours)  # a second time is fine
    assert heard == [b"a"]


def test_a_socket_dropped_in_the_same_round_is_not_called(loop: Loop) -> None:
    pairs = [socket.socketpair() for _ in range(2)]
    called: list[int] = []

    def drop_all(number: int) -> None:
        called.append(number)
        for ours, _ in pairs:
            loop.unwatch(ours)

    for number, (ours, theirs) in enumerate(pairs):
        loop.watch(ours, lambda number=number: drop_all(number))  # type: ignore[misc]
        theirs.send(b"x")
    loop.run(lambda: bool(called))
    assert len(called) == 1
    for pair in pairs:
        for end in pair:
            end.close()


def test_signals_call_back_from_the_loop_and_are_given_back(loop: Loop) -> None:
    heard: list[str] = []
    before = signal.getsignal(signal.SIGUSR1)
    with loop.signals(
        {signal.SIGUSR1: lambda: heard.append("usr1"), signal.SIGUSR2: lambda: heard.append("usr2")}
    ):
        for number in (signal.SIGUSR1, signal.SIGUSR1, signal.SIGUSR2):
            os.kill(os.getpid(), number)
        assert heard == []
        loop.run(lambda: "usr2" in heard)
    assert set(heard) == {"usr1", "usr2"}
    assert signal.getsignal(signal.SIGUSR1) is before
