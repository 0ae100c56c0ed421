"""Whatever arrives, the decoder answers with a message: in bounded time, from bounded memory."""

from __future__ import annotations

import time
import tracemalloc
from ipaddress import ip_address
from typing import Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.wire import (
    NOW_NS,
    SOURCE,
    counter_batch,
    counter_rows,
    ipfix_message,
    numbered,
    one_set,
    sflow_datagram,
    sflow_record,
    u16,
    u32,
    v9_packet,
)

from flowexport_mgmt.collect import output
from flowexport_mgmt.errors import DecodeError
from flowexport_mgmt.wire import ipfix, netflow9, sflow5
from flowexport_mgmt.wire.decoder import Decoder
from flowexport_mgmt.wire.deltas import counter_deltas
from flowexport_mgmt.wire.messages import Message
from flowexport_mgmt.wire.sessions import SESSION_WEIGHT
from flowexport_mgmt.wire.sets import SESSION_BUDGET

LARGEST: Final = 65_507  # UDP payload over IPv4
ROWS: Final = numbered([{"in_octets": 5}] * 3)


def sound_datagrams() -> list[bytes]:
    batch = counter_batch(ROWS)
    deltas = counter_deltas(batch, batch)
    names = (batch.rows["ifindex"], batch.names, batch.descriptions)
    v9 = netflow9.compose(
        [
            netflow9.COUNTERS,
            netflow9.INTERFACE_TABLE,
            netflow9.encode_interface_table(*names),
            netflow9.encode_counters(deltas),
        ],
        domain=1,
        sequence=0,
        uptime_ms=batch.uptime_ms,
        export_time_s=NOW_NS // 10**9,
        max_size=1400,
    )
    messages = ipfix.compose(
        [
            ipfix.COUNTERS,
            ipfix.INTERFACE_TABLE,
            ipfix.encode_interface_table(*names),
            ipfix.encode_counters(deltas),
        ],
        domain=1,
        sequence=0,
        export_time_s=NOW_NS // 10**9,
        max_size=1400,
    )
    samples = sflow5.encode_counter_samples(
        counter_rows(ROWS),
        np.ones(3, np.uint32),
        agent=ip_address("192.0.2.1"),
        sub_agent_id=0,
        sequence=1,
        uptime_ms=5,
        max_size=1400,
    )
    return [bytes(data) for made in (v9, messages, samples) for data in made]


SOUND: Final = sound_datagrams()


def check(message: Message) -> None:
    assert isinstance(message, Message)
    assert all(isinstance(fault, DecodeError) for fault in message.faults)
    assert len(message.faults) <= 65


@pytest.mark.parametrize("data", SOUND)
def test_the_starting_points_are_sound(data: bytes) -> None:
    message = Decoder().receive(data, SOURCE, NOW_NS)
    assert message.faults == ()
    assert message.records


@given(
    st.sampled_from([b"", b"\0\x09", b"\0\x0a", b"\0\0\0\x05", b"\0\0"]), st.binary(max_size=400)
)
def test_any_octets(version: bytes, body: bytes) -> None:
    check(Decoder().receive(version + body, SOURCE, NOW_NS))


@given(
    st.sampled_from(SOUND),
    st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), min_size=1, max_size=6),
    st.integers(0, 700),
)
def test_datagrams_with_some_octets_changed(
    data: bytes, changes: list[tuple[int, int]], size: int
) -> None:
    changed = bytearray(data)
    for place, octet in changes:
        changed[place % len(changed)] = octet
    decoder = Decoder()
    check(decoder.receive(bytes(changed), SOURCE, NOW_NS))
    check(decoder.receive(bytes(changed[:size]), SOURCE, NOW_NS))
    check(decoder.receive(data, SOURCE, NOW_NS))


BYTE_TEMPLATE: Final = one_set(0, u16(300, 1, 4, 1))
NARROW: Final = one_set(2, u16(300, 1, 82, 0xFFFF))
FILL: Final = LARGEST - 100


