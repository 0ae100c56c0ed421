"""Counter samples about a host."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.wire import decode, round_trip, sflow_datagram, sflow_record, u32

from flowexport_mgmt.errors import EncodeError
from flowexport_mgmt.records.hosts import Adapter, HostCounters, HostDescription
from flowexport_mgmt.wire import sflow5
from flowexport_mgmt.wire.messages import Value
from flowexport_mgmt.wire.sflow5.hosts import HostDatagrams
from flowexport_mgmt.wire.sflow5.structures import HOST_CPU, PROCESSOR, STRUCTURES

SIZES: Final = {
    1001: 28,
    2003: 68,
    2004: 72,
    2005: 52,
    2006: 40,
    2007: 76,
    2008: 100,
    2009: 60,
    2010: 28,
}
DESCRIPTION: Final = HostDescription(
    hostname="router.example.net",
    uuid=bytes(range(16)),
    machine_type=3,
    os_name=2,
    os_release="6.1.0",
)


def encode(host: HostCounters, *, max_size: int = 1400, sequence: int = 1) -> HostDatagrams:
    return sflow5.encode_host_counters(
        host,
        agent=ip_address("192.0.2.1"),
        sub_agent_id=0,
        sequence=sequence,
        sample_sequence=1,
        uptime_ms=1000,
        max_size=max_size,
    )


def receive(host: HostCounters, *, max_size: int = 1400) -> dict[str, Value]:
    """Encode a host's counters and decode all their samples into one dictionary."""
    made = encode(host, max_size=max_size)
    records = round_trip(made.datagrams, max_size)
    assert made.samples == len(records)
    merged: dict[str, Value] = {}
    for number, record in enumerate(records, 1):
        assert record.kind == "counter-sample"
        place = ("sampleSequence", "sourceType", "sourceIndex")
        assert [record.fields.pop(name) for name in place] == [number, 2, 1]
        assert not merged.keys() & record.fields.keys()
        merged |= record.fields
    return merged


def full(value: int) -> dict[int, Mapping[str, int | float]]:
    return {
        format_: dict.fromkeys(structure.names, value) for format_, structure in STRUCTURES.items()
    }


def test_structures_have_the_lengths_of_the_specification() -> None:
    lengths = {format_: structure.layout.size for format_, structure in STRUCTURES.items()}
    assert lengths == SIZES


PLACES: Final = {
    1001: {"cpu5m": 8, "totalMemory": 12, "freeMemory": 20},
    2003: {
        "loadFifteen": 8,
        "procRun": 12,
        "cpuNum": 20,
        "uptime": 28,
        "cpuWio": 48,
        "contexts": 64,
    },
    2004: {"memFree": 8, "memCached": 32, "swapFree": 48, "pageIn": 56, "swapOut": 68},
    2005: {"diskFree": 8, "partMaxUsed": 16, "bytesRead": 24, "writes": 36, "writeTime": 48},
    2006: {"packetsIn": 8, "dropsIn": 16, "bytesOut": 20, "dropsOut": 36},
    2007: {"ipForwDatagrams": 20, "ipOutRequests": 36, "ipFragCreates": 72},
    2008: {"icmpInAddrMasks": 40, "icmpOutMsgs": 48, "icmpOutAddrMaskReps": 96},
    2009: {"tcpCurrEstab": 32, "tcpInErrs": 48, "tcpInCsumErrors": 56},
    2010: {"udpOutDatagrams": 12, "udpInCsumErrors": 24},
}


@pytest.mark.parametrize("format_", PLACES)
def test_fields_stand_where_the_specification_has_them(format_: int) -> None:
    structure = STRUCTURES[format_]
    for name, place in PLACES[format_].items():
        body = structure.encode({**dict.fromkeys(structure.names, 0), name: 1})
        width = {"Q": 8, "I": 4, "f": 4}[structure.letters[structure.names.index(name)]]
        one = struct.pack(">f", 1) if width == 4 and "load" in name else (1).to_bytes(width, "big")
        assert body == bytes(place) + one + bytes(len(body) - place - width)


@given(values=st.lists(st.integers(0, 2**64 - 2), min_size=20, max_size=20))
@pytest.mark.parametrize("format_", SIZES)
def test_counters_travel_modulo_their_width(format_: int, values: list[int]) -> None:
    structure = STRUCTURES[format_]
    counters = dict(zip(structure.names, values * 2, strict=False))
    record = receive(HostCounters(counters={format_: counters}))
    for name, letter in zip(structure.names, structure.letters, strict=True):
        if letter == "I":
            low = counters[name] % 2**32
            assert record[name] == (None if low == 2**32 - 1 else low)
        elif letter == "Q":
            assert record[name] == counters[name]
        else:
            assert float(str(record[name])) == pytest.approx(counters[name], rel=1e-6)


