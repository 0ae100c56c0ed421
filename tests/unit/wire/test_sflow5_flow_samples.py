"""Flow samples of sFlow: packets, what enriches them, and datagrams that are full of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.flows import sample_batch
from tests.support.wire import decode, fault_codes, round_trip, sflow_datagram, sflow_record, u32

from flowexport_mgmt.errors import EncodeError
from flowexport_mgmt.records import Datagrams
from flowexport_mgmt.records.samples import HEADER_IPV4, LOCAL_INTERFACE, Route
from flowexport_mgmt.wire import sflow5
from flowexport_mgmt.wire.messages import Value

Rows = Sequence[Mapping[str, Any]]

ROUTES: Final = (
    Route(next_hop=bytes([10, 0, 0, 1]), dst_mask=24),
    Route(
        next_hop=bytes([10, 0, 0, 2]),
        dst_mask=16,
        gateway=True,
        bgp_next_hop=bytes([10, 0, 0, 3]),
        as_path=((True, (64_496, 64_497)), (False, (1, 4_200_000_000))),
        communities=(64_496 << 16 | 100, 64_496 << 16 | 200),
        local_pref=120,
    ),
    Route(
        next_hop=ip_address("fe80::1").packed,
        dst_mask=48,
        gateway=True,
        bgp_next_hop=ip_address("2001:db8::1").packed,
        as_path=((True, (64_499,)),),
    ),
    Route(gateway=True),
)


def encode(
    rows: Rows,
    *,
    routes: Sequence[Route] = (),
    agent: str = "192.0.2.1",
    sequence: int = 1,
    max_size: int = 1400,
) -> Datagrams:
    batch = sample_batch(rows, routes)
    return sflow5.encode_flow_samples(
        batch,
        sflow5.SampleSequences().assign(batch),
        agent=ip_address(agent),
        sub_agent_id=3,
        sequence=sequence,
        uptime_ms=5_000_000_000,
        max_size=max_size,
    )


def receive(
    rows: Rows, *, routes: Sequence[Route] = (), max_size: int = 1400
) -> list[dict[str, Value]]:
    records = round_trip(encode(rows, routes=routes, max_size=max_size), max_size)
    assert {record.kind for record in records} <= {"flow-sample"}
    return [record.fields for record in records]


def word() -> st.SearchStrategy[int]:
    return st.integers(0, 2**32 - 1)


PACKETS: Final = st.fixed_dictionaries(
    {
        "source": st.integers(1, 4),
        "rate": word(),
        "pool": word(),
        "drops": word(),
        "in_if": word(),
        "out_if": word(),
        "header": st.binary(min_size=1, max_size=130),
        "frame_length": st.integers(64, 9000),
        "src_vlan": st.integers(0, 2),
        "src_priority": st.integers(0, 7),
        "dst_vlan": st.integers(0, 2),
        "dst_priority": st.integers(0, 7),
        "route": st.integers(-1, len(ROUTES) - 1),
        "src_mask": st.integers(0, 128),
        "src_as": word(),
        "src_peer_as": word(),
    }
)


@settings(max_examples=60)
@given(st.lists(PACKETS, max_size=20), st.integers(464, 1500))
def test_samples_carry_what_was_sampled(rows: list[dict[str, Any]], max_size: int) -> None:
    for row, record in zip(rows, receive(rows, routes=ROUTES, max_size=max_size), strict=True):
        wanted = expected(row)
        assert {name: value for name, value in record.items() if name in wanted} == wanted
        assert ("srcVlan" in record) == (row["src_vlan"] > 0 or row["dst_vlan"] > 0)
        assert ("nextHop" in record) == (row["route"] >= 0)
        assert ("dstAsPath" in record) == (row["route"] > 0)


def expected(row: Mapping[str, Any]) -> dict[str, Value]:
    wanted: dict[str, Value] = {
        "sourceType": 0,
        "sourceIndex": row["source"],
        "samplingRate": row["rate"],
        "samplePool": row["pool"],
        "drops": row["drops"],
        "inputFormat": 0,
        "input": row["in_if"],
        "outputFormat": 0,
        "output": row["out_if"],
        "headerProtocol": 1,
        "frameLength": row["frame_length"] + 4,
        "stripped": 4,
        "header": row["header"].hex(),
    }
    if row["src_vlan"] or row["dst_vlan"]:
        wanted |= {
            "srcVlan": row["src_vlan"],
            "srcPriority": row["src_priority"],
            "dstVlan": row["dst_vlan"],
            "dstPriority": row["dst_priority"],
        }
    if row["route"] >= 0:
        wanted |= {"srcMask": row["src_mask"], "dstMask": ROUTES[row["route"]].dst_mask}
    if row["route"] > 0:
        wanted |= {"as": 64_512, "srcAs": row["src_as"], "srcPeerAs": row["src_peer_as"]}
    return wanted


def test_routes_are_told_in_full() -> None:
    known = receive([{"route": at} for at in range(4)], routes=ROUTES)
    assert [record["nextHop"] for record in known] == ["10.0.0.1", "10.0.0.2", "fe80::1", "0.0.0.0"]
    assert [record.get("bgpNextHop") for record in known] == [
        None,
        "10.0.0.3",
        "2001:db8::1",
        "0.0.0.0",
    ]
    assert [record.get("dstAsPath") for record in known] == [
        None,
        "64496 64497 {1 4200000000}",
        "64499",
        "",
    ]
    assert known[1]["communities"] == "64496:100 64496:200"
    assert known[1]["localPref"] == 120


def test_the_raw_header_comes_first_and_is_padded_with_zeros() -> None:
    (data,) = encode([{"header": b"\xff" * 61, "src_vlan": 5, "route": 1}], routes=ROUTES)
    sample = bytes(data)[28:]
    assert int.from_bytes(sample[52:56]) == 1  # format of the first record
    assert int.from_bytes(sample[56:60]) == 16 + 64
    assert sample[76:140] == b"\xff" * 61 + bytes(3)
    assert int.from_bytes(sample[140:144]) == 1001


def test_a_packet_of_this_host_has_an_interface_of_all_ones() -> None:
    (record,) = receive([{"in_if": LOCAL_INTERFACE, "out_if": 7}])
    assert (record["inputFormat"], record["input"]) == (0, 0xFFFFFFFF)
    assert record["output"] == 7


def test_what_has_no_frame_check_sequence_strips_none() -> None:
    row = {"header_protocol": HEADER_IPV4, "frame_length": 1000}
    (record,) = receive([row])
    assert (record["frameLength"], record["stripped"]) == (1000, 0)


def test_a_tag_that_was_taken_off_is_counted_as_stripped() -> None:
    (record,) = receive([{"frame_length": 1000, "stripped": 4, "src_vlan": 9}])
    assert (record["frameLength"], record["stripped"]) == (1004, 8)


@given(
    st.lists(st.integers(1, 140), max_size=60),
    st.integers(464, 1500),
    st.sampled_from(["192.0.2.1", "2001:db8::1"]),
)
def test_datagrams_hold_as_many_samples_as_fit(
    lengths: list[int], max_size: int, agent: str
) -> None:
    rows = [{"header": bytes(length), "pool": at} for at, length in enumerate(lengths)]
    datagrams = encode(rows, agent=agent, max_size=max_size)
    records = round_trip(datagrams, max_size)
    assert [record.fields["samplePool"] for record in records] == list(range(len(rows)))
    head = 28 if agent == "192.0.2.1" else 40
    sizes = [76 + (length + 3) // 4 * 4 for length in lengths]
    at = 0
    for begin, end, count in zip(
        datagrams.offsets, datagrams.offsets[1:], datagrams.records, strict=False
    ):
        assert end - begin == head + sum(sizes[at : at + count])
        at += count
        assert at == len(sizes) or end - begin + sizes[at] > max_size // 4 * 4


def test_headers_say_who_when_and_which() -> None:
    messages = decode(encode([{}] * 30, sequence=2**32 - 1))
    assert [message.sequence for message in messages[:2]] == [2**32 - 1, 0]
    assert messages[0].domain == 3
    assert messages[0].uptime_ms == 5_000_000_000 % 2**32


def test_a_packet_is_cut_rather_than_a_datagram_too_large() -> None:
    header = bytes(range(256)) * 6
    (record,) = receive(
        [{"header": header, "src_vlan": 1, "route": 1}], routes=ROUTES, max_size=464
    )
    sent = bytes.fromhex(str(record["header"]))
    assert header.startswith(sent)
    assert len(sent) >= 64
    assert record["frameLength"] == 1540


def test_communities_then_the_gateway_are_left_out_where_there_is_no_room() -> None:
    path = ((True, tuple(range(1, 30))),)
    talkative = Route(gateway=True, as_path=path, communities=tuple(range(60)))
    long = Route(gateway=True, as_path=((True, tuple(range(1, 255))),))
    routes = (talkative, long)
    first, second = receive([{"route": 0}, {"route": 1}], routes=routes, max_size=464)
    assert first["communities"] == ""
    assert str(first["dstAsPath"]).startswith("1 2 3")
    assert "dstAsPath" not in second
    assert second["nextHop"] == "0.0.0.0"
    first, second = receive([{"route": 0}, {"route": 1}], routes=routes, max_size=9000)
    assert str(first["communities"]).startswith("0:0 0:1")
    assert str(second["dstAsPath"]).endswith("254")


def test_a_datagram_without_room_is_refused() -> None:
    with pytest.raises(EncodeError, match="64 octets"):
        encode([{}], max_size=100)


def test_no_packets_make_no_datagram() -> None:
    assert len(encode([])) == 0


# Sequences of sources.


def numbers(*batches: Rows) -> list[list[int]]:
    sequences = sflow5.SampleSequences()
    return [sequences.assign(sample_batch(rows)).tolist() for rows in batches]


def test_each_source_numbers_its_samples() -> None:
    rows = [{"source": source} for source in (2, 7, 2, 2, 7)]
    assert numbers(rows, rows[:2]) == [[1, 1, 2, 3, 2], [4, 3]]


def test_a_source_whose_pool_begins_anew_counts_anew() -> None:
    before = [{"source": 2, "epoch": 1}] * 3
    both = [{"source": 2, "epoch": 1}, {"source": 2, "epoch": 2}, {"source": 2, "epoch": 2}]
    assert numbers(before, both, both[1:]) == [[1, 2, 3], [4, 1, 2], [3, 4]]


@given(st.lists(st.lists(st.sampled_from((1, 2, 3, 70_000, 2**32 - 1)), max_size=30), max_size=5))
def test_no_number_is_left_out(batches: list[list[int]]) -> None:
    sequences = sflow5.SampleSequences()
    last: dict[int, int] = {}
    for sources in batches:
        batch = sample_batch([{"source": source} for source in sources])
        for source, number in zip(sources, sequences.assign(batch).tolist(), strict=True):
            assert number == last.get(source, 0) + 1
            last[source] = number


def test_numbers_wrap() -> None:
    sequences = sflow5.SampleSequences()
    batch = sample_batch([{"source": 1}] * 3)
    sequences.assign(batch)
    sequences._sources[1] = (0, 2**32 - 2)
    assert sequences.assign(batch).tolist() == [2**32 - 1, 0, 1]


def test_a_stream_of_batches_is_without_fault() -> None:
    sequences = sflow5.SampleSequences()
    sent: list[bytes | memoryview] = []
    for _ in range(3):
        batch = sample_batch([{"source": 1 + at % 3} for at in range(50)])
        sent += sflow5.encode_flow_samples(
            batch,
            sequences.assign(batch),
            agent=ip_address("192.0.2.1"),
            sub_agent_id=0,
            sequence=1 + len(sent),
            uptime_ms=1000,
            max_size=1400,
        )
    assert fault_codes(decode(sent)) == []


# Faults in extended records.

GATEWAY: Final = u32(1, 0x0A000001, 64_512, 1, 2)


def sample(format_: int, body: bytes) -> bytes:
    head = u32(5, 0, 7, 100, 500, 0, 0, 7, 0, 0, 1)
    return sflow_datagram(sflow_record(3, head + sflow_record(format_, body)))


FAULTS: Final = [
    ("record-length", 84, sample(1001, u32(1, 2, 3))),
    ("address-type", 88, sample(1002, u32(3, 0, 0, 0))),
    ("truncated", 96, sample(1002, u32(1, 1, 2))),
    ("record-length", 104, sample(1002, u32(1, 1, 2, 3, 4))),
    ("record-count", 108, sample(1003, GATEWAY + u32(9))),
    ("as-path", 112, sample(1003, GATEWAY + u32(1, 3, 1, 5))),
    ("record-count", 116, sample(1003, GATEWAY + u32(1, 2, 2, 5))),
    ("record-count", 112, sample(1003, GATEWAY + u32(0, 3, 1, 2))),
    ("truncated", 116, sample(1003, GATEWAY + u32(0, 0))),
]


@pytest.mark.parametrize(("code", "offset", "data"), FAULTS)
def test_faults_of_extended_records_are_named(code: str, offset: int, data: bytes) -> None:
    (message,) = decode([data])
    assert [(fault.code, fault.offset) for fault in message.faults] == [(code, offset)]


def test_an_address_may_be_unknown() -> None:
    (message,) = decode([sample(1002, u32(0, 8, 9))])
    assert message.faults == ()
    assert message.records[0].fields["nextHop"] is None


def test_positions_of_packets_need_not_be_in_order() -> None:
    batch = sample_batch([{"header": b"first" * 9}, {"header": b"second" * 9}])
    turned = batch.select(np.array([1, 0]))
    assert [turned.header(row)[:5] for row in range(2)] == [b"secon", b"first"]
    datagrams = sflow5.encode_flow_samples(
        turned,
        np.array([1, 2], np.uint32),
        agent=ip_address("192.0.2.1"),
        sub_agent_id=0,
        sequence=1,
        uptime_ms=1,
        max_size=1400,
    )
    headers = [record.fields["header"] for record in round_trip(datagrams, 1400)]
    assert headers == [(b"second" * 9).hex(), (b"first" * 9).hex()]
