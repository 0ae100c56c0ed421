"""NetFlow v5: what is sent, and what cannot be."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.flows import NOW_MS, TIME, Row, flow_batch, flow_strategy
from tests.support.wire import decode, fault_codes, round_trip, v5_datagram, v5_record

from flowexport_mgmt.errors import EncodeError
from flowexport_mgmt.records import Datagrams
from flowexport_mgmt.wire import netflow5
from flowexport_mgmt.wire.flows.fields import ExportTime
from flowexport_mgmt.wire.messages import Value

OPTIONAL: Final = (
    "icmp",
    "tos",
    "tcp_flags",
    "src_mask",
    "dst_mask",
    "next_hop",
    "src_as",
    "dst_as",
)
NAMES: Final = {
    "src": "sourceIPv4Address",
    "dst": "destinationIPv4Address",
    "next_hop": "ipNextHopIPv4Address",
    "octets": "octetDeltaCount",
    "packets": "packetDeltaCount",
    "src_port": "sourceTransportPort",
    "protocol": "protocolIdentifier",
    "tos": "ipClassOfService",
    "tcp_flags": "tcpControlBits",
    "src_mask": "sourceIPv4PrefixLength",
    "dst_mask": "destinationIPv4PrefixLength",
}


def encode(rows: Sequence[Row], *, sequence: int = 0, max_size: int = 1400) -> Datagrams:
    datagrams, skipped = netflow5.encode_flows(
        flow_batch(rows), time=TIME, engine=0x0102, sequence=sequence, max_size=max_size
    )
    assert skipped == 0
    return datagrams


def receive(rows: Sequence[Row]) -> list[dict[str, Value]]:
    return [record.fields for record in round_trip(encode(rows), 1400)]


@settings(max_examples=40)
@given(rows=st.lists(flow_strategy(optional=OPTIONAL, wide=False), min_size=1, max_size=5))
def test_records_carry_every_column(rows: list[Row]) -> None:
    for row, record in zip(rows, receive(rows), strict=True):
        wanted = {NAMES[name]: value for name, value in row.items() if name in NAMES}
        assert {name: record[name] for name in wanted} == wanted
        assert record["destinationTransportPort"] == int(row["dst_port"]) | int(row["icmp"])
        assert record["ingressInterface"] == narrow(int(row["in_if"]), 0)
        assert record["egressInterface"] == narrow(int(row["out_if"]), 0)
        assert record["bgpSourceAsNumber"] == narrow(int(row["src_as"]), 23456)
        assert record["bgpDestinationAsNumber"] == narrow(int(row["dst_as"]), 23456)


def narrow(value: int, substitute: int) -> int:
    return value if value <= 0xFFFF else substitute


@given(rows=st.lists(flow_strategy(), min_size=1, max_size=5))
def test_counts_above_32_bits_are_split_and_add_up(rows: list[Row]) -> None:
    records = receive(rows)
    for name, column in (("octetDeltaCount", "octets"), ("packetDeltaCount", "packets")):
        assert sum(int(record[name] or 0) for record in records) == sum(
            int(row[column]) for row in rows
        )


@given(count=st.integers(0, 120), max_size=st.integers(72, 2000))
def test_no_record_is_lost_and_no_datagram_holds_more_than_30(count: int, max_size: int) -> None:
    datagrams = encode([{"src_port": port} for port in range(count)], max_size=max_size)
    records = round_trip(datagrams, max_size)
    assert [record.fields["sourceTransportPort"] for record in records] == list(range(count))
    assert max(datagrams.records, default=0) <= 30


def test_1400_octets_hold_28_records() -> None:
    assert encode([{}] * 60).records == (28, 28, 4)
    assert encode([{}] * 60, max_size=9000).records == (30, 30)


def test_a_datagram_that_holds_no_record_is_refused() -> None:
    with pytest.raises(EncodeError, match="71 octets"):
        encode([{}], max_size=71)


def test_the_header_says_when_who_and_how_many_before() -> None:
    datagrams = encode([{}] * 30, sequence=2**32 - 28)
    messages = decode(datagrams)
    assert [message.sequence for message in messages] == [2**32 - 28, 0]
    header = struct.unpack(">HHIIIIBBH", bytes(next(iter(datagrams)))[:24])
    seconds, nanoseconds = divmod(TIME.time_ns, 10**9)
    uptime = TIME.uptime_ms % 2**32
    assert header == (5, 28, uptime, seconds, nanoseconds, 2**32 - 28, 1, 2, 1)


def test_sequences_count_records() -> None:
    first = encode([{}] * 40)
    second = encode([{}] * 40, sequence=sum(first.records))
    assert fault_codes(decode([*first, *second])) == []
    assert fault_codes(decode([*first, *encode([{}], sequence=41)])) == ["sequence-gap"]


@pytest.mark.parametrize(
    ("start", "end", "told_start", "told_end"),
    [(5000, 4000, 5000, 4000), (4000, 5000, 5000, 5000), (5000, -1, 5000, 0)],
)
def test_times_never_turn(start: int, end: int, told_start: int, told_end: int) -> None:
    (record,) = receive([{"start_ms": NOW_MS - start, "end_ms": NOW_MS - end}])
    assert record["flowStartSysUpTime"] == (TIME.uptime_ms - told_start) % 2**32
    assert record["flowEndSysUpTime"] == (TIME.uptime_ms - told_end) % 2**32


def test_ipv6_has_no_place_and_is_counted() -> None:
    datagrams, skipped = netflow5.encode_flows(
        flow_batch([{}] * 3, 6), time=TIME, engine=0, sequence=0, max_size=1400
    )
    assert (len(datagrams), skipped) == (0, 3)
    biflow = flow_batch([{"reverse_packets": 1}], 6)
    _, skipped = netflow5.encode_flows(biflow, time=TIME, engine=0, sequence=0, max_size=1400)
    assert skipped == 2


def test_biflows_become_two_records() -> None:
    row: Row = {"src": "10.0.0.1", "dst": "10.0.0.2", "reverse_octets": 7, "reverse_packets": 1}
    forward, reverse = receive([row])
    assert forward["sourceIPv4Address"] == reverse["destinationIPv4Address"] == "10.0.0.1"
    assert reverse["octetDeltaCount"] == 7


def test_what_was_not_sampled_says_rate_1_without_a_mode() -> None:
    (record,) = receive([{}])
    assert (record["samplingMode"], record["samplingInterval"]) == (0, 1)


def test_flows_of_different_rates_go_in_different_datagrams() -> None:
    rates = [100, 1, 16_383, 100, 100]
    datagrams = encode([{"sampling_rate": rate, "in_if": rate} for rate in rates] * 20)
    records = [record.fields for record in round_trip(datagrams, 1400)]
    assert len(records) == 100
    assert all(record["samplingInterval"] == record["ingressInterface"] for record in records)
    assert all(
        record["samplingMode"] == (record["ingressInterface"] != 1) * 2 for record in records
    )
    for message in decode(datagrams):
        assert len({record.fields["samplingInterval"] for record in message.records}) == 1
    assert datagrams.records == (20, 28, 28, 4, 20)


def test_a_rate_above_14_bits_is_refused() -> None:
    with pytest.raises(EncodeError, match="16384"):
        encode([{"sampling_rate": 16_384}])


def test_a_batch_without_rows_makes_no_datagram() -> None:
    assert len(encode([])) == 0


@given(
    uptime_ms=st.integers(0, 2**34), ages=st.tuples(st.integers(0, 2**34), st.integers(0, 2**34))
)
def test_uptimes_wrap(uptime_ms: int, ages: tuple[int, int]) -> None:
    row = {"start_ms": NOW_MS - max(ages), "end_ms": NOW_MS - min(ages)}
    datagrams, _ = netflow5.encode_flows(
        flow_batch([row]),
        time=ExportTime(TIME.time_ns, uptime_ms),
        engine=0,
        sequence=0,
        max_size=1400,
    )
    (record,) = round_trip(datagrams, 1400)
    told = (uptime_ms - int(record.fields["flowStartSysUpTime"] or 0)) % 2**32
    assert told == min(max(ages), uptime_ms, 2**31 - 1)


# Faults.


def test_a_wrong_count_leaves_the_next_sequence_open() -> None:
    wrong = v5_datagram(v5_record(), count=2)
    assert fault_codes(decode([wrong, v5_datagram(v5_record(), sequence=77)])) == ["message-length"]


@given(st.binary(max_size=300))
def test_any_octets(body: bytes) -> None:
    decoder = netflow5.Decoder()
    for data in (body, b"\0\x05" + body, v5_datagram(v5_record(), v5_record()) + body):
        message = decoder.receive(data, ("192.0.2.1", 1), 0)
        assert len(message.records) <= len(data) // 48
