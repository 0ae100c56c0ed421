"""Flow records of NetFlow v9 and IPFIX: fields, templates, times, and what does not fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.flows import NOW_MS, TIME, Row, Version, flow_batch, flow_strategy
from tests.support.wire import decode, round_trip

from flowexport_mgmt.records import Datagrams
from flowexport_mgmt.records.flows import FlowBatch
from flowexport_mgmt.wire import ipfix, netflow9
from flowexport_mgmt.wire.flows.fields import ExportTime
from flowexport_mgmt.wire.flows.templates import IPFIX, NETFLOW9, FlowTemplates
from flowexport_mgmt.wire.messages import Record, Value
from flowexport_mgmt.wire.options import ALL_PACKETS
from flowexport_mgmt.wire.templates import Template

FEW = settings(max_examples=25)  # each example draws some hundred numbers
PROTOCOLS = pytest.mark.parametrize("protocol", [netflow9, ipfix], ids=["netflow9", "ipfix"])
LAYOUTS: Final[dict[ModuleType, FlowTemplates]] = {netflow9: NETFLOW9, ipfix: IPFIX}

CONTEXT: Final = (
    "icmp",
    "tos",
    "tcp_flags",
    "src_mask",
    "dst_mask",
    "next_hop",
    "bgp_next_hop",
    "src_as",
    "dst_as",
    "prev_as",
    "next_as",
    "direction",
    "end_reason",
    "vlan",
    "vrf",
)
NAT: Final = ("nat_src", "nat_dst", "nat_src_port", "nat_dst_port")
REVERSE: Final = ("reverse_octets", "reverse_packets")
SAMPLED: Final = ("sampler", "sampling_rate")

NAMES: Final = {
    "octets": "octetDeltaCount",
    "packets": "packetDeltaCount",
    "protocol": "protocolIdentifier",
    "tos": "ipClassOfService",
    "tcp_flags": "tcpControlBits",
    "src_port": "sourceTransportPort",
    "in_if": "ingressInterface",
    "out_if": "egressInterface",
    "src_as": "bgpSourceAsNumber",
    "dst_as": "bgpDestinationAsNumber",
    "prev_as": "bgpPrevAdjacentAsNumber",
    "next_as": "bgpNextAdjacentAsNumber",
    "direction": "flowDirection",
    "end_reason": "flowEndReason",
    "vlan": "vlanId",
    "vrf": "ingressVRFID",
    "nat_src_port": "postNAPTSourceTransportPort",
    "nat_dst_port": "postNAPTDestinationTransportPort",
    "reverse_octets": "reverseOctetDeltaCount",
    "reverse_packets": "reversePacketDeltaCount",
    "sampler": "selectorId",
    "sampling_rate": "samplingInterval",
}
FAMILY_NAMES: Final = {
    "src": "source{}Address",
    "dst": "destination{}Address",
    "src_mask": "source{}PrefixLength",
    "dst_mask": "destination{}PrefixLength",
    "next_hop": "ipNextHop{}Address",
    "bgp_next_hop": "bgpNextHop{}Address",
    "nat_src": "postNATSource{}Address",
    "nat_dst": "postNATDestination{}Address",
    "icmp": "icmpTypeCode{}",
}


def send(
    protocol: ModuleType,
    batch: FlowBatch,
    *,
    classic: bool = False,
    biflow: bool = False,
    time: ExportTime = TIME,
    max_size: int = 1400,
) -> Datagrams:
    """Encode a batch behind the templates of the session."""
    layouts = LAYOUTS[protocol]
    sets = [
        *layouts.templates(classic=classic, biflow=biflow),
        layouts.lay_out(batch, time, classic=classic, biflow=biflow),
    ]
    uptime = {"uptime_ms": time.uptime_ms} if protocol is netflow9 else {}
    datagrams: Datagrams = protocol.compose(
        sets, domain=9, sequence=0, export_time_s=time.time_s, max_size=max_size, **uptime
    )
    return datagrams


def receive(
    protocol: ModuleType,
    rows: Sequence[Row],
    version: Version = 4,
    *,
    classic: bool = False,
    biflow: bool = False,
) -> list[dict[str, Value]]:
    """Encode rows and decode them again, without a fault."""
    datagrams = send(protocol, flow_batch(rows, version), classic=classic, biflow=biflow)
    return [record.fields for record in round_trip(datagrams, 1400)]


def expected(row: Mapping[str, int | str], version: Version) -> dict[str, Value]:
    """Name a row's columns as IANA does, except those that the protocols send differently."""
    family = f"IPv{version}"
    known = {**NAMES, **{key: name.format(family) for key, name in FAMILY_NAMES.items()}}
    return {known[key]: value for key, value in row.items() if key in known}