def test_what_is_not_known_is_all_ones() -> None:
    record = receive(HostCounters(counters={HOST_CPU: {"cpuNum": 8}, PROCESSOR: {}}))
    assert record.pop("cpuNum") == 8
    assert set(record.values()) == {None}
    (data,) = encode(HostCounters(counters={PROCESSOR: {}})).datagrams
    assert bytes(data)[-28:] == b"\xff" * 28


def test_a_field_that_is_not_there_is_an_error() -> None:
    with pytest.raises(KeyError, match="cpus"):
        encode(HostCounters(counters={PROCESSOR: {"cpus": 1}}))


def test_processors_are_told_in_hundredths_of_a_percent() -> None:
    record = receive(HostCounters(counters={PROCESSOR: {"cpu5s": 1250, "totalMemory": 2**36}}))
    assert (record["cpu5s"], record["cpu1m"], record["totalMemory"]) == (1250, None, 2**36)


def test_a_host_is_described() -> None:
    adapters = (Adapter(2, (b"\x02\0\0\0\0\x01", b"\x02\0\0\0\0\x02")), Adapter(7))
    record = receive(HostCounters(description=DESCRIPTION, adapters=adapters))
    assert record == {
        "hostname": "router.example.net",
        "uuid": bytes(range(16)).hex(),
        "machineType": 3,
        "osName": 2,
        "osRelease": "6.1.0",
        "adapter1": "2 02:00:00:00:00:01 02:00:00:00:00:02",
        "adapter2": "7",
    }


def test_names_are_cut_at_whole_characters() -> None:
    record = receive(
        HostCounters(description=HostDescription(hostname="ü" * 40, os_release="x" * 99))
    )
    assert record["hostname"] == "ü" * 32
    assert record["osRelease"] == "x" * 32


@pytest.mark.parametrize("max_size", [464, 600, 1400])
def test_records_that_do_not_fit_one_datagram_go_in_several(max_size: int) -> None:
    host = HostCounters(description=DESCRIPTION, counters=full(5))
    record = receive(host, max_size=max_size)
    assert {name for values in host.counters.values() for name in values} <= record.keys()
    assert record["hostname"] == "router.example.net"
    assert (encode(host, max_size=max_size).samples > 1) == (max_size < 1400)


@pytest.mark.parametrize(("max_size", "kept"), [(464, 25), (1400, 83)])
def test_adapters_that_do_not_fit_are_left_out_and_counted(max_size: int, kept: int) -> None:
    adapters = tuple(Adapter(index, (bytes(6),)) for index in range(1, 1001))
    made = encode(HostCounters(adapters=adapters, counters=full(5)), max_size=max_size)
    assert made.adapters_left_out == 1000 - kept
    record = receive(HostCounters(adapters=adapters), max_size=max_size)
    assert len(record) == kept
    assert record[f"adapter{kept}"] == f"{kept} 00:00:00:00:00:00"


def test_a_record_that_no_datagram_holds_is_refused() -> None:
    with pytest.raises(EncodeError, match="60"):
        encode(HostCounters(counters=full(1)), max_size=112)


def test_a_host_that_says_nothing_makes_no_datagram() -> None:
    made = encode(HostCounters())
    assert (len(made.datagrams), made.samples, made.adapters_left_out) == (0, 0, 0)


def counter_record(format_: int, body: bytes) -> bytes:
    return sflow_datagram(sflow_record(4, u32(5, 2, 1, 1) + sflow_record(format_, body)))


def test_processors_of_virtual_machines_are_read() -> None:
    (message,) = decode([counter_record(2003, bytes(68) + u32(1, 2, 3))])
    assert message.faults == ()
    assert message.records[0].fields["cpuGuest"] == 2


@pytest.mark.parametrize(
    ("code", "offset", "data"),
    [
        ("record-count", 60, counter_record(2000, u32(99, 0))),
        ("record-count", 60, counter_record(2001, u32(5, 1, 0))),
        ("record-count", 68, counter_record(2001, u32(1, 1, 9, 0, 0))),
        ("truncated", 60, counter_record(2004, bytes(68))),
        ("record-length", 132, counter_record(2004, bytes(76))),
        ("record-length", 140, counter_record(2003, bytes(84))),
        ("record-length", 56, counter_record(1001, bytes(24))),
    ],
)
def test_faults_of_host_records_are_named(code: str, offset: int, data: bytes) -> None:
    (message,) = decode([data])
    assert [(fault.code, fault.offset) for fault in message.faults] == [(code, offset)]
