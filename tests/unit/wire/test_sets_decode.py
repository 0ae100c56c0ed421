"""Data that NetFlow v9 and IPFIX may carry, whoever sends it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.wire import (
    NOW_NS,
    SOURCE,
    decode,
    fault_codes,
    ipfix_message,
    one_set,
    u16,
    u32,
    v9_packet,
)

from flowexport_mgmt.wire.decoder import Decoder
from flowexport_mgmt.wire.messages import Message, Record

OCTETS = one_set(2, u16(300, 1, 1, 4))


def records_of(*datagrams: bytes) -> list[Record]:
    messages = decode(datagrams)
    assert fault_codes(messages) == []
    return [record for message in messages for record in message.records]


def ipfix_fields(specifiers: bytes, count: int, body: bytes) -> dict[str, Any]:
    """Decode one IPFIX record of a template."""
    message = ipfix_message(one_set(2, u16(300, count) + specifiers), one_set(300, body))
    (record,) = records_of(message)
    assert record.kind == "data"
    return record.fields


@pytest.mark.parametrize(
    ("element", "length", "octets", "name", "value"),
    [
        (1, 3, b"\x01\0\0", "octetDeltaCount", 65536),
        (8, 4, bytes([192, 0, 2, 1]), "sourceIPv4Address", "192.0.2.1"),
        (27, 16, bytes(15) + b"\x01", "sourceIPv6Address", "::1"),
        (56, 6, bytes(range(6)), "sourceMacAddress", "00:01:02:03:04:05"),
        (82, 8, b"eth0\0\0\0\0", "interfaceName", "eth0"),
        (82, 2, b"\xff\xfe", "interfaceName", "\ufffd\ufffd"),
        (95, 4, b"\x01\x02\x03\x04", "applicationId", "01020304"),
        (150, 4, u32(1_700_000_000), "flowStartSeconds", 1_700_000_000),
        (152, 8, u32(0, 5), "flowStartMilliseconds", 5),
        (154, 8, u32(2_208_988_801, 1 << 31), "flowStartMicroseconds", 1_500_000),
        (156, 8, u32(2_208_988_801, 1 << 30), "flowStartNanoseconds", 1_250_000_000),
        (304, 1, b"\x03", "selectorAlgorithm", 3),
    ],
)
def test_fields_have_the_value_that_their_type_says(
    element: int, length: int, octets: bytes, name: str, value: object
) -> None:
    assert ipfix_fields(u16(element, length), 1, octets) == {name: value}


def test_elements_of_enterprises_are_octets_that_are_named_by_number() -> None:
    fields = ipfix_fields(u16(0x8005, 2) + u32(9), 1, b"\xab\xcd")
    assert fields == {"enterprise9.element5": "abcd"}


def test_elements_of_the_reverse_direction_have_the_type_of_the_forward_one() -> None:
    fields = ipfix_fields(u16(0x8001, 4) + u32(29305), 1, u32(77))
    assert fields == {"reverseOctetDeltaCount": 77}


def test_an_element_of_nobody_is_shown_all_the_same() -> None:
    template = one_set(2, u16(300, 2, 499, 2, 1, 4))
    (message,) = decode([ipfix_message(template, one_set(300, b"\x01\x02" + u32(9)))])
    assert fault_codes([message]) == ["element-unknown"]
    assert message.records[0].fields == {"element499": "0102", "octetDeltaCount": 9}


def test_a_field_of_a_wrong_length_is_shown_as_octets() -> None:
    (message,) = decode(
        [ipfix_message(one_set(2, u16(300, 1, 8, 3)), one_set(300, b"\x01\x02\x03"))]
    )
    assert message.records[0].fields == {"sourceIPv4Address": "010203"}


def test_variable_lengths_of_one_and_three_octets() -> None:
    template = one_set(2, u16(301, 2, 82, 0xFFFF, 83, 0xFFFF))
    long = b"x" * 300
    first = b"\x04eth0" + b"\xff" + u16(300) + long
    second = b"\0" + b"\x02up"
    padded = first + second + bytes(-len(first + second) % 4)
    one, two = records_of(ipfix_message(template, one_set(301, padded)))[:2]
    assert one.fields == {"interfaceName": "eth0", "interfaceDescription": "x" * 300}
    assert two.fields == {"interfaceName": "", "interfaceDescription": "up"}


def test_fields_of_one_name_are_numbered() -> None:
    assert ipfix_fields(u16(1, 1, 1, 1), 2, b"\x07\x08") == {
        "octetDeltaCount": 7,
        "octetDeltaCount#2": 8,
    }


def test_options_of_ipfix_have_elements_as_scope() -> None:
    template = one_set(3, u16(512, 2, 1, 10, 4, 41, 8) + bytes(2))
    (record,) = records_of(ipfix_message(template, one_set(512, u32(7, 0, 99))))
    assert record.kind == "options"
    assert record.fields == {"ingressInterface": 7, "exportedMessageTotalCount": 99}


def test_options_of_v9_have_scope_types() -> None:
    template = one_set(1, u16(512, 8, 4, 1, 4, 9, 2, 34, 4) + bytes(2))
    data = one_set(512, u32(5) + u16(6) + u32(100) + bytes(2))
    (record,) = records_of(v9_packet(template, data, count=2))
    assert record.kind == "options"
    assert record.fields == {"scopeSystem": 5, "scope9": 6, "samplingInterval": 100}


def test_several_templates_in_a_set() -> None:
    both = one_set(0, u16(300, 1, 1, 4, 301, 2, 1, 4, 2, 4))
    packet = v9_packet(both, one_set(301, u32(1, 2)), one_set(300, u32(3)), count=4)
    assert [len(record.fields) for record in records_of(packet)] == [2, 1]


def test_ipfix_may_leave_padding_out_and_pad_to_8() -> None:
    byte = one_set(2, u16(300, 1, 61, 1))
    unpadded = ipfix_message(byte, one_set(300, b"\x01"))
    assert len(records_of(unpadded)) == 1
    eight = one_set(2, u16(301, 1, 156, 8) + bytes(4))
    assert len(records_of(ipfix_message(eight, one_set(301, bytes(8) + bytes(7))))) == 1


def test_templates_are_kept_for_each_exporter_and_domain() -> None:
    decoder = Decoder()

    def receive(data: bytes, port: int) -> Message:
        return decoder.receive(data, (SOURCE[0], port), NOW_NS)

    assert not receive(ipfix_message(OCTETS), 1).faults
    data = one_set(300, u32(5))
    assert len(receive(ipfix_message(data), 1).records) == 1
    assert fault_codes([receive(ipfix_message(data), 2)]) == ["template-missing"]
    assert fault_codes([receive(ipfix_message(data, domain=8), 1)]) == ["template-missing"]


def test_a_repeated_template_is_no_fault() -> None:
    assert records_of(ipfix_message(OCTETS), ipfix_message(OCTETS)) == []


def test_a_redefined_template_is_used_as_it_was_last() -> None:
    again = one_set(2, u16(300, 1, 2, 4))
    messages = decode([ipfix_message(OCTETS), ipfix_message(again, one_set(300, u32(6)))])
    assert messages[1].records[0].fields == {"packetDeltaCount": 6}


@pytest.mark.parametrize("withdrawn", [300, 2])
def test_a_withdrawn_template_is_forgotten(withdrawn: int) -> None:
    options = one_set(3, u16(512, 2, 1, 10, 4, 34, 4) + bytes(2))
    gone = one_set(2, u16(withdrawn, 0))
    data = one_set(300, u32(5)), one_set(512, u32(1, 2))
    messages = decode([ipfix_message(OCTETS, options), ipfix_message(gone, *data)])
    assert fault_codes(messages) == ["template-withdrawal", "template-missing"]
    assert [record.kind for record in messages[1].records] == ["options"]


def test_options_templates_are_withdrawn_by_the_id_of_their_set() -> None:
    options = one_set(3, u16(512, 2, 1, 10, 4, 34, 4) + bytes(2))
    messages = decode([
        ipfix_message(OCTETS, options),
        ipfix_message(one_set(3, u16(3, 0)), one_set(300, u32(5)), one_set(512, u32(1, 2))),
    ])  # fmt: skip
    assert fault_codes(messages) == ["template-withdrawal", "template-missing"]
    assert [record.kind for record in messages[1].records] == ["data"]


def test_records_that_cannot_be_counted_suspend_the_ipfix_sequence() -> None:
    """After data of an unknown template nobody can say what the next number should be."""
    unknown = ipfix_message(one_set(300, u32(1, 2)))
    messages = decode([unknown, ipfix_message(OCTETS, sequence=17), ipfix_message(sequence=18)])
    assert fault_codes(messages) == ["template-missing", "sequence-gap"]


def test_the_lost_records_and_packets_are_counted() -> None:
    ipfix = decode([ipfix_message(OCTETS, one_set(300, u32(5))), ipfix_message(sequence=8)])
    assert [message.lost for message in ipfix] == [0, 7]
    v9 = decode([v9_packet(count=0, sequence=2**32 - 1), v9_packet(count=0, sequence=4)])
    assert [message.lost for message in v9] == [0, 4]


def test_a_late_packet_does_not_move_the_sequence_nor_the_clock() -> None:
    stream = [
        v9_packet(count=0, sequence=7),
        v9_packet(count=0, sequence=6, seconds=1_799_999_999, uptime_ms=99_000),
        v9_packet(count=0, sequence=8),
    ]
    assert fault_codes(decode(stream)) == ["sequence-late"]


def test_the_header_is_in_the_message() -> None:
    (message,) = decode([v9_packet(count=0, sequence=5, domain=77)])
    assert (message.protocol, message.source, message.time_ns) == ("netflow9", SOURCE, NOW_NS)
    assert (message.sequence, message.domain) == (5, 77)
    assert (message.uptime_ms, message.export_time_s) == (100_000, 1_800_000_000)
    (message,) = decode([ipfix_message(sequence=5, domain=77)])
    assert (message.protocol, message.sequence, message.domain) == ("ipfix", 5, 77)
    assert (message.uptime_ms, message.export_time_s) == (None, 1_800_000_000)


def test_uptimes_are_compared_modulo_2_to_32() -> None:
    template = one_set(0, u16(300, 2, 22, 4, 21, 4))
    data = one_set(300, u32(2**32 - 500, 100))
    assert len(records_of(v9_packet(template, data, count=2, uptime_ms=200))) == 1