# What the templates say.

CLASSIC: Final = [
    (1, 4),
    (2, 4),
    (4, 1),
    (5, 1),
    (6, 1),
    (7, 2),
    (8, 4),
    (9, 1),
    (10, 2),
    (11, 2),
    (12, 4),
    (13, 1),
    (14, 2),
    (15, 4),
    (16, 2),
    (17, 2),
]  # fmt: skip - the order of the format


def specifiers(template: Template) -> list[tuple[int, int]]:
    return [(field.element, field.length) for field in template.fields]


def test_the_classic_template_is_that_of_the_format() -> None:
    assert specifiers(NETFLOW9.classic.template) == [*CLASSIC, (21, 4), (22, 4)]
    assert specifiers(IPFIX.classic.template) == [*CLASSIC, (152, 8), (153, 8)]
    assert NETFLOW9.classic.template.dtype.itemsize == 45
    assert IPFIX.classic.template.dtype.itemsize == 53


def ids(templates: tuple[Template, ...]) -> list[int]:
    return sorted(template.id for template in templates)


def test_template_ids_are_those_that_the_session_shares() -> None:
    assert ids(NETFLOW9.templates()) == [258, 259, 260, 261, 264, 265]
    assert ids(NETFLOW9.templates(classic=True)) == [256, 259, 261, 264, 265]
    assert ids(IPFIX.templates()) == [258, 259, 260, 261, 264, 265]
    assert ids(IPFIX.templates(biflow=True)) == [258, 259, 260, 261, 262, 263, 264, 265]
    assert ids(IPFIX.templates(classic=True, biflow=True)) == [256, 259, 261, 263, 264, 265]


VARIANTS: Final[list[tuple[Row, bool, Version, int]]] = [
    ({}, False, 4, 258),
    ({}, False, 6, 259),
    (dict.fromkeys(NAT, 0), False, 4, 260),
    (dict.fromkeys(NAT, 0), False, 6, 261),
    ({"sampling_rate": 1}, False, 4, 264),
    ({"sampling_rate": 1}, False, 6, 265),
    ({"sampling_rate": 1}, True, 4, 264),  # nor a field for the sampler in it
    (dict.fromkeys(NAT, 0), True, 4, 256),
    ({}, True, 6, 259),  # and no such template of IPv6
]


@PROTOCOLS
@pytest.mark.parametrize(("row", "classic", "version", "template_id"), VARIANTS)
def test_a_batch_is_laid_out_by_what_it_knows(
    protocol: ModuleType, row: Row, version: Version, template_id: int, *, classic: bool
) -> None:
    data = LAYOUTS[protocol].lay_out(flow_batch([row], version), TIME, classic=classic)
    assert data.template.id == template_id


def test_biflows_stay_whole_only_where_it_was_asked_for() -> None:
    families: tuple[tuple[Version, int, int], ...] = ((4, 262, 258), (6, 263, 259))
    for version, biflow, plain in families:
        batch = flow_batch([{"reverse_packets": 1, "reverse_octets": 9}], version)
        whole = IPFIX.lay_out(batch, TIME, biflow=True)
        assert (whole.template.id, len(whole.rows)) == (biflow, 1)
        for layouts in (IPFIX, NETFLOW9):
            halves = layouts.lay_out(batch, TIME)
            assert (halves.template.id, len(halves.rows)) == (plain, 2)
        both = NETFLOW9.lay_out(batch, TIME, biflow=True)
        assert (both.template.id, len(both.rows)) == (plain, 2)


# What travels.


@PROTOCOLS
@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("optional", [(), CONTEXT, (*CONTEXT, *NAT), (*CONTEXT, *SAMPLED)])
@FEW
@given(data=st.data())
def test_extended_records_carry_every_column(
    protocol: ModuleType, version: Version, optional: tuple[str, ...], data: st.DataObject
) -> None:
    rows = data.draw(st.lists(flow_strategy(version, optional=optional), min_size=1, max_size=5))
    records = receive(protocol, rows, version)
    assert len(records) == len(rows)
    for row, record in zip(rows, records, strict=True):
        wanted = expected(row, version)
        if protocol is netflow9:
            wanted.pop("selectorId", None)
            wanted.pop("icmpTypeCodeIPv6", None)  # see below
        assert {name: record[name] for name in wanted} == wanted


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("columns", [{}, dict.fromkeys(NAT, 0), dict.fromkeys(REVERSE, 1)])
def test_ipfix_records_of_no_sampling_name_the_selector_of_all_packets(
    version: Version, columns: dict[str, int]
) -> None:
    biflow = "reverse_packets" in columns
    (record,) = receive(ipfix, [columns], version, biflow=biflow)
    assert record["selectorId"] == ALL_PACKETS.id


