"""Lanes stepped by a thread of their own: in time, when ready, and none at another's cost."""

from __future__ import annotations

import math
import socket
from collections.abc import Iterator
from typing import cast

import pytest
from tests.support.conditions import wait_until

from flowexport_mgmt.export import Instant, Interest
from flowexport_mgmt.pipeline import Lane, read_clock
from flowexport_mgmt.pipeline.egress import Egress


class Stepped:
    """What egress knows of a lane: a step tells when the next is due, and what it waits for."""

    name = "stepped"

    def __init__(self, *dues: float, link: socket.socket | None = None) -> None:
        self._dues = list(dues)
        self._link = link
        self.steps: list[float] = []
        self.failures: list[str] = []

    @property
    def interest(self) -> Interest | None:
        if self._link is None:
            return None
        return Interest(self._link.fileno(), read=True, write=False)

    def step(self, now: Instant) -> float:
        self.steps.append(now.monotonic)
        if self._link is not None:
            self._link.recv(100)
        due = self._dues.pop(0) if self._dues else math.inf
        if math.isnan(due):
            raise ValueError("on purpose")
        return now.monotonic + due

    def fail(self, reason: str, now: Instant) -> float:
        self.failures.append(reason)
        return now.monotonic + 0.05


def lane(stepped: Stepped) -> Lane:
    return cast("Lane", stepped)


@pytest.fixture
def egress() -> Iterator[Egress]:
    made = Egress(read_clock)
    made.start()
    yield made
    made.stop(5)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    near, far = socket.socketpair()
    near.setblocking(False)
    with near, far:
        yield near, far


def test_steps_come_when_they_are_due(egress: Egress) -> None:
    stepped = Stepped(0.1, 0.0004)
    egress.wake([lane(stepped)])
    wait_until(lambda: len(stepped.steps) == 3)
    first, second, third = stepped.steps
    assert 0.1 <= second - first < 1
    assert 0.0004 <= third - second < 1


def test_a_lane_is_stepped_when_what_it_waits_for_has_come(
    egress: Egress, pair: tuple[socket.socket, socket.socket]
) -> None:
    near, far = pair
    far.send(b"before the first step")
    stepped = Stepped(link=near)
    egress.wake([lane(stepped)])
    wait_until(lambda: len(stepped.steps) == 1)
    for count in (2, 3):
        far.send(b"x")
        wait_until(lambda: len(stepped.steps) == count)  # noqa: B023 - waited for in the loop
    other = Stepped(0.05)
    egress.wake([lane(other)])
    wait_until(lambda: len(other.steps) == 2)
    assert len(stepped.steps) == 3  # nothing came


def test_busy_lanes_do_not_keep_a_ready_one_waiting(
    egress: Egress, pair: tuple[socket.socket, socket.socket]
) -> None:
    near, far = pair
    far.send(b"before the first step")
    ready = Stepped(link=near)
    busy = [Stepped(*[0.0] * 1_000_000) for _ in range(3)]
    egress.wake([lane(ready), *map(lane, busy)])
    wait_until(lambda: len(ready.steps) == 1)
    far.send(b"x")
    wait_until(lambda: len(ready.steps) == 2, 5)
    assert all(len(one.steps) < 1_000_000 for one in busy)


def test_a_lane_that_raises_fails_alone(egress: Egress) -> None:
    broken, well = Stepped(math.nan), Stepped(0.1)
    egress.wake([lane(broken), lane(well)])
    wait_until(lambda: len(well.steps) == 2 and len(broken.steps) == 2)
    assert broken.failures == ["internal error: ValueError('on purpose')"]


def test_a_lane_that_is_forgotten_is_left_alone(
    egress: Egress, pair: tuple[socket.socket, socket.socket]
) -> None:
    near, far = pair
    far.send(b"before the first step")
    stepped = Stepped(0.2, link=near)
    egress.wake([lane(stepped)])
    wait_until(lambda: len(stepped.steps) == 1)
    other = Stepped(0.3)
    egress.wake([lane(other)])
    wait_until(lambda: len(other.steps) == 1)  # the first has been put away by now
    egress.forget(lane(stepped))
    far.send(b"x")
    wait_until(lambda: len(other.steps) == 2)
    assert len(stepped.steps) == 1


def test_stopping_does_not_wait_for_what_is_due() -> None:
    egress = Egress(read_clock)
    egress.start()
    egress.wake([lane(Stepped(1000.0))])
    egress.stop(60)
    assert not egress._thread.is_alive()
    egress.wake([lane(Stepped())])  # a poll that ends later does no harm


def test_one_that_never_started_can_be_stopped() -> None:
    Egress(read_clock).stop(1)
