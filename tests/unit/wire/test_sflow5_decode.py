from __future__ import annotations

from tests.support.wire import decode, fault_codes, sflow_datagram, sflow_record, u32

IF_COUNTERS = sflow_record(1, u32(7, *range(1, 22)))
COMPACT_INTERFACE_7 = 7


def test_compact_counter_samples() -> None:
    sample = sflow_record(2, u32(5, COMPACT_INTERFACE_7, 1) + IF_COUNTERS)
    (message,) = decode([sflow_datagram(sample)])
    (record,) = message.records
    assert message.faults == ()
    assert (record.kind, record.offset) == ("counter-sample", 28)
    assert (record.fields["sourceType"], record.fields["sourceIndex"]) == (0, 7)
    assert record.fields["ifIndex"] == 7
    assert record.fields["ifSpeed"] == 2 << 32 | 3


def test_the_type_of_a_compact_source_is_its_upper_octet() -> None:
    (message,) = decode([sflow_datagram(sflow_record(2, u32(5, 2 << 24 | 9, 0)))])
    fields = message.records[0].fields
    assert (fields["sourceType"], fields["sourceIndex"]) == (2, 9)


def test_flow_samples_compact_and_expanded() -> None:
    header = sflow_record(1, u32(1, 64, 4, 6) + b"abcdef\0\0")
    compact = sflow_record(1, u32(5, 7, 100, 500, 2, 7, 1 << 30 | 3, 1) + header)
    expanded = sflow_record(3, u32(6, 0, 7, 100, 600, 2, 0, 7, 1, 3, 1) + header)
    (message,) = decode([sflow_datagram(compact, expanded)])
    assert message.faults == ()
    first, second = (record.fields for record in message.records)
    assert first == {
        "sampleSequence": 5,
        "sourceType": 0,
        "sourceIndex": 7,
        "samplingRate": 100,
        "samplePool": 500,
        "drops": 2,
        "inputFormat": 0,
        "input": 7,
        "outputFormat": 1,
        "output": 3,
        "headerProtocol": 1,
        "frameLength": 64,
        "stripped": 4,
        "header": "616263646566",
    }
    assert {**first, "sampleSequence": 6, "samplePool": 600} == second


def test_records_and_samples_that_are_not_known_are_stepped_over() -> None:
    unknown = sflow_record(4300 << 12 | 1, bytes(12))
    sample = sflow_record(4, u32(5, 0, 7, 2) + unknown + IF_COUNTERS)
    (message,) = decode([sflow_datagram(sflow_record(99, bytes(8)), sample)])
    assert message.faults == ()
    assert [record.fields["ifIndex"] for record in message.records] == [7]


def test_what_an_agent_does_not_count_is_unknown() -> None:
    counters = u32(7, 6, 0, 0, 1, 3, 2**32 - 1, 2**32 - 1, *[2**32 - 1] * 6, *[0] * 8)
    (message,) = decode(
        [sflow_datagram(sflow_record(4, u32(5, 0, 7, 1) + sflow_record(1, counters)))]
    )
    fields = message.records[0].fields
    assert (fields["ifInOctets"], fields["ifInErrors"], fields["ifOutErrors"]) == (None, None, 0)


def test_a_fault_in_one_sample_does_not_hide_the_next() -> None:
    broken = sflow_record(4, u32(5, 0, 7, 1) + sflow_record(1, bytes(84)))
    sound = sflow_record(4, u32(5, 0, 8, 1) + IF_COUNTERS)
    (message,) = decode([sflow_datagram(broken, sound)])
    assert fault_codes([message]) == ["record-length"]
    assert [record.fields["sourceIndex"] for record in message.records] == [7, 8]


def sample(sequence: int, source: int = 7) -> bytes:
    return sflow_record(4, u32(sequence, 0, source, 1) + IF_COUNTERS)


def test_sources_are_numbered_each_by_itself() -> None:
    stream = [
        sflow_datagram(sample(10, 7), sample(90, 8)),
        sflow_datagram(sample(11, 7), sample(91, 8), sequence=2),
    ]
    assert fault_codes(decode(stream)) == []


def test_flow_and_counter_samples_of_a_source_are_numbered_apart() -> None:
    flow = sflow_record(3, u32(900, 0, 7, 100, 500, 0, 0, 7, 0, 0, 0))
    assert fault_codes(decode([sflow_datagram(sample(10), flow)])) == []


def test_a_source_whose_counters_began_anew_is_no_fault() -> None:
    stream = [sflow_datagram(sample(10)), sflow_datagram(sample(1), sequence=2)]
    assert fault_codes(decode(stream)) == []


def test_an_agent_that_restarted_is_no_fault() -> None:
    stream = [
        sflow_datagram(sample(10), sequence=500, uptime_ms=9_000_000),
        sflow_datagram(sample(4), sequence=1, uptime_ms=10),
    ]
    assert fault_codes(decode(stream)) == []


def test_the_uptime_wraps() -> None:
    stream = [
        sflow_datagram(sequence=1, uptime_ms=2**32 - 10),
        sflow_datagram(sequence=2, uptime_ms=10),
    ]
    assert fault_codes(decode(stream)) == []


def test_lost_datagrams_are_counted() -> None:
    messages = decode([sflow_datagram(), sflow_datagram(sequence=5)])
    assert [message.lost for message in messages] == [0, 3]
    assert fault_codes(messages) == ["sequence-gap"]


def test_agents_and_sub_agents_are_numbered_apart() -> None:
    other = u32(5, 1, 0xC0000202, 0, 50, 1, 0)
    sub = u32(5, 1, 0xC0000201, 4, 70, 1, 0)
    v6 = u32(5, 2, 0x20010DB8, 0, 0, 1, 9, 80, 1, 0)
    messages = decode([sflow_datagram(), other, sub, v6, sflow_datagram(sequence=2)])
    assert fault_codes(messages) == []
    assert [message.domain for message in messages] == [0, 0, 4, 9, 0]
