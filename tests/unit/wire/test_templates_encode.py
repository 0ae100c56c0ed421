"""What NetFlow v9 and IPFIX have in common on the way out: counters, names, templates, paging."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.wire import NOW_NS, decode, round_trip

from flowexport_mgmt.errors import EncodeError
from flowexport_mgmt.records import Datagrams
from flowexport_mgmt.wire import ipfix, netflow9
from flowexport_mgmt.wire.deltas import COUNTER_DELTA_DTYPE
from flowexport_mgmt.wire.messages import Record
from flowexport_mgmt.wire.templates import DataSet, Template, cut, template

Sets = Iterable[Template | DataSet]
PROTOCOLS = pytest.mark.parametrize("protocol", [netflow9, ipfix], ids=["netflow9", "ipfix"])

END_MS = NOW_NS // 10**6
UPTIME_MS = 5_000_000_000


def deltas(octets: Iterable[int]) -> np.ndarray[Any, np.dtype[np.void]]:
    """Make rows with so many octets in; other columns are told apart by small multiples."""
    numbers = list(octets)
    rows = np.zeros(len(numbers), COUNTER_DELTA_DTYPE)
    rows["ifindex"] = np.arange(1, len(numbers) + 1)
    rows["in_octets"] = numbers
    rows["out_octets"] = [number // 2 for number in numbers]
    rows["in_packets"] = [number // 100 for number in numbers]
    rows["out_packets"] = [number // 200 for number in numbers]
    rows["in_discards"], rows["out_discards"] = 3, 4
    rows["start_ms"], rows["end_ms"] = END_MS - 20_000, END_MS
    rows["start_uptime_ms"], rows["end_uptime_ms"] = UPTIME_MS - 20_000, UPTIME_MS
    return rows


def compose(
    protocol: ModuleType, sets: Sets, *, sequence: int = 0, max_size: int = 1400
) -> Datagrams:
    uptime = {"uptime_ms": UPTIME_MS + 5} if protocol is netflow9 else {}
    datagrams: Datagrams = protocol.compose(
        sets,
        domain=9,
        sequence=sequence,
        export_time_s=NOW_NS // 10**9,
        max_size=max_size,
        **uptime,
    )
    return datagrams


def counters(protocol: ModuleType, octets: Iterable[int]) -> list[Template | DataSet]:
    return [protocol.COUNTERS, protocol.encode_counters(deltas(octets))]


def names(protocol: ModuleType, texts: list[str]) -> list[Template | DataSet]:
    indexes = np.arange(1, len(texts) + 1, dtype=np.uint32)
    table = protocol.encode_interface_table(indexes, texts, [text * 9 for text in texts])
    return [protocol.INTERFACE_TABLE, table]


@PROTOCOLS
def test_an_interface_has_a_record_for_each_direction(protocol: ModuleType) -> None:
    ingress, egress = round_trip(compose(protocol, counters(protocol, [5000])), 1400)
    assert expected(ingress, "octetDeltaCount", "packetDeltaCount") == (5000, 50)
    assert expected(egress, "octetDeltaCount", "packetDeltaCount") == (2500, 25)
    interfaces = ("ingressInterface", "egressInterface", "flowDirection")
    assert expected(ingress, *interfaces) == (1, 0, 0)
    assert expected(egress, *interfaces) == (0, 1, 1)


def expected(record: Record, *columns: str) -> tuple[object, ...]:
    return tuple(record.fields[name] for name in columns)


def test_v9_counts_its_times_in_uptime_modulo_2_to_32() -> None:
    for record in round_trip(compose(netflow9, counters(netflow9, [1])), 1400):
        times = expected(record, "flowStartSysUpTime", "flowEndSysUpTime")
        assert times == ((UPTIME_MS - 20_000) % 2**32, UPTIME_MS % 2**32)


def test_ipfix_has_times_of_the_epoch_and_discards() -> None:
    records = round_trip(compose(ipfix, counters(ipfix, [1])), 1400)
    for record in records:
        times = expected(record, "flowStartMilliseconds", "flowEndMilliseconds")
        assert times == (END_MS - 20_000, END_MS)
    assert [record.fields["droppedPacketDeltaCount"] for record in records] == [3, 4]


@PROTOCOLS
def test_the_interface_table_names_interfaces_by_scope(protocol: ModuleType) -> None:
    (record,) = round_trip(compose(protocol, names(protocol, ["eth0"])), 1400)
    scope = "scopeInterface" if protocol is netflow9 else "ingressInterface"
    assert record.kind == "options"
    assert record.fields[scope] == record.fields["ingressInterface"] == 1
    assert record.fields["interfaceName"] == "eth0"
    assert record.fields["interfaceDescription"] == "eth0" * 9


@PROTOCOLS
def test_template_ids_are_those_that_the_session_shares(protocol: ModuleType) -> None:
    assert (protocol.COUNTERS.id, protocol.INTERFACE_TABLE.id) == (257, 513)


@PROTOCOLS
@given(
    octets=st.lists(st.integers(0, 2**64 - 1), max_size=60),
    texts=st.lists(st.text(max_size=20), max_size=30),
    max_size=st.integers(464, 1500),
    sequence=st.integers(0, 2**32 - 1),
)
def test_paging_drops_nothing_and_keeps_the_order(
    protocol: ModuleType, octets: list[int], texts: list[str], max_size: int, sequence: int
) -> None:
    sets = counters(protocol, octets) + names(protocol, texts)
    datagrams = compose(protocol, sets, sequence=sequence, max_size=max_size)
    records = round_trip(datagrams, max_size)
    ingress = [record.fields["octetDeltaCount"] for record in records if record.kind == "data"]
    assert ingress[::2] == octets
    told = [record for record in records if record.kind == "options"]
    assert [record.fields["ingressInterface"] for record in told] == list(range(1, len(texts) + 1))
    assert sum(datagrams.templates) == 2


@PROTOCOLS
def test_records_and_templates_share_datagrams(protocol: ModuleType) -> None:
    sets = counters(protocol, [1]) + names(protocol, ["eth0"])
    datagrams = compose(protocol, sets)
    assert (datagrams.records, datagrams.templates) == ((3,), (2,))


@PROTOCOLS
@pytest.mark.parametrize("count", [1, 13, 14, 20, 21, 27, 28, 41, 42, 200])
def test_a_datagram_is_as_full_as_it_can_be(protocol: ModuleType, count: int) -> None:
    """No datagram but the last has room for a further record, at the edges of its set too."""
    datagrams = compose(protocol, [protocol.encode_counters(deltas(range(count)))], max_size=1399)
    width = protocol.COUNTERS.dtype.itemsize
    assert sum(datagrams.records) == 2 * count
    sizes = [len(data) for data in datagrams]
    assert all(1399 - width - 3 < size <= 1399 for size in sizes[:-1])
    assert all(size % 4 == 0 for size in sizes)


@PROTOCOLS
def test_the_set_length_includes_zero_padding(protocol: ModuleType) -> None:
    data = bytes(next(iter(compose(protocol, [protocol.encode_counters(deltas([7]))]))))
    header = 20 if protocol is netflow9 else 16
    set_id, length = struct.unpack_from(">HH", data, header)
    body = 2 * protocol.COUNTERS.dtype.itemsize
    assert (set_id, length) == (257, len(data) - header)
    assert length % 4 == 0
    assert data[header + 4 + body :] == bytes(length - 4 - body)


def test_the_v9_header_counts_templates_and_records_and_numbers_packets() -> None:
    sets = counters(netflow9, range(100))
    datagrams = compose(netflow9, sets, sequence=2**32 - 1)
    heads = [struct.unpack_from(">HHIIII", data) for data in datagrams]
    totals = [sum(pair) for pair in zip(datagrams.records, datagrams.templates, strict=True)]
    assert [head[1] for head in heads] == totals
    assert [head[4] for head in heads] == [(2**32 - 1 + place) % 2**32 for place in range(5)]
    assert {head[2] for head in heads} == {(UPTIME_MS + 5) % 2**32}
    assert {(head[0], head[3], head[5]) for head in heads} == {(9, NOW_NS // 10**9, 9)}


def test_the_ipfix_sequence_counts_data_records_and_no_templates() -> None:
    sets = [*counters(ipfix, range(60)), *names(ipfix, ["eth0", "eth1"])]
    datagrams = compose(ipfix, sets, sequence=2**32 - 10)
    before = 0
    for data, records in zip(datagrams, datagrams.records, strict=True):
        version, length, _, sequence, _ = struct.unpack_from(">HHIII", data)
        assert (version, length) == (10, len(data))
        assert sequence == (2**32 - 10 + before) % 2**32
        before += records
    assert before == 122


@PROTOCOLS
def test_nothing_to_send_is_no_datagram(protocol: ModuleType) -> None:
    empty = DataSet(protocol.COUNTERS, np.zeros(0, protocol.COUNTERS.dtype))
    assert len(compose(protocol, [])) == len(compose(protocol, [empty])) == 0


@PROTOCOLS
def test_a_record_or_template_that_fits_no_datagram_is_refused(protocol: ModuleType) -> None:
    with pytest.raises(EncodeError, match="a record of"):
        compose(protocol, [protocol.encode_counters(deltas([1]))], max_size=40)
    with pytest.raises(EncodeError, match="a template of"):
        compose(protocol, [protocol.COUNTERS], max_size=40)


@PROTOCOLS
def test_a_message_is_never_longer_than_its_length_field_can_say(protocol: ModuleType) -> None:
    datagrams = compose(protocol, counters(protocol, range(3000)), max_size=10**6)
    assert len(datagrams) > 1
    assert max(len(data) for data in datagrams) <= 65_535
    assert sum(datagrams.records) == 6000


def test_enough_datagrams_for_a_long_table() -> None:
    """A run of equal datagrams behind a partly filled one, with something after it."""
    sets = [*counters(ipfix, range(1000)), *names(ipfix, ["lo"])]
    datagrams = compose(ipfix, sets)
    records = round_trip(datagrams, 1400)
    assert [record.fields.get("octetDeltaCount") for record in records[:-1:2]] == list(range(1000))
    assert len(set(map(len, list(datagrams)[1:-1]))) == 1
    assert records[-1].fields["interfaceName"] == "lo"


@pytest.mark.parametrize(
    ("text", "size", "octets"),
    [
        ("eth0", 16, b"eth0"),
        ("x" * 20, 16, b"x" * 16),
        ("ä" * 9, 5, "ää".encode()),
        ("€", 2, b""),
        ("\udcff", 16, b"?"),
    ],
)
def test_text_is_cut_at_a_whole_character(text: str, size: int, octets: bytes) -> None:
    assert cut(text, size) == octets


def test_a_table_of_names_survives_any_text() -> None:
    texts = ["", "ä" * 40, "\udcff" * 3, "a\nb"]
    records = round_trip(compose(ipfix, names(ipfix, texts)), 1400)
    assert [record.fields["interfaceName"] for record in records] == ["", "ä" * 8, "???", "a\nb"]


def test_columns_are_called_as_iana_calls_the_elements() -> None:
    made = template(300, (1, 4), (27, 16), (4, 1))
    assert made.dtype.names == ("octetDeltaCount", "sourceIPv6Address", "protocolIdentifier")
    assert made.dtype.itemsize == 21


def test_several_scope_fields_need_names_of_their_own() -> None:
    with pytest.raises(ValueError, match="scope"):
        template(300, (1, 4), scopes=(ipfix.INTERFACE_TABLE.scopes * 2))


def test_decoding_needs_the_template_first() -> None:
    messages = decode(compose(ipfix, [ipfix.encode_counters(deltas([1]))]))
    assert [fault.code for fault in messages[0].faults] == ["template-missing"]
