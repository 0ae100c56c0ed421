"""What devices tell of sampled packets: records of one word that come last."""

from __future__ import annotations

import dataclasses
from ipaddress import ip_address

import numpy as np
from tests.support.flows import sample_batch
from tests.support.wire import decode

from flowexport_mgmt.records import UNKNOWN32
from flowexport_mgmt.records.samples import Route, SampleBatch
from flowexport_mgmt.wire import sflow5
from flowexport_mgmt.wire.messages import Message

NAMES = ("egressQueue", "transitDelay", "queueDepth")


def told(batch: SampleBatch, **columns: list[int]) -> SampleBatch:
    arrays = {name: np.array(values, np.uint32) for name, values in columns.items()}
    return dataclasses.replace(
        batch,
        egress_queue=arrays.get("egress_queue"),
        transit_delay=arrays.get("transit_delay"),
        queue_depth=arrays.get("queue_depth"),
    )


def encode(batch: SampleBatch, max_size: int = 1400) -> list[bytes]:
    datagrams = sflow5.encode_flow_samples(
        batch,
        sflow5.SampleSequences().assign(batch),
        agent=ip_address("192.0.2.1"),
        sub_agent_id=0,
        sequence=1,
        uptime_ms=0,
        max_size=max_size,
    )
    return [bytes(datagram) for datagram in datagrams]


def read(messages: list[Message]) -> list[tuple[object, ...]]:
    assert not any(message.faults for message in messages)
    records = [record for message in messages for record in message.records]
    return [tuple(record.fields.get(name) for name in NAMES) for record in records]


def test_each_packet_has_what_was_told_of_it() -> None:
    batch = told(
        sample_batch([{}, {"src_vlan": 7}, {"route": 0}, {}], [Route(next_hop=bytes(4))]),
        egress_queue=[1, UNKNOWN32, 3, UNKNOWN32],
        transit_delay=[500, 600, UNKNOWN32, UNKNOWN32],
        queue_depth=[UNKNOWN32, 70, 80, UNKNOWN32],
    )
    expected = [(1, 500, None), (None, 600, 70), (3, None, 80), (None, None, None)]
    assert read(decode(encode(batch))) == expected


def test_the_records_are_those_of_the_specifications() -> None:
    batch = told(
        sample_batch([{"header": b"\0" * 64}]),
        egress_queue=[1],
        transit_delay=[2],
        queue_depth=[3],
    )
    (datagram,) = encode(batch)
    assert datagram[-36:].hex(" ", 4) == (
        "0000040c 00000004 00000001 0000040f 00000004 00000002 00000410 00000004 00000003"
    )


def test_where_there_is_no_room_the_packet_is_cut() -> None:
    batch = told(
        sample_batch([{"header": b"\1" * 500}]),
        egress_queue=[1],
        transit_delay=[2],
        queue_depth=[3],
    )
    (datagram,) = encode(batch, max_size=464)
    assert len(datagram) <= 464
    assert read(decode([datagram])) == [(1, 2, 3)]
