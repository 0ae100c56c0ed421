"""From entries to records: which flows have one, and what stands in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import numpy as np
import pytest
from tests.support.conntrack import make_tuple

from flowexport_mgmt.records import FlowBatch
from flowexport_mgmt.sources.conntrack.accounting import Accounting
from flowexport_mgmt.wire.conntrack import Decoder, Entries, Entry, Tuple, encode_entry

S = 1_000_000_000
STARTED = 1_700_000_000 * S
LATER = STARTED + 5 * S


def entry(number: int = 1, packets: int = 1, back: int = 0, **changes: Any) -> Entry:
    """Make an entry that began a second after the source did, of 100 octets a packet."""
    original = make_tuple(number)
    made = Entry(
        original=original,
        reply=original.invert(),
        id=number,
        counters=(packets, packets * 100),
        reply_counters=(back, back * 100),
        times_ns=(STARTED + S,),
    )
    return replace(made, **changes)


def decode(entries: Iterable[Entry], *, ended: bool = False) -> list[Entries]:
    messages = [encode_entry(one, ended=ended) for one in entries]
    offsets = np.cumsum([0, *map(len, messages[:-1])])
    octets = np.frombuffer(bytearray(b"".join(messages)), np.uint8)
    return Decoder().decode(octets, offsets, np.array(list(map(len, messages)), np.uint32))


def accounting() -> Accounting:
    return Accounting(STARTED, seed=1)


def dump(one: Accounting, *entries: Entry, now: int = LATER) -> list[FlowBatch]:
    one.begin(now)
    batches = one.see(decode(entries), now) if entries else []
    one.finish(whole=True)
    return batches


def end(one: Accounting, *entries: Entry, now: int = LATER) -> list[FlowBatch]:
    return one.end(decode(entries, ended=True), now)


def rows(batches: list[FlowBatch]) -> list[tuple[int, int, int]]:
    """Give source port, packets and packets of the other direction of each row."""
    found = []
    for batch in batches:
        assert batch.reverse_packets is not None
        columns = (batch.src_port, batch.packets, batch.reverse_packets)
        found += list(zip(*(column.tolist() for column in columns), strict=True))
    return sorted(found)


def test_each_direction_counts_and_rest_is_silent() -> None:
    one = accounting()
    assert rows(dump(one, entry(1, 3, 2), entry(2, 5))) == [(10_001, 3, 2), (10_002, 5, 0)]
    assert one.exported == 3
    assert rows(dump(one, entry(1, 3, 4), entry(2, 5))) == [(10_001, 0, 2)]
    assert rows(end(one, entry(2, 6))) == [(10_002, 1, 0)]
    assert end(one, entry(1, 3, 4)) == []
    assert one.exported == 5


def test_flows_from_before_are_a_baseline() -> None:
    one = accounting()
    old: dict[str, Any] = {"times_ns": (STARTED - S,)}
    assert rows(dump(one, entry(1, 3, **old), entry(2, 3))) == [(10_002, 3, 0)]
    assert end(one, entry(3, 9, **old)) == []
    assert rows(dump(one, entry(1, 4, **old), entry(2, 3))) == [(10_001, 1, 0)]


def test_a_clock_that_was_set_back_hides_nothing_for_long() -> None:
    one = accounting()
    dump(one)
    dump(one)
    assert rows(dump(one, entry(1, 3, times_ns=(STARTED - S,)))) == [(10_001, 3, 0)]


def test_without_times_the_first_whole_dump_is_the_baseline() -> None:
    one = accounting()
    bare: dict[str, Any] = {"times_ns": ()}
    one.begin(LATER)
    assert one.see(decode([entry(1, 3, **bare)]), LATER) == []
    one.finish(whole=False)
    assert dump(one, entry(1, 4, **bare), entry(2, 1, **bare)) != []
    assert rows(dump(one, entry(3, 2, **bare))) == [(10_003, 2, 0)]
    (batch,) = end(one, entry(4, 2, **bare), now=LATER + 9 * S)
    assert batch.start_ms.tolist() == [LATER // 10**6]  # it began after the latest dump did


def test_an_id_that_is_used_again_is_another_flow() -> None:
    one = accounting()
    dump(one, entry(1, 9))
    again = entry(1, 10, times_ns=(STARTED + 2 * S,))
    assert rows(dump(one, again)) == [(10_001, 10, 0)]


def test_the_same_tuple_in_two_zones_is_two_flows() -> None:
    one = accounting()
    first, second = entry(1, 3, zone=1), entry(1, 4, zone=2)
    assert rows(dump(one, first, second)) == [(10_001, 3, 0), (10_001, 4, 0)]
    assert dump(one, first, second) == []


def test_zones_choose_what_is_told_and_not_what_is_followed() -> None:
    one = accounting()
    one.zones = (2,)
    (batch,) = dump(one, entry(1, 3, zone=1), entry(2, 4, zone=2))
    assert batch.vrf is not None
    assert batch.vrf.tolist() == [2]
    one.zones = (0, 1)
    assert rows(dump(one, entry(1, 5, zone=1), entry(2, 5, zone=2), entry(3, 1))) == [
        (10_001, 2, 0),
        (10_003, 1, 0),
    ]


def test_flows_without_counters_are_known_and_silent() -> None:
    one = accounting()
    assert dump(one, entry(1, counters=None, reply_counters=None)) == []
    assert len(one.table) == 1


def test_what_is_translated_has_a_batch_of_its_own() -> None:
    router = IPv4Address("198.51.100.1")
    reply = Tuple(
        src=IPv4Address("192.0.2.1"), dst=router, protocol=17, src_port=53, dst_port=40_000
    )
    plain, translated = dump(accounting(), entry(1), entry(2, reply=reply))
    assert not plain.is_translated
    assert plain.vrf is None
    assert translated.nat_src is not None
    assert translated.nat_src_port is not None
    assert translated.nat_dst is not None
    assert translated.nat_src.tolist() == [int(router)]
    assert translated.nat_src_port.tolist() == [40_000]
    assert translated.nat_dst.tolist() == [int(reply.src)]


def test_families_and_icmp() -> None:
    six = Tuple(
        src=IPv6Address("2001:db8::1"),
        dst=IPv6Address("2001:db8::2"),
        protocol=58,
        icmp=(7, 128, 3),
    )
    four = Tuple(
        src=IPv4Address("192.0.2.1"), dst=IPv4Address("192.0.2.2"), protocol=1, icmp=(7, 8, 0)
    )
    made = [entry(n, original=one, reply=one.invert()) for n, one in enumerate((four, six))]
    first, second = dump(accounting(), *made)
    assert (first.version, second.version) == (4, 6)
    assert first.icmp is not None
    assert second.icmp is not None
    assert (first.icmp.tolist(), second.icmp.tolist()) == ([8 * 256], [128 * 256 + 3])
    assert second.src.tolist() == [[0x20010DB8 << 32, 1]]
    assert first.src_port.tolist() == [0]


@pytest.mark.parametrize(
    ("protocol", "state", "timeout", "reason"),
    [
        (17, None, None, 1),
        (17, None, 9, 4),
        (6, 3, None, 1),
        (6, 3, 9, 4),
        (6, 7, None, 3),
        (6, 8, 9, 3),
        (132, 1, None, 3),
        (132, 4, None, 1),
    ],
)
def test_why_a_flow_ended(
    protocol: int, state: int | None, timeout: int | None, reason: int
) -> None:
    original = make_tuple(1, protocol=protocol)
    (batch,) = end(
        accounting(),
        entry(original=original, reply=original.invert(), state=state, timeout=timeout),
    )
    assert batch.end_reason is not None
    assert batch.end_reason.tolist() == [reason]


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ((STARTED + S, STARTED + 2 * S), (STARTED + S, STARTED + 2 * S)),
        ((STARTED + S, LATER + S), (STARTED + S, LATER)),  # no end after now
        ((LATER + S, LATER + 2 * S), (LATER, LATER)),  # no start after its end
        ((STARTED + S,), (STARTED + S, LATER)),
    ],
)
def test_start_end_and_now_keep_their_order(
    times: tuple[int, ...], expected: tuple[int, int]
) -> None:
    (batch,) = end(accounting(), entry(times_ns=times))
    found = batch.start_ms.tolist()[0], batch.end_ms.tolist()[0]
    assert found == (expected[0] // 10**6, expected[1] // 10**6)