def many_templates(set_id: int, first: int) -> bytes:
    """Make as many templates of one field as a datagram holds."""
    return one_set(set_id, b"".join(u16(first + at, 1, 1, 1) for at in range(FILL // 8)))


HOSTILE: Final = {
    "v9 records of one octet": [v9_packet(BYTE_TEMPLATE, one_set(300, bytes(FILL)), count=2)],
    "empty strings": [ipfix_message(NARROW, one_set(300, bytes(FILL)))],
    "empty sets": [v9_packet(one_set(300, b"") * (FILL // 4), count=0)],
    "templates": [
        ipfix_message(many_templates(2, first), sequence=0) for first in (256, 8444, 16632)
    ],
    "one template": [ipfix_message(one_set(2, u16(300, FILL // 4, *[1, 1] * (FILL // 4))))],
    "fields of no length": [
        ipfix_message(one_set(2, u16(300, 8001, 4, 1, *[82, 0] * 8000))),
        ipfix_message(one_set(300, bytes(FILL))),
    ],
    "a number of many octets": [
        v9_packet(one_set(0, u16(300, 1, 1, FILL)), count=1),
        v9_packet(one_set(300, b"\xff" * FILL), count=1, sequence=1),
    ],
    "withdrawals": [
        ipfix_message(many_templates(2, 256)),
        ipfix_message(one_set(3, u16(3, 0) * (FILL // 4))),
    ],
    "samples": [sflow_datagram(*[sflow_record(4, u32(1, 0, at, 0)) for at in range(FILL // 24)])],
    "records": [sflow_datagram(sflow_record(4, u32(1, 0, 1, FILL // 8) + u32(9, 0) * (FILL // 8)))],
    "counts that are not there": [
        sflow_datagram(count=2**32 - 1),
        sflow_datagram(sflow_record(4, u32(1, 0, 1, 2**32 - 1)), sequence=2),
    ],
}  # fmt: skip - a stream with its name


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_datagram_costs_no_more_than_its_size(name: str) -> None:
    """The bounds are some ten times what such datagrams come to."""
    decoder = Decoder()
    for data in HOSTILE[name]:
        assert len(data) <= LARGEST
        begin = time.process_time()
        message = decoder.receive(data, SOURCE, NOW_NS)
        assert time.process_time() - begin < 20
        check(message)
        assert sum(1 + len(record.fields) for record in message.records) < 10 * LARGEST
        written = sum(map(len, output.render_json(0, message)))
        assert written < 1000 * LARGEST


def test_templates_of_a_session_are_bounded() -> None:
    decoder = Decoder()
    codes: set[str] = set()
    for data in HOSTILE["templates"]:
        codes.update(fault.code for fault in decoder.receive(data, SOURCE, NOW_NS).faults)
    assert codes == {"template-limit", "more-faults"}


@pytest.mark.parametrize("element", [8, 27, 56, 82, 156, 1])
def test_values_of_lengths_that_their_type_has_not_are_shown_as_octets(element: int) -> None:
    """An address, a number or a time of variable length is a fault, and no more than that."""
    content = bytes(range(1, 41))
    decoder = Decoder()
    template = decoder.receive(
        ipfix_message(one_set(2, u16(300, 1, element, 0xFFFF))), SOURCE, NOW_NS
    )
    assert bool(template.faults) == (element != 82)
    data = ipfix_message(one_set(300, bytes([len(content)]) + content))
    (record,) = decoder.receive(data, SOURCE, NOW_NS).records
    (value,) = record.fields.values()
    assert value == (content.decode("ascii") if element == 82 else content.hex())


def test_templates_of_fields_without_length_are_refused() -> None:
    decoder = Decoder()
    codes = [
        {fault.code for fault in decoder.receive(data, SOURCE, NOW_NS).faults}
        for data in HOSTILE["fields of no length"]
    ]
    assert codes == [{"element-length", "more-faults"}, {"template-missing"}]


def test_what_is_remembered_of_exporters_is_bounded() -> None:
    """Each datagram is of another exporter, and has a template."""
    decoder, exporters = Decoder(), 3000
    tracemalloc.start()
    for domain in range(exporters):
        data = ipfix_message(one_set(2, u16(300, 1, 1, 4)), domain=domain)
        decoder.receive(data, SOURCE, NOW_NS)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    most = SESSION_BUDGET // (SESSION_WEIGHT + 1)
    assert most * used / exporters < 64 << 20
