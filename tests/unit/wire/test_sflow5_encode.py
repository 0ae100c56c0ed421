from __future__ import annotations

from ipaddress import ip_address

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.wire import (
    counter_rows,
    counter_strategy,
    decode,
    ethernet_rows,
    numbered,
    round_trip,
)

from flowexport_mgmt.errors import EncodeError
from flowexport_mgmt.records import ETHERNET_DTYPE, UNKNOWN64, Datagrams
from flowexport_mgmt.wire import sflow5
from flowexport_mgmt.wire.messages import Record, Value

SAMPLE_SIZE = 120
ETHERNET_COLUMNS = (ETHERNET_DTYPE.names or ())[1:]


def encode(
    rows: list[dict[str, int]],
    *,
    agent: str = "192.0.2.1",
    sequence: int = 1,
    uptime_ms: int = 5_000_000_000,
    max_size: int = 1400,
    ethernet: list[dict[str, int]] | None = None,
) -> Datagrams:
    return sflow5.encode_counter_samples(
        counter_rows(rows),
        np.arange(1, len(rows) + 1, dtype=np.uint32),
        agent=ip_address(agent),
        sub_agent_id=3,
        sequence=sequence,
        uptime_ms=uptime_ms,
        max_size=max_size,
        ethernet=None if ethernet is None else ethernet_rows(ethernet),
    )


def sample(row: dict[str, int]) -> dict[str, Value]:
    (record,) = round_trip(encode([{"ifindex": 7, **row}]), 1400)
    return record.fields


def narrow(value: int) -> Value:
    low = value % 2**32
    return None if low == 2**32 - 1 else low


def expected_unicast(row: dict[str, int], side: str) -> Value:
    packets = row[f"{side}_packets"]
    if packets == UNKNOWN64:
        return None
    for kind in ("multicast", "broadcast"):
        part = row[f"{side}_{kind}"]
        packets -= 0 if part == UNKNOWN64 else min(part, packets)
    return narrow(packets)


@given(
    st.lists(counter_strategy(), max_size=25),
    st.sampled_from(["192.0.2.1", "2001:db8::1"]),
    st.integers(40 + SAMPLE_SIZE, 1500),
)
def test_what_is_encoded_comes_back(drawn: list[dict[str, int]], agent: str, max_size: int) -> None:
    rows = numbered(drawn)
    records = round_trip(encode(rows, agent=agent, max_size=max_size), max_size)
    assert [record.fields["ifIndex"] for record in records] == [row["ifindex"] for row in rows]
    for record, row in zip(records, rows, strict=True):
        check_fields(record, row)


def check_fields(record: Record, row: dict[str, int]) -> None:
    fields = record.fields
    assert record.kind == "counter-sample"
    assert (fields["sourceType"], fields["sourceIndex"]) == (0, row["ifindex"])
    assert fields["sampleSequence"] == row["ifindex"]
    assert fields["ifSpeed"] == row["speed"]
    assert fields["ifStatus"] == row["status"]
    for side, name in (("in", "ifIn"), ("out", "ifOut")):
        octets = row[f"{side}_octets"]
        assert fields[f"{name}Octets"] == (None if octets == UNKNOWN64 else octets)
        assert fields[f"{name}UcastPkts"] == expected_unicast(row, side)
        assert fields[f"{name}MulticastPkts"] == narrow(row[f"{side}_multicast"])
        assert fields[f"{name}BroadcastPkts"] == narrow(row[f"{side}_broadcast"])
        assert fields[f"{name}Discards"] == narrow(row[f"{side}_discards"])
        assert fields[f"{name}Errors"] == narrow(row[f"{side}_errors"])


def test_unicast_is_packets_less_multicast_where_broadcast_is_not_counted() -> None:
    fields = sample({"in_packets": 100, "in_multicast": 30, "in_broadcast": UNKNOWN64})
    assert (fields["ifInUcastPkts"], fields["ifInBroadcastPkts"]) == (70, None)


