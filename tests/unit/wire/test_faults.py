"""Each stream of the fault catalogue has its fault named, at its octet, and nothing else."""

from __future__ import annotations

import pytest
from tests.support.faults import CATALOGUE, V9_DATA, V9_TEMPLATE, Stream
from tests.support.wire import decode, fault_codes, ipfix_message, one_set, u32, v9_packet

CASES = [
    pytest.param(case, id=f"{protocol}-{case.code}-at-{case.offset}")
    for protocol, cases in CATALOGUE.items()
    for case in cases
]


@pytest.mark.parametrize("case", CASES)
def test_the_fault_of_a_stream_is_named(case: Stream) -> None:
    *before, last = decode(case.datagrams)
    assert fault_codes(before) == []
    assert [(fault.code, fault.offset) for fault in last.faults] == [(case.code, case.offset)]


def test_each_fault_of_a_datagram_is_named() -> None:
    packet = v9_packet(
        one_set(2, u32(0)),
        V9_TEMPLATE,
        one_set(300, u32(1, 95_000, 90_000)),
        one_set(301, u32(1)),
        count=2,
    )
    (message,) = decode([packet])
    assert fault_codes([message]) == ["set-id", "end-before-start", "template-missing"]
    assert len(message.records) == 1


def test_faults_of_one_datagram_are_bounded() -> None:
    (message,) = decode([ipfix_message(*[one_set(4, u32(0))] * 2000)])
    assert len(message.faults) == 65
    assert message.faults[-1].code == "more-faults"


def test_a_fault_says_where_and_what() -> None:
    (message,) = decode([v9_packet(V9_DATA, count=1)])
    assert str(message.faults[0]) == (
        "template-missing at octet 20: data of template 300, which is not known"
    )