@pytest.mark.parametrize("version", [4, 6])
def test_netflow9_records_of_sampled_packets_name_their_sampler(version: Version) -> None:
    rows = [{"sampler": number, "sampling_rate": 10 * number} for number in (1, 255)]
    named = [
        (record["samplerId"], record["samplingInterval"])
        for record in receive(netflow9, rows, version)
    ]
    assert named == [(1, 10), (255, 2550)]


@pytest.mark.parametrize("version", [4, 6])
@FEW
@given(data=st.data())
def test_biflows_carry_both_directions_and_the_translation(
    version: Version, data: st.DataObject
) -> None:
    optional = (*CONTEXT, *NAT, *REVERSE)
    rows = data.draw(st.lists(flow_strategy(version, optional=optional), min_size=1, max_size=5))
    records = receive(ipfix, rows, version, biflow=True)
    for row, record in zip(rows, records, strict=True):
        wanted = expected(row, version)
        assert {name: record[name] for name in wanted} == wanted
        assert record["biflowDirection"] == 1


def test_a_biflow_that_is_not_translated_says_so() -> None:
    row: Row = {"src": "10.0.0.1", "dst": "10.0.0.2", "src_port": 1, "dst_port": 2}
    (record,) = receive(ipfix, [{**row, "reverse_packets": 1, "reverse_octets": 1}], biflow=True)
    assert record["postNATSourceIPv4Address"] == "10.0.0.1"
    assert record["postNATDestinationIPv4Address"] == "10.0.0.2"
    assert record["postNAPTSourceTransportPort"] == 1
    assert record["postNAPTDestinationTransportPort"] == 2


@PROTOCOLS
@FEW
@given(rows=st.lists(flow_strategy(optional=CONTEXT, wide=False), min_size=1, max_size=5))
def test_classic_records_have_what_16_bits_can_say(protocol: ModuleType, rows: list[Row]) -> None:
    records = receive(protocol, rows, classic=True)
    for row, record in zip(rows, records, strict=True):
        wanted = expected(row, 4)
        for name in ("ingressInterface", "egressInterface"):
            wanted[name] = narrow(wanted[name], 0)
        for name in ("bgpSourceAsNumber", "bgpDestinationAsNumber"):
            wanted[name] = narrow(wanted[name], 23456)
        assert {name: record[name] for name in wanted if name in record} == {
            name: value for name, value in wanted.items() if name in record
        }
        assert record["destinationTransportPort"] == int(row["dst_port"]) | int(row["icmp"])


def narrow(value: Value, substitute: int) -> Value:
    assert isinstance(value, int)
    return value if value <= 0xFFFF else substitute


