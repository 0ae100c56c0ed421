"""Every vector with some octets changed, cut or repeated: the decoder names faults and goes on."""

from __future__ import annotations

import time
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.vectors import read_vectors
from tests.support.wire import NOW_NS, SOURCE, sflow_datagram, sflow_record, u32

from flowexport_mgmt.errors import DecodeError
from flowexport_mgmt.wire.decoder import Decoder

STREAMS: Final = {name: vector.datagrams for name, vector in read_vectors().items()}
FILL: Final = 65_000


@settings(max_examples=300)
@given(
    st.sampled_from(sorted(STREAMS)),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=6),
    st.integers(0, 2000),
)
def test_changed_datagrams_of_vectors(name: str, changes: list[tuple[int, int]], size: int) -> None:
    decoder = Decoder()
    for data in STREAMS[name]:
        changed = bytearray(data)
        for place, octet in changes:
            changed[place % len(changed)] = octet
        for each in (bytes(changed), bytes(changed[:size]), data):
            message = decoder.receive(each, SOURCE, NOW_NS)
            assert all(isinstance(fault, DecodeError) for fault in message.faults)


def flow_record(format_: int, body: bytes) -> bytes:
    head = u32(5, 0, 7, 100, 500, 0, 0, 7, 0, 0, 1)
    return sflow_datagram(sflow_record(3, head + sflow_record(format_, body)))


def counter_record(format_: int, body: bytes) -> bytes:
    return sflow_datagram(sflow_record(4, u32(5, 2, 1, 1) + sflow_record(format_, body)))


GATEWAY: Final = u32(1, 0x0A000001, 64_512, 1, 2)
HOSTILE: Final = {
    "a path of empty segments": flow_record(
        1003, GATEWAY + u32(FILL // 8) + u32(2, 0) * (FILL // 8) + u32(0, 0)
    ),
    "segments that are not there": flow_record(1003, GATEWAY + u32(2**32 - 1) + u32(2, 0) * 999),
    "a long path": flow_record(
        1003, GATEWAY + u32(1, 2, FILL // 4) + u32(2**32 - 1) * (FILL // 4) + u32(0, 0)
    ),
    "communities": flow_record(
        1003, GATEWAY + u32(0, FILL // 4) + u32(2**32 - 1) * (FILL // 4) + u32(0)
    ),
    "adapters": counter_record(2001, u32(FILL // 8) + u32(1, 0) * (FILL // 8)),
    "addresses": counter_record(2001, u32(1, 1, FILL // 8) + bytes(FILL // 8 * 8)),
    "a long name": counter_record(2000, u32(FILL) + bytes(FILL + 28)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_record_costs_no_more_than_its_size(name: str) -> None:
    """The bound is some hundred times what a machine of today needs."""
    data = HOSTILE[name]
    assert len(data) <= 65_507
    begin = time.process_time()
    message = Decoder().receive(data, SOURCE, NOW_NS)
    assert time.process_time() - begin < 20
    assert len(message.records) == 1
