from __future__ import annotations

import errno
import math
from typing import Any

import pytest
from tests.support.interfaces import make_batch
from tests.support.receiver import receiver
from tests.support.sessions import OPTIONS, TEMPLATES, Script, at, config

from flowexport_mgmt.export import EndpointError, Opened
from flowexport_mgmt.model.base import OperStatus
from flowexport_mgmt.pipeline import Lane
from flowexport_mgmt.pipeline.queue import CAPACITY

MANY = dict.fromkeys(range(1, 61), 5)  # twenty datagrams of 464 octets


class Drive:
    """A lane that is stepped whenever it asks for it."""

    def __init__(self, opened: Opened | None, protocol: str = "sflow", **settings: Any) -> None:
        self.recovered: list[Lane] = []
        self.changes: list[OperStatus] = []
        self.lane = Lane(
            config(protocol, **settings),
            at(0),
            changed=lambda status, _: self.changes.append(status),
            recovered=self.recovered.append,
        )
        self.lane.configure(config(protocol, **settings), opened, at(0))

    def run(self, begin: float, end: float) -> list[float]:
        """Step as the lane asks for; tell when."""
        steps = []
        now = begin
        while now <= end:
            steps.append(now)
            now = max(now, self.lane.step(at(now)) - at(0).monotonic)
            assert len(steps) < 10_000
        return steps


def test_an_offer_is_sent_and_the_lane_rests() -> None:
    sender = Script()
    drive = Drive(sender)
    assert drive.lane.step(at(0)) == math.inf
    drive.lane.offer(make_batch({1: 1}))
    assert drive.lane.report().queue_depth == 1
    assert drive.lane.step(at(1)) == math.inf
    assert len(sender.datagrams) == 1
    report = drive.lane.report()
    assert (report.queue_depth, report.sequence, report.status) == (0, 1, OperStatus.UP)


def test_cleared_statistics_begin_again_and_the_sequence_does_not() -> None:
    sender = Script()
    drive = Drive(sender)
    drive.lane.offer(make_batch({1: 1}))
    drive.lane.step(at(1))
    drive.lane.clear_statistics(at(2))
    cleared, whole = drive.lane.report(), drive.lane.report(uncleared=True)
    assert (cleared.statistics.datagrams, whole.statistics.datagrams) == (0, 1)
    assert (cleared.statistics.octets, cleared.statistics.records) == (0, 0)
    assert cleared.statistics.since_ns == at(2).unix_ns
    assert whole.statistics.since_ns == at(0).unix_ns
    assert cleared.statistics.last_export_ns == whole.statistics.last_export_ns
    assert cleared.sequence == 1
    drive.lane.offer(make_batch({1: 2}))
    drive.lane.step(at(3))
    assert drive.lane.report().statistics.datagrams == 1
    drive.lane.clear_statistics(at(4))
    assert drive.lane.report().statistics.datagrams == 0
    assert drive.lane.report(uncleared=True).statistics.datagrams == 2


def test_cleared_statistics_forget_failures_and_drops() -> None:
    drive = Drive(Script(errno.EPERM, 0, errno.EPERM))
    for number in range(CAPACITY + 2):
        drive.lane.offer(make_batch({1: number}))
    drive.lane.step(at(1))
    before = drive.lane.report()
    assert before.dropped_records > 0
    assert before.statistics.failures == {"EPERM": 1}
    assert before.statistics.last_error is not None
    drive.lane.clear_statistics(at(1))
    report = drive.lane.report()
    assert (report.dropped_records, report.statistics.errors) == (0, 0)
    assert report.statistics.last_error is None
    drive.run(2, 3)
    assert drive.lane.report().statistics.failures == {"EPERM": 1}
    assert drive.lane.report(uncleared=True).statistics.failures == {"EPERM": 2}


def test_a_lane_asks_to_be_stepped_for_its_templates() -> None:
    sender = Script()
    drive = Drive(sender, "ipfix", template_refresh=30)
    drive.lane.offer(make_batch({1: 1}))
    drive.lane.step(at(0))
    assert drive.lane.step(at(0)) == at(30).monotonic
    drive.run(0, 100)
    assert drive.lane.report().statistics.templates == 4 * TEMPLATES
    assert len(sender.datagrams) == 4


def test_a_poll_leaves_in_bursts_at_the_rate() -> None:
    sender = Script()
    drive = Drive(sender, rate_limit=10, max_datagram_size=464)
    drive.lane.offer(make_batch(MANY))
    steps = drive.run(0, 10)
    assert len(sender.datagrams) == 20
    assert steps[-1] == pytest.approx(1.9)


def test_a_step_is_one_burst_of_sixteen_at_most() -> None:
    sender = Script()
    drive = Drive(sender, max_datagram_size=464)
    drive.lane.offer(make_batch(MANY))
    again = drive.lane.step(at(0))
    assert len(sender.datagrams) == 16
    assert again == pytest.approx(at(0).monotonic + 16 / 50_000)
    drive.lane.step(at(0.0001))  # too early
    assert len(sender.datagrams) == 16
    drive.lane.step(at(0.001))
    assert len(sender.datagrams) == 20


