from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests.support import psample
from tests.support.psample import FAMILY, attribute, group_change, sample

from flowexport_mgmt.records.samples import LOCAL_INTERFACE, SampleBatch
from flowexport_mgmt.sources.psample.ledger import Ledger, Place
from flowexport_mgmt.wire.psample import Parser

WAN = Place("wan", 2, 1, ingress=True, egress=False)
LAN = Place("lan", 3, 1, ingress=True, egress=True)


def ledger(*places: Place) -> Ledger:
    made = Ledger()
    made.replace(places)
    return made


def enter(into: Ledger, *messages: bytes) -> SampleBatch | None:
    buffer = np.frombuffer(b"".join(messages), np.uint8)
    lengths = np.array([len(each) for each in messages], np.int64)
    parsed = Parser(FAMILY).parse(buffer, np.cumsum(lengths) - lengths, lengths)
    assert not parsed.malformed
    return into.enter(parsed)


def entered(into: Ledger, *messages: bytes) -> SampleBatch:
    batch = enter(into, *messages)
    assert batch is not None
    return batch


def totals(of: Ledger) -> dict[str, tuple[int, int, int]]:
    return {a.place.name: (a.samples, a.drops, a.pool) for a in of.accounts}


def test_samples_are_counted_to_their_interfaces() -> None:
    books = ledger(WAN, LAN)
    batch = entered(books, sample(0), sample(1, iif=3), sample(2), sample(3, iif=7, oif=3))
    assert batch.source.tolist() == [2, 3, 2, 3]
    assert batch.pool.tolist() == [10, 10, 20, 20]
    assert batch.drops.tolist() == [0, 0, 0, 0]
    assert batch.in_if.tolist() == [2, 3, 2, 7]
    assert batch.out_if.tolist() == [0, 0, 0, 3]
    assert batch.direction is not None
    assert batch.direction.tolist() == [0, 0, 0, 1]
    assert totals(books) == {"wan": (2, 0, 20), "lan": (2, 0, 20)}


def test_a_packet_of_this_host_comes_from_nowhere_else() -> None:
    assert entered(ledger(LAN), sample(0, iif=0, oif=3)).in_if.tolist() == [LOCAL_INTERFACE]


def test_the_packets_are_copied() -> None:
    frames = [bytes([number]) * (14 + number) for number in range(60)]
    messages = [sample(n, data=frame, size=1500 + n) for n, frame in enumerate(frames)]
    batch = entered(ledger(WAN), *messages)
    assert [batch.header(row) for row in range(60)] == frames
    assert batch.frame_length.tolist() == list(range(1500, 1560))
    assert batch.header_protocol.tolist() == [1] * 60
    assert batch.time_ns.tolist() == [1_700_000_000_000_000_000 + n for n in range(60)]


def test_drops_are_charged_to_the_next_sample_and_enter_the_pool() -> None:
    books = ledger(WAN, LAN)
    batch = entered(books, sample(0), sample(5, iif=3), sample(6), sample(8))
    assert batch.drops.tolist() == [0, 4, 0, 1]
    assert batch.pool.tolist() == [10, 50, 20, 40]
    assert totals(books) == {"wan": (3, 1, 40), "lan": (1, 4, 50)}


def test_a_loss_before_a_foreign_sample_is_charged_to_the_next_of_ours() -> None:
    books = ledger(WAN)
    assert enter(books, sample(0, iif=9), sample(4, iif=9)) is None
    batch = entered(books, sample(6, iif=9), sample(7))
    assert batch.drops.tolist() == [4]
    assert books.foreign == 3


def test_samples_of_other_groups_and_directions_are_not_ours() -> None:
    books = ledger(WAN)
    foreign = [sample(0, group=2), sample(1, group=3, iif=4), sample(5, iif=0, oif=2)]
    assert enter(books, *foreign) is None
    assert (books.foreign, totals(books)) == (3, {"wan": (0, 0, 0)})


def test_a_group_that_is_made_anew_begins_with_zero() -> None:
    books = ledger(WAN)
    assert entered(books, sample(70), sample(71)).drops.tolist() == [0, 0]
    again = (group_change(1, is_new=False), group_change(1, is_new=True), sample(2), sample(3))
    assert entered(books, sample(72), *again).drops.tolist() == [0, 2, 2]
    enter(books, group_change(8, is_new=True))  # not one of ours


def test_forgotten_numbers_lose_nothing() -> None:
    books = ledger(WAN)
    entered(books, sample(1))
    books.forget_sequences()
    assert entered(books, sample(100)).drops.tolist() == [0]


def test_an_index_above_16_bits_is_known_by_its_low_half() -> None:
    far = dataclasses.replace(WAN, name="far", ifindex=70_001)
    assert entered(ledger(far), sample(0, iif=70_001)).source.tolist() == [70_001]


def test_what_may_be_of_two_interfaces_is_of_none() -> None:
    far = dataclasses.replace(WAN, name="far", ifindex=WAN.ifindex + 0x10000)
    books = ledger(WAN, far, LAN)
    assert books.ambiguous_names == {"wan", "far"}
    assert entered(books, sample(0), sample(1, iif=3)).source.tolist() == [3]
    assert books.ambiguous == 1
    books.replace([WAN, dataclasses.replace(far, group=2)])
    assert not books.ambiguous_names
    batch = entered(books, sample(2), sample(0, group=2))
    assert batch.source.tolist() == [WAN.ifindex, far.ifindex]