@PROTOCOLS
@FEW
@given(rows=st.lists(flow_strategy(wide=True), min_size=1, max_size=5))
def test_classic_counts_above_32_bits_are_split_and_add_up(
    protocol: ModuleType, rows: list[Row]
) -> None:
    records = receive(protocol, rows, classic=True)
    for name, column in (("octetDeltaCount", "octets"), ("packetDeltaCount", "packets")):
        counts = [int(record[name] or 0) for record in records]
        assert sum(counts) == sum(int(row[column]) for row in rows)
        assert max(counts) <= 0xFFFFFFFF
    most = [max(int(row["octets"]), int(row["packets"])) for row in rows]
    assert len(records) == sum(max(1, -(-count // 0xFFFFFFFF)) for count in most)


def test_a_split_record_is_otherwise_the_same() -> None:
    row: Row = {"octets": 3 * 2**32, "packets": 7, "src": "10.0.0.1", "src_port": 9}
    records = receive(ipfix, [{"src_port": 1}, row, {"src_port": 2}], classic=True)
    assert [record["sourceTransportPort"] for record in records] == [1, 9, 9, 9, 9, 2]
    assert [record["packetDeltaCount"] for record in records[1:5]] == [2, 2, 2, 1]
    assert {record["sourceIPv4Address"] for record in records[1:5]} == {"10.0.0.1"}


def test_a_count_that_no_link_can_have_moved_is_cut() -> None:
    batch = flow_batch([{"octets": 2**64 - 1, "packets": 1}])
    assert len(IPFIX.lay_out(batch, TIME, classic=True).rows) == 65_536


# ICMP.


@pytest.mark.parametrize(
    ("version", "protocol_number", "name"),
    [(4, 1, "icmpTypeCodeIPv4"), (6, 58, "icmpTypeCodeIPv6")],
)
def test_icmp_travels_as_the_protocols_want_it(
    version: Version, protocol_number: int, name: str
) -> None:
    rows: list[Row] = [
        {"protocol": protocol_number, "icmp": 3 * 256 + 1},
        {"protocol": 6, "dst_port": 443},
    ]
    icmp, tcp = receive(netflow9, rows, version)
    assert (icmp["destinationTransportPort"], icmp["icmpTypeCodeIPv4"]) == (769, 769)
    assert (tcp["destinationTransportPort"], tcp["icmpTypeCodeIPv4"]) == (443, 0)
    icmp, tcp = receive(ipfix, rows, version)
    assert (icmp["destinationTransportPort"], icmp[name]) == (0, 769)
    assert (tcp["destinationTransportPort"], tcp[name]) == (443, 0)


# Times.


def unix_times(record: dict[str, Value]) -> tuple[Value, Value]:
    return record["flowStartMilliseconds"], record["flowEndMilliseconds"]


@pytest.mark.parametrize("classic", [False, True])
@pytest.mark.parametrize(
    ("row", "start", "end"),
    [
        ((5000, 4000), -5000, -4000),
        ((4000, 5000), -5000, -5000),  # ends before it starts
        ((5000, -1), -5000, 0),  # ends in the future
        ((-7, -9), 0, 0),
    ],
)
def test_a_flow_starts_before_it_ends_and_ends_before_it_is_exported(
    row: tuple[int, int], start: int, end: int, *, classic: bool
) -> None:
    times = {"start_ms": NOW_MS - row[0], "end_ms": NOW_MS - row[1]}
    (record,) = receive(ipfix, [times], classic=classic)
    assert unix_times(record) == (NOW_MS + start, NOW_MS + end)
    (record,) = receive(netflow9, [times], classic=classic)
    uptime = TIME.uptime_ms
    assert record["flowStartSysUpTime"] == (uptime + start) % 2**32
    assert record["flowEndSysUpTime"] == (uptime + end) % 2**32


@pytest.mark.parametrize("classic", [False, True])
@pytest.mark.parametrize("uptime_ms", [1, 10_000, 2**32 - 1, 2**32, 2**32 + 5000, 2**40])
def test_uptimes_wrap_and_never_turn(uptime_ms: int, *, classic: bool) -> None:
    ages = [0, 1, 9_999, 60_000, 2**31 - 1, 2**31 + 5, 2**33]
    rows = [{"start_ms": NOW_MS - age, "end_ms": NOW_MS - age // 2} for age in ages]
    time = ExportTime(TIME.time_ns, uptime_ms)
    datagrams = send(netflow9, flow_batch(rows), classic=classic, time=time)
    for age, record in zip(ages, round_trip(datagrams, 1400), strict=True):
        told = (uptime_ms - int(record.fields["flowStartSysUpTime"] or 0)) % 2**32
        assert told == min(age, uptime_ms, 2**31 - 1) % 2**32


# Paging.


@PROTOCOLS
@FEW
@given(
    count=st.integers(0, 120),
    version=st.sampled_from([4, 6]),
    max_size=st.integers(464, 1500),
    classic=st.booleans(),
)
def test_no_record_is_lost_and_no_datagram_is_too_large(
    protocol: ModuleType, count: int, version: Version, max_size: int, *, classic: bool
) -> None:
    batch = flow_batch([{"src_port": port} for port in range(count)], version)
    datagrams = send(protocol, batch, classic=classic, max_size=max_size)
    records = round_trip(datagrams, max_size)
    assert [port(record) for record in records] == list(range(count))


def port(record: Record) -> Value:
    return record.fields["sourceTransportPort"]


@PROTOCOLS
def test_sequences_follow_from_what_was_encoded(protocol: ModuleType) -> None:
    batch = flow_batch([{}] * 50)
    advance: Callable[[Datagrams], int] = (
        len if protocol is netflow9 else lambda datagrams: sum(datagrams.records)
    )
    first = send(protocol, batch)
    layouts = LAYOUTS[protocol]
    uptime = {"uptime_ms": TIME.uptime_ms} if protocol is netflow9 else {}
    second = protocol.compose(
        [layouts.lay_out(batch, TIME)],
        domain=9,
        sequence=advance(first),
        export_time_s=TIME.time_s,
        max_size=1400,
        **uptime,
    )
    messages = decode([*first, *second])
    assert [message.faults for message in messages] == [()] * len(messages)
    assert messages[-1].sequence > 0


def test_an_empty_batch_makes_no_datagram() -> None:
    data = IPFIX.lay_out(flow_batch([]), TIME)
    datagrams = ipfix.compose([data], domain=1, sequence=0, export_time_s=1, max_size=1400)
    assert len(datagrams) == 0