def test_a_full_socket_buffer_is_left_to_drain() -> None:
    sender = Script(0, errno.EAGAIN, errno.EAGAIN)
    drive = Drive(sender, max_datagram_size=464)
    drive.lane.offer(make_batch(dict.fromkeys(range(1, 7), 1)))
    drive.lane.step(at(0))
    assert len(sender.datagrams) == 1
    assert drive.lane.step(at(1)) == pytest.approx(at(1).monotonic, abs=0.02)
    drive.run(1, 2)
    assert len(sender.datagrams) == 2
    assert drive.lane.report().statistics.errors == 0


def test_a_slow_collector_gets_the_latest_polls_and_counts_what_it_missed() -> None:
    sender = Script()
    drive = Drive(sender, rate_limit=1, max_datagram_size=464)
    drive.lane.offer(make_batch(MANY))
    drive.lane.step(at(0))
    for second in range(1, CAPACITY + 4):
        drive.lane.offer(make_batch(MANY, second=second))
    report = drive.lane.report()
    assert report.queue_depth == 1 + CAPACITY  # the one that is being sent
    assert report.dropped_records == 3 * len(MANY)
    drive.run(0, 1000)
    assert len(sender.datagrams) == 20 * (1 + CAPACITY)
    assert drive.lane.report().queue_depth == 0


@pytest.mark.parametrize("protocol", ["netflow9", "ipfix"])
def test_dropped_polls_lose_no_counts(protocol: str) -> None:
    sender = Script()
    drive = Drive(sender, protocol, rate_limit=1)
    for second in range(CAPACITY + 3):
        drive.lane.offer(make_batch({1: second * 10}, second=second))
    drive.run(0, 60)
    report = drive.lane.report()
    assert report.dropped_records == 3 * 2
    assert report.statistics.records == 1 + OPTIONS + 2 * (CAPACITY - 1)


def test_a_lane_that_is_down_takes_nothing_and_asks_for_a_poll_when_it_is_back() -> None:
    with receiver() as peer:
        failure = EndpointError("address", "no route")
        drive = Drive(failure, port=peer.port)
        drive.lane.offer(make_batch({1: 1}))
        assert drive.lane.report().queue_depth == 0
        assert drive.lane.step(at(0.5)) == at(1).monotonic
        assert drive.recovered == []
        drive.lane.step(at(1))
        assert drive.recovered == [drive.lane]
        drive.lane.offer(make_batch({1: 1}))
        drive.lane.step(at(1))
        assert peer.receive().message.sequence == 1
        assert drive.changes == [OperStatus.DOWN, OperStatus.UP]
        drive.lane.close()


def test_a_failure_in_the_middle_is_retried_in_a_second() -> None:
    drive = Drive(Script(errno.ENETUNREACH))
    drive.lane.offer(make_batch({1: 1}))
    assert drive.lane.step(at(5)) == at(6).monotonic
    assert drive.lane.report().status is OperStatus.DOWN


def test_disabling_empties_the_queue_and_rests() -> None:
    sender = Script()
    drive = Drive(sender)
    drive.lane.offer(make_batch({1: 1}))
    drive.lane.configure(config("sflow", enabled=False), None, at(1))
    assert drive.lane.step(at(1)) == math.inf
    assert (sender.datagrams, sender.closed) == ([], True)
    assert drive.lane.report().queue_depth == 0


def test_a_changed_rate_holds_at_once() -> None:
    sender = Script()
    drive = Drive(sender, rate_limit=1, max_datagram_size=464)
    drive.lane.offer(make_batch(MANY))
    drive.lane.step(at(0))
    drive.lane.configure(config("sflow", max_datagram_size=464), None, at(0.1))
    steps = drive.run(0.1, 1.0)
    assert len(sender.datagrams) == 20
    assert steps[-1] < 0.2


def test_failing_a_lane_forgets_what_waits() -> None:
    sender = Script()
    drive = Drive(sender)
    drive.lane.offer(make_batch({1: 1}))
    assert drive.lane.fail("internal error", at(3)) == at(4).monotonic
    report = drive.lane.report()
    assert (report.status, report.reason, report.queue_depth) == (
        OperStatus.DOWN,
        "internal error",
        0,
    )


def test_a_closed_lane_does_nothing_any_more() -> None:
    sender = Script()
    drive = Drive(sender)
    drive.lane.close()
    drive.lane.offer(make_batch({1: 1}))
    assert drive.lane.step(at(1)) == math.inf
    assert (sender.datagrams, sender.closed) == ([], True)


def test_a_report_is_a_copy() -> None:
    drive = Drive(Script(errno.EPERM))
    before = drive.lane.report()
    drive.lane.offer(make_batch({1: 1}))
    drive.lane.step(at(1))
    assert before.statistics.failures == {}
    assert drive.lane.report().statistics.failures == {"EPERM": 1}
