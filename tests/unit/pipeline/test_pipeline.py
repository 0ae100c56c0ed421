from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.conditions import wait_until
from tests.support.flows import flow_batch
from tests.support.interfaces import FakeKernel, FakeLink
from tests.support.receiver import Receiver, receiver
from tests.support.sessions import config

from flowexport_mgmt.export import open_sender
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.pipeline import Lane, Pipeline, read_clock
from flowexport_mgmt.sources import CounterSource
from flowexport_mgmt.sources.sysfs import UNKNOWN_SETTINGS
from flowexport_mgmt.sources.table import LinkTable


class Plant:
    """A pipeline over interfaces that a test makes up, and lanes to real sockets."""

    def __init__(self) -> None:
        self.kernel = FakeKernel(*[FakeLink(index, f"port{index}") for index in range(2, 6)])
        source = CounterSource(0, LinkTable(self.kernel, lambda *_: UNKNOWN_SETTINGS))
        self.source_changes: list[tuple[OperStatus, str | None]] = []
        self.pipeline = Pipeline(
            source, read_clock, lambda *change: self.source_changes.append(change)
        )
        self.pipeline.start()

    def add(self, peer: Receiver, protocol: str = "sflow", **settings: Any) -> Lane:
        settings = {"port": peer.port, "polling_interval": 3600} | settings
        made = config(protocol, **settings)
        lane = Lane(
            made,
            read_clock(),
            changed=lambda *_: None,
            recovered=self.pipeline.recovered,
        )
        lane.configure(made, open_sender(made), read_clock())
        self.pipeline.add(lane, made.polling_interval)
        return lane


@pytest.fixture
def plant() -> Iterator[Plant]:
    made = Plant()
    yield made
    made.pipeline.stop()


def test_the_first_poll_comes_at_once(plant: Plant) -> None:
    with receiver() as peer:
        begin = time.monotonic()
        lane = plant.add(peer)
        got = peer.receive()
        assert got.arrived - begin < 5  # of an interval of 3600
        assert len(got.message.records) == 4
        wait_until(lambda: plant.pipeline.polls.polls == 1)
        assert plant.pipeline.polls.interfaces == 4
        lane.close()


def test_polls_come_within_the_interval(plant: Plant) -> None:
    with receiver() as peer:
        lane = plant.add(peer, polling_interval=1)
        arrivals = [peer.receive().arrived for _ in range(3)]
        gaps = [after - before for before, after in itertools.pairwise(arrivals)]
        assert max(gaps) < 1.6  # a busy machine may hold a thread up
        assert min(gaps) > 0.8
        lane.close()


def test_nobody_polls_for_a_collector_without_counters(plant: Plant) -> None:
    now_ms = time.time_ns() // 10**6
    with receiver() as peer, receiver() as other:
        lane = plant.add(peer, "netflow5")
        plant.pipeline.exchange.publish(flow_batch([{"start_ms": now_ms, "end_ms": now_ms}]))
        assert len(peer.receive().message.records) == 1
        plant.pipeline.change(lane, 1)
        plant.pipeline.recovered(lane)
        polled = plant.add(other)
        other.receive()
        wait_until(lambda: plant.pipeline.polls.polls == 1)
        for one in (lane, polled):
            plant.pipeline.remove(one)
            one.close()


def test_one_poll_feeds_all_that_are_due(plant: Plant) -> None:
    with receiver() as one, receiver() as other:
        lanes = [plant.add(one, polling_interval=1), plant.add(other, polling_interval=1)]
        for _ in range(2):
            one.receive()
            other.receive()
        begun = plant.pipeline.polls.polls
        one.receive()
        other.receive()
        assert plant.pipeline.polls.polls == begun + 1
        for lane in lanes:
            lane.close()


def test_a_source_that_fails_is_down_and_comes_back(plant: Plant) -> None:
    with receiver() as peer:
        plant.kernel.error = OSError(105, "No buffer space available")
        lane = plant.add(peer)
        wait_until(lambda: plant.pipeline.polls.failures >= 1)
        assert plant.pipeline.polls.status is OperStatus.DOWN
        assert plant.pipeline.polls.reason == "rtnetlink: No buffer space available"
        plant.kernel.error = None
        peer.receive()
        wait_until(lambda: plant.pipeline.polls.polls == 1)
        assert plant.source_changes == [
            (OperStatus.DOWN, "rtnetlink: No buffer space available"),
            (OperStatus.UP, None),
        ]
        lane.close()


def test_a_fault_in_one_lane_stops_neither_the_thread_nor_the_others(plant: Plant) -> None:
    with receiver() as good, receiver() as bad:
        broken = plant.add(bad, polling_interval=1)
        bad.receive()
        broken._collector.session.encode = None  # type: ignore[method-assign,assignment]
        lane = plant.add(good, polling_interval=1)
        for _ in range(2):
            good.receive()
        report = broken.report()
        assert report.status is OperStatus.DOWN
        assert report.reason is not None
        assert "internal error" in report.reason
        lane.close()
        broken.close()


def test_a_slow_lane_does_not_hold_up_another(plant: Plant) -> None:
    plant.kernel.links = [FakeLink(index, f"port{index}") for index in range(2, 200)]
    with receiver() as slow, receiver() as fast:
        lanes = [plant.add(slow, rate_limit=1, max_datagram_size=464)]
        slow.receive()
        lanes.append(plant.add(fast, max_datagram_size=464))
        counted = 0
        while counted < 198:
            counted += len(fast.receive().message.records)
        assert lanes[0].report().statistics.records < 198
        for lane in lanes:
            lane.close()


def test_a_lane_that_is_removed_gets_nothing_any_more(plant: Plant) -> None:
    with receiver() as gone, receiver() as stays:
        lane = plant.add(gone, polling_interval=1)
        other = plant.add(stays, polling_interval=1)
        gone.receive()
        plant.pipeline.remove(lane)
        lane.close()
        gone.waiting()
        for _ in range(2):
            stays.receive()
        assert gone.waiting() == []
        other.close()


def test_a_shorter_interval_holds_at_once(plant: Plant) -> None:
    with receiver() as peer:
        lane = plant.add(peer)
        peer.receive()
        plant.pipeline.change(lane, 1)
        peer.receive(2)
        peer.receive(2)
        lane.close()


def test_many_lanes_are_served_by_one_thread(plant: Plant) -> None:
    with receiver(strict=False) as peer:
        before = threading.active_count()
        lanes = [plant.add(peer, name=f"c{number}") for number in range(300)]
        got = [peer.receive() for _ in lanes]
        assert {len(datagram.message.records) for datagram in got} == {4}
        assert threading.active_count() == before
        for lane in lanes:
            plant.pipeline.remove(lane)
            lane.close()


def test_stopping_ends_the_threads() -> None:
    plant = Plant()
    with receiver() as peer:
        lane = plant.add(peer, polling_interval=1)
        peer.receive()
        plant.pipeline.stop()
        wait_until(lambda: not {"egress", "counters"} & {t.name for t in threading.enumerate()})
        lane.close()


def test_the_clock_reads_this_machines_time() -> None:
    instant = read_clock()
    assert abs(instant.unix_ns / 1e9 - time.time()) < 5
    assert abs(instant.monotonic - time.monotonic()) < 5
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    assert abs(instant.uptime_ms / 1000 - uptime) < 5
