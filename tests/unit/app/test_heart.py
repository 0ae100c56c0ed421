"""The watchdog lives on beats of the data plane alone."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowexport_mgmt.app.heart import Heart
from flowexport_mgmt.app.loop import Loop
from flowexport_mgmt.observe.notify import Notifier


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


def run(loop: Loop, seconds: float) -> None:
    until = time.monotonic() + seconds
    loop.call_later(seconds, lambda: None)
    loop.run(lambda: time.monotonic() >= until)


def test_each_beat_feeds_the_watchdog(loop: Loop, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(5)
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000000"}
        heart = Heart(loop, Notifier(environment), lambda _: None)
        manager.setblocking(False)
        with pytest.raises(BlockingIOError):
            manager.recv(100)
        heart.beat()
        heart.beat()
        assert [manager.recv(100), manager.recv(100)] == [b"WATCHDOG=1"] * 2


def test_silence_is_told_once_until_the_next_beat(loop: Loop) -> None:
    still: list[float] = []
    heart = Heart(loop, Notifier({}), still.append, still_after=0.05)
    run(loop, 0.1)
    assert still == []  # nothing was started
    heart.beat()
    run(loop, 0.2)
    assert len(still) == 1
    assert still[0] >= 0.05
    heart.beat()
    heart.pause()  # it ended, and is started again
    run(loop, 0.1)
    assert len(still) == 1


def test_one_that_never_beats_is_told_too_after_the_time_that_a_start_may_take(loop: Loop) -> None:
    still: list[float] = []
    heart = Heart(loop, Notifier({}), still.append, still_after=0.05, first_after=0.4)
    heart.expect()
    run(loop, 0.2)
    assert still == []
    run(loop, 0.4)
    assert len(still) == 1
    assert still[0] >= 0.4
    heart.expect()
    heart.beat()
    run(loop, 0.2)
    assert len(still) == 2
    assert still[1] < 0.4  # from the first beat on the shorter time counts
    heart.expect()
    heart.pause()
    run(loop, 0.5)
    assert len(still) == 2