def test_multicast_that_ran_ahead_of_the_packets_leaves_no_unicast() -> None:
    assert sample({"in_packets": 10, "in_multicast": 11})["ifInUcastPkts"] == 0


def test_what_the_kernel_does_not_count_is_all_ones_of_the_field() -> None:
    row = {"ifindex": 1, "in_octets": UNKNOWN64, "in_errors": UNKNOWN64}
    data = bytes(next(iter(encode([row]))))
    assert data[28 + 56 : 28 + 64] == b"\xff" * 8  # ifInOctets
    assert data[28 + 80 : 28 + 84] == b"\xff" * 4  # ifInErrors


def test_numbers_advance_by_datagram_and_wrap() -> None:
    datagrams = encode(numbered([{}] * 25), sequence=2**32 - 2)
    messages = decode(datagrams)
    assert [message.sequence for message in messages] == [2**32 - 2, 2**32 - 1, 0]
    assert [message.uptime_ms for message in messages] == [5_000_000_000 % 2**32] * 3
    assert {message.domain for message in messages} == {3}
    assert datagrams.records == (11, 11, 3)
    assert datagrams.templates == (0, 0, 0)


def test_no_interface_is_no_datagram() -> None:
    assert len(encode([])) == 0


def test_a_size_that_holds_no_sample_is_refused() -> None:
    with pytest.raises(EncodeError, match="147 octets"):
        encode([{"ifindex": 1}], max_size=147)
    assert len(encode([{"ifindex": 1}], max_size=148)) == 1


def test_ethernet_is_a_second_record_of_the_interfaces_that_have_it() -> None:
    counters = dict.fromkeys(ETHERNET_COLUMNS, 0) | {"ifindex": 2, "fcs_errors": 2**32 + 5}
    records = round_trip(encode(numbered([{"in_octets": 9}] * 3), ethernet=[counters]), 1400)
    assert [record.fields["ifIndex"] for record in records] == [1, 3, 2]
    assert [record.fields["sampleSequence"] for record in records] == [1, 3, 2]
    plain, _, ethernet = (record.fields for record in records)
    assert ethernet["ifInOctets"] == 9
    assert (ethernet["dot3StatsFCSErrors"], ethernet["dot3StatsLateCollisions"]) == (5, 0)
    assert len(ethernet) == len(plain) + 13


def test_counters_of_ethernet_are_in_the_order_of_the_specification() -> None:
    """As the dot3StatsTable has them; all ones is what the driver does not count."""
    row = {"ifindex": 1} | {name: at for at, name in enumerate(ETHERNET_COLUMNS, 1)}
    del row["sqe_test_errors"]
    (data,) = encode([{"ifindex": 1}], ethernet=[row])
    words = np.frombuffer(bytes(data)[-60:], ">u4").tolist()
    assert words == [2, 52, 1, 2, 3, 4, 2**32 - 1, 6, 7, 8, 9, 10, 11, 12, 13]
    assert ETHERNET_COLUMNS[8] == "transmit_errors"
    (record,) = round_trip(encode([{"ifindex": 1}], ethernet=[row]), 1400)
    assert record.fields["dot3StatsSQETestErrors"] is None
    assert record.fields["dot3StatsSymbolErrors"] == 13


@given(
    st.integers(1, 40),
    st.sets(st.integers(1, 60)),
    st.integers(SAMPLE_SIZE + 60 + 28, 1500),
)
def test_samples_of_both_sizes_fill_datagrams(count: int, told: set[int], max_size: int) -> None:
    ethernet = [{"ifindex": index, "fcs_errors": index} for index in sorted(told)]
    made = encode(numbered([{}] * count), ethernet=ethernet, max_size=max_size)
    found = {
        record.fields["ifIndex"]: record.fields.get("dot3StatsFCSErrors")
        for record in round_trip(made, max_size)
    }
    assert found == {index: index if index in told else None for index in range(1, count + 1)}