def test_pool_and_drops_wrap_and_their_totals_do_not() -> None:
    books = ledger(WAN)
    entered(books, sample(0, rate=1_000_000))
    for begin in (4000, 8000):
        batch = entered(books, sample(begin, rate=1_000_000))
    assert batch.pool.tolist() == [8001 * 1_000_000 % 2**32]
    assert totals(books) == {"wan": (3, 7998, 8_001_000_000)}


def test_a_changed_place_keeps_its_totals_and_what_still_waits() -> None:
    books = ledger(WAN)
    first = entered(books, sample(0))
    books.replace([dataclasses.replace(WAN, group=6)])
    batch = entered(books, sample(1), sample(0, group=6, rate=100))
    assert batch.pool.tolist() == [20, 120]
    assert same_epoch(first, batch)


def same_epoch(first: SampleBatch, second: SampleBatch) -> bool:
    assert first.epoch is not None
    assert second.epoch is not None
    return set(first.epoch.tolist()) == set(second.epoch.tolist())


def test_an_interface_that_comes_back_begins_anew() -> None:
    books = ledger(WAN)
    first = entered(books, sample(0))
    books.replace([])
    assert enter(books, sample(1)) is None
    books.replace([WAN])
    second = entered(books, sample(2))
    assert second.pool.tolist() == [10]
    assert not same_epoch(first, second)


def test_link_layers_without_a_name_begin_with_ip() -> None:
    tunnel = dataclasses.replace(WAN, device_type=0xFFFE)
    books = ledger(tunnel)
    messages = [sample(n, protocol=p) for n, p in enumerate((0x0800, 0x86DD, 0x8847))]
    assert entered(books, *messages).header_protocol.tolist() == [11, 12]
    assert books.foreign == 1


def test_the_vlan_of_an_interface_is_known() -> None:
    vlan = dataclasses.replace(LAN, vlan=7)
    batch = entered(ledger(vlan, WAN), sample(0, iif=3), sample(1, iif=2, oif=3), sample(2))
    assert batch.src_vlan is not None
    assert batch.dst_vlan is not None
    assert batch.src_vlan.tolist() == [7, 0, 0]
    assert batch.dst_vlan.tolist() == [0, 7, 0]
    assert entered(ledger(WAN), sample(0)).src_vlan is None


def test_what_a_device_tells_is_passed_on_and_says_where_it_sampled() -> None:
    told: Sequence[bytes] = [
        attribute(psample.QUEUE, "H", 5),
        attribute(psample.DEPTH, "Q", 900),
        attribute(psample.LATENCY, "Q", 1234),
    ]
    batch = entered(ledger(WAN, LAN), sample(0, oif=3, more=told), sample(1, oif=3))
    assert batch.source.tolist() == [2, 3]
    assert batch.out_if.tolist() == [3, 3]
    columns = [batch.egress_queue, batch.queue_depth, batch.transit_delay]
    assert [c.tolist() for c in columns if c is not None] == [
        [5, 0xFFFFFFFF],
        [900, 0xFFFFFFFF],
        [1234, 0xFFFFFFFF],
    ]
    assert entered(ledger(WAN), sample(0)).egress_queue is None


ARRIVALS = st.lists(
    st.tuples(st.integers(1, 4), st.integers(1, 2), st.sampled_from((0, 0, 0, 1, 5))), max_size=40
)
"""Samples: interface, group, and how many of the group were lost before."""


@given(ARRIVALS, st.lists(st.integers(0, 40), max_size=3))
def test_the_books_are_those_of_one_sample_at_a_time(
    arrivals: list[tuple[int, int, int]], cuts: list[int]
) -> None:
    """Whatever mixture of interfaces, groups, strangers and losses a batch has."""
    dmz = Place("dmz", 3, 2, ingress=True, egress=False)
    places = {(2, 1): WAN, (3, 1): LAN, (3, 2): dmz}
    books = ledger(*places.values())
    expected: list[tuple[int, int, int]] = []
    sums = {key: [0, 0] for key in places}
    following = {1: 0, 2: 0}
    carried = {1: 0, 2: 0}
    messages = []
    for port, group, lost in arrivals:
        first = following[group] == 0
        number = following[group] + lost
        following[group] = number + 1
        messages.append(sample(number, iif=port, group=group))
        carried[group] += 0 if first else lost
        if (port, group) in sums:
            drops = carried[group]
            carried[group] = 0
            sums[port, group][0] += drops
            sums[port, group][1] += 10 * (1 + drops)
            expected.append((port, sums[port, group][0], sums[port, group][1]))
    found: list[tuple[int, int, int]] = []
    for begin, end in itertools.pairwise([0, *sorted(cuts), len(messages)]):
        batch = enter(books, *messages[begin:end])
        if batch is not None:
            columns = (batch.source, batch.drops, batch.pool)
            found += zip(*(column.tolist() for column in columns), strict=True)
    assert found == expected
    assert books.foreign == len(messages) - len(expected)
