"""Flows and sampled packets on their way through a lane."""

from __future__ import annotations

import errno
import random
from collections import Counter

import pytest
from tests.support.flows import Version, flow_batch, sample_batch
from tests.support.interfaces import make_batch
from tests.support.receiver import receiver
from tests.support.sessions import OPTIONS, TEMPLATES, Script, at, config

from flowexport_mgmt.export import EndpointError, Opened, open_sender
from flowexport_mgmt.export.netflow import TemplateSession
from flowexport_mgmt.pipeline import Lane
from flowexport_mgmt.pipeline.queue import BatchQueue, measure
from flowexport_mgmt.records import Batch, FlowBatch
from flowexport_mgmt.wire.decoder import Decoder
from flowexport_mgmt.wire.messages import Message

PROTOCOLS = pytest.mark.parametrize("protocol", ["netflow9", "ipfix"])
SOURCE = ("192.0.2.1", 1)
NOW_MS = at(0).unix_ns // 1_000_000


def lane_with(opened: Opened, protocol: str, port: int = 6343, **settings: int) -> Lane:
    made = config(protocol, port=port, **settings)
    lane = Lane(made, at(0), changed=lambda *_: None, recovered=lambda _: None)
    lane.configure(made, opened, at(0))
    return lane


def drain(lane: Lane, begin: float, seconds: float = 3) -> None:
    """Step a lane as it asks for until nothing is due for a while."""
    now = begin
    while now <= begin + seconds:
        now = max(now, lane.step(at(now)) - at(0).monotonic)


def flows(version: Version, count: int, extra: str = "") -> FlowBatch:
    """Make flows that are unequal; with ``extra`` their addresses are translated."""
    host = {4: "10.0.{}.{}", 6: "2001:db8::{:x}:{:x}"}[version]
    rows: list[dict[str, int | str]] = []
    for number in range(count):
        one, other = host.format(*divmod(number, 250)), host.format(7, number % 250)
        row: dict[str, int | str] = {"src": one, "dst": other, "src_port": 1024 + number}
        row |= {"octets": 1000 + 7 * number, "packets": 1 + number % 9}
        row |= {"start_ms": NOW_MS - 2000, "end_ms": NOW_MS - 1000}
        if extra:
            row |= {"nat_src": other, "nat_dst": one, "nat_src_port": 1, "nat_dst_port": 2}
        rows.append(row)
    return flow_batch(rows, version)


def exported_records(lane: Lane) -> int:
    """Tell how many data records option data would say were exported."""
    session = lane._collector.session
    assert isinstance(session, TemplateSession)
    return session._main.exported.records


def decode(sender: Script) -> list[Message]:
    """Decode what was accepted; a fault fails the test."""
    decoder = Decoder()
    messages = [decoder.receive(data, SOURCE, at(0).unix_ns) for data in sender.datagrams]
    faults = [fault for message in messages for fault in message.faults]
    assert [fault for fault in faults if "sequence" not in fault.code] == []
    return messages


def count_flows(messages: list[Message]) -> Counter[str]:
    """Add up the flow records; those of interface counters have no addresses."""
    totals: Counter[str] = Counter()
    for message in messages:
        for record in message.records:
            if "sourceTransportPort" in record.fields:
                totals["flows"] += 1
                totals["octets"] += int(record.fields["octetDeltaCount"] or 0)
                totals["packets"] += int(record.fields["packetDeltaCount"] or 0)
    return totals


def count_rows(*batches: FlowBatch) -> Counter[str]:
    totals: Counter[str] = Counter()
    for batch in batches:
        totals["flows"] += len(batch)
        totals["octets"] += int(batch.octets.sum())
        totals["packets"] += int(batch.packets.sum())
    return totals


@PROTOCOLS
def test_flows_arrive_over_a_socket_beside_counters(protocol: str) -> None:
    batches = [flows(4, 300), flows(6, 300), flows(4, 30, "nat"), flows(6, 30, "nat")]
    with receiver() as peer:
        made = config(protocol, port=peer.port)
        lane = lane_with(open_sender(made), protocol, peer.port)
        mixed: list[Batch] = [batches[0], make_batch({1: 5}), *batches[1:]]
        mixed.append(make_batch({1: 9}, second=1))
        for second, batch in enumerate(mixed):
            lane.offer(batch)
            drain(lane, second, 0.5)
        sent = lane.report().statistics
        messages = [peer.receive().message for _ in range(sent.datagrams)]
        lane.close()
    assert [message.faults for message in messages] == [()] * len(messages)
    assert sum(message.lost for message in messages) == 0
    assert count_flows(messages) == count_rows(*batches)
    assert sent.records == 660 + 2 + 1 + OPTIONS


def test_netflow5_numbers_records_and_skips_what_is_not_ipv4() -> None:
    sender = Script(0, 0, errno.EPERM)
    made = config("netflow5", observation_domain=0x50102)
    lane = Lane(made, at(0), changed=lambda *_: None, recovered=lambda _: None)
    lane.configure(made, sender, at(0))
    assert lane.report().statistics.last_export_ns is None
    for second, batch in enumerate([flows(4, 100), flows(6, 11), flows(4, 3)], 1):
        lane.offer(batch)
        drain(lane, second, 0.5)
    report = lane.report()
    assert (report.sequence, report.skipped_records, report.dropped_records) == (103, 11, 0)
    messages = decode(sender)
    assert [message.sequence for message in messages] == [0, 28, 84, 100]
    assert [message.lost for message in messages] == [0, 0, 28, 0]
    assert [len(message.records) for message in messages] == [28, 28, 16, 3]
    assert {message.domain for message in messages} == {0x0102}
    assert report.statistics.records == 103 - 28
    assert report.statistics.last_export_ns == at(3).unix_ns


@PROTOCOLS
def test_templates_come_before_the_first_flows_and_again_at_every_refresh(protocol: str) -> None:
    sender = Script()
    lane = lane_with(sender, protocol, template_refresh=30)
    lane.offer(flows(4, 1))
    drain(lane, 0)
    assert lane.report().statistics.templates == TEMPLATES + 1
    lane.offer(flows(6, 1))
    drain(lane, 1)
    assert lane.report().statistics.templates == TEMPLATES + 2
    lane.offer(flows(6, 1))
    drain(lane, 2)
    assert lane.report().statistics.templates == TEMPLATES + 2
    drain(lane, 30)
    assert lane.report().statistics.templates == 2 * (TEMPLATES + 2)
    assert count_flows(decode(sender))["flows"] == 3


@PROTOCOLS
def test_what_is_lost_shows_in_the_sequence_and_nothing_else_does(protocol: str) -> None:
    draw = random.Random(7)
    errors = [0] * 3 + [errno.EPERM if draw.random() < 0.1 else 0 for _ in range(400)]
    sender = Script(*errors)
    lane = lane_with(sender, protocol, max_datagram_size=464)
    for second in range(10):
        lane.offer(flows(4, 100))
        drain(lane, second, 0.5)
    report = lane.report()
    failed = sum(report.statistics.failures.values())
    assert failed > 10
    messages = decode(sender)
    numbered = [message.sequence for message in messages]
    assert numbered == sorted(set(numbered))
    arrived = [1 if protocol == "netflow9" else len(message.records) for message in messages]
    sequence = numbered[-1] + arrived[-1]
    gaps = sum(message.lost for message in messages)
    assert sequence - sum(arrived) == gaps
    assert gaps > 0
    tail = report.sequence - sequence
    assert (gaps + tail == failed) if protocol == "netflow9" else (gaps + tail > failed)
    assert count_flows(messages)["flows"] == exported_records(lane) < 1000


@pytest.mark.parametrize(
    ("protocol", "wanted"),
    [
        ("sflow", {"counters", "samples"}),
        ("netflow5", {"flows"}),
        ("netflow9", {"counters", "flows"}),
        ("ipfix", {"counters", "flows"}),
    ],
)
def test_a_lane_wants_what_its_protocol_has_records_for(protocol: str, wanted: set[str]) -> None:
    lane = lane_with(Script(), protocol)
    batches: dict[str, Batch] = {
        "counters": make_batch({1: 1}),
        "flows": flows(4, 1),
        "flows of sampled packets": flow_batch([{"sampler": 1, "sampling_rate": 100}]),
        "samples": sample_batch([{"source": 3}]),
    }
    assert {kind for kind, batch in batches.items() if lane.wants(batch)} == wanted


def test_what_a_lane_does_not_want_is_no_batch_to_offer() -> None:
    lane = lane_with(Script(), "sflow")
    lane.offer(flows(4, 1))
    with pytest.raises(TypeError, match="FlowBatch"):
        lane.step(at(0))


def test_sampled_packets_share_datagram_numbers_with_counters() -> None:
    sender = Script()
    lane = lane_with(sender, "sflow")
    packets = sample_batch([{"source": 3, "pool": 100 * n, "in_if": 3} for n in range(1, 41)])
    batches: list[Batch] = [packets, make_batch({3: 1}), packets]
    for second, batch in enumerate(batches):
        lane.offer(batch)
        drain(lane, second)
    messages = decode(sender)
    assert [message.sequence for message in messages] == list(range(1, len(messages) + 1))
    kinds = Counter(record.kind for message in messages for record in message.records)
    assert kinds == {"flow-sample": 80, "counter-sample": 1}
    assert lane.report().statistics.records == 81


def test_a_full_queue_drops_the_oldest_flows_and_no_poll() -> None:
    sender = Script()
    lane = lane_with(sender, "ipfix")
    room = sum(measure(flows(4, size)) for size in range(3, 10))
    lane._queue = BatchQueue(octets_capacity=room)
    lane.offer(make_batch({1: 1}))
    for size in range(1, 10):
        lane.offer(flows(4, size))
    report = lane.report()
    assert (report.queue_depth, report.queue_octets) == (1 + 7, room)
    assert report.dropped_records == 1 + 2
    drain(lane, 0)
    assert count_flows(decode(sender))["flows"] == sum(range(3, 10))
    assert (lane.report().queue_depth, lane.report().queue_octets) == (0, 0)


def test_what_is_being_sent_waits_too() -> None:
    lane = lane_with(Script(), "ipfix", rate_limit=1)
    lane.offer(flows(4, 500))
    lane.step(at(0))
    assert (lane.report().queue_depth, lane.report().queue_octets) == (1, 0)
    drain(lane, 1, 100)
    assert lane.report().queue_depth == 0


def test_flows_that_find_the_collector_down_are_counted() -> None:
    lane = lane_with(EndpointError("address", "no route"), "ipfix")
    lane.offer(flows(4, 5))
    lane.offer(make_batch({1: 1}))
    assert (lane.report().queue_depth, lane.report().dropped_records) == (0, 5)
    lane.configure(config("ipfix", enabled=False), None, at(0))
    lane.offer(flows(4, 5))
    assert lane.report().dropped_records == 5
