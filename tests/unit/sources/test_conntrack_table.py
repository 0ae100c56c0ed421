"""Baselines of tracked flows: whatever comes in whatever order, nothing is told twice."""

from __future__ import annotations

import random
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowexport_mgmt.sources.conntrack import table as module
from flowexport_mgmt.sources.conntrack.table import FlowTable, Growth

Counters = tuple[int, int, int, int]


def feed(
    table: FlowTable,
    *flows: tuple[int, int],
    known: bool = False,
    end: bool = False,
    since: int = 7,
) -> Growth:
    """Give the table flows as pairs of key and octets."""
    keys = np.array([key for key, _ in flows], np.uint64)
    counters = np.zeros((len(flows), 4), np.uint64)
    counters[:, 0] = counters[:, 1] = [octets for _, octets in flows]
    take = table.remove if end else table.update
    found = take(keys, counters, since, np.full(len(flows), known))
    return spread(found, len(flows))


def spread(found: Growth, count: int) -> Growth:
    """Give a row to those that did not grow, too."""
    counters, since = np.zeros((count, 4), np.uint64), np.zeros(count, np.uint64)
    counters[found.rows], since[found.rows] = found.counters, found.since
    return Growth(np.arange(count), counters, since)


def dump(
    table: FlowTable, *flows: tuple[int, int], known: bool = False, whole: bool = True
) -> list[int]:
    """Feed one dump; give the growth of each flow."""
    table.begin()
    growth = feed(table, *flows, known=known)
    table.finish(whole=whole)
    return grown(growth)


def grown(growth: Growth) -> list[int]:
    numbers: list[int] = growth.counters[:, 0].tolist()
    return numbers


def test_growth_is_what_came_since_the_last_dump() -> None:
    table = FlowTable()
    assert dump(table, (5, 100), (3, 10)) == [100, 10]
    assert dump(table, (3, 10), (5, 130)) == [0, 30]
    assert dump(table, (5, 131), (4, 8), (3, 11)) == [1, 8, 1]


def test_what_was_there_before_is_a_baseline() -> None:
    table = FlowTable()
    assert dump(table, (1, 100), known=True) == [0]
    assert dump(table, (1, 150), (2, 7)) == [50, 7]
    assert grown(feed(table, (3, 99), known=True, end=True)) == [0]


def test_a_counter_that_fell_began_anew() -> None:
    table = FlowTable()
    dump(table, (1, 100))
    assert dump(table, (1, 30)) == [30]
    assert grown(feed(table, (1, 20), end=True)) == [20]


def test_the_end_of_a_flow_tells_the_rest() -> None:
    table = FlowTable()
    dump(table, (1, 100), (2, 1))
    assert grown(feed(table, (1, 120), (9, 5), end=True)) == [20, 5]
    assert (len(table), table.ended) == (1, 2)
    table.compact()
    assert (len(table), table.ended) == (1, 0)
    assert dump(table, (2, 2)) == [1]


def test_rows_that_were_read_before_the_end_are_no_new_flow() -> None:
    table = FlowTable()
    dump(table, (1, 100))
    table.begin()
    assert grown(feed(table, (1, 120), (2, 50), end=True)) == [20, 50]
    assert grown(feed(table, (1, 110), (2, 40), (3, 1))) == [0, 0, 1]
    table.finish(whole=True)
    assert len(table) == 1


def test_ends_that_were_told_just_before_a_dump_are_no_new_flows() -> None:
    table = FlowTable()
    dump(table, (1, 100))
    assert grown(feed(table, (1, 120), (2, 50), end=True)) == [20, 50]
    assert dump(table, (1, 120), (2, 50), (3, 1)) == [0, 0, 1]  # which the kernel had still
    assert (len(table), table.ended) == (1, 0)


def test_a_flow_in_the_place_of_one_that_ended_is_told_by_the_next_dump() -> None:
    """Without times it may have the same key."""
    table = FlowTable()
    dump(table, (1, 100))
    feed(table, (1, 120), end=True)
    assert dump(table, (1, 7)) == [0]
    assert dump(table, (1, 9)) == [9]
    feed(table, (1, 10), end=True)
    table.begin()
    assert grown(feed(table, (1, 5))) == [0]
    assert grown(feed(table, (1, 6), end=True)) == [6]


def test_ends_in_the_middle_of_a_dump() -> None:
    table = FlowTable()
    table.begin()
    assert grown(feed(table, (1, 100))) == [100]
    assert grown(feed(table, (1, 130), end=True)) == [30]
    table.finish(whole=True)
    assert len(table) == 0


def test_a_flow_twice_in_a_dump_counts_once() -> None:
    table = FlowTable()
    assert sum(dump(table, (1, 90), (2, 5), (1, 100))) == 105
    assert dump(table, (1, 100), (1, 100), (2, 5)) == [0, 0, 0]


def test_a_key_that_ends_twice_is_two_flows() -> None:
    table = FlowTable()
    dump(table, (1, 100))
    assert grown(feed(table, (1, 110), (1, 30), end=True)) == [10, 30]
    assert grown(feed(table, (1, 3), end=True)) == [3]


def test_a_flow_that_two_dumps_miss_is_forgotten() -> None:
    table = FlowTable()
    dump(table, (1, 100), (2, 100))
    table.begin()
    feed(table, (2, 100))
    assert table.finish(whole=True) == 0
    assert len(table) == 2
    table.begin()
    feed(table, (2, 100))
    assert table.finish(whole=True) == 1
    assert len(table) == 1


def test_an_end_that_is_told_late_finds_its_baseline() -> None:
    table = FlowTable()
    dump(table, (1, 100))
    dump(table)
    assert grown(feed(table, (1, 105), end=True)) == [5]


def test_a_dump_that_breaks_off_makes_nothing_old() -> None:
    table = FlowTable()
    dump(table, (1, 100))
    for _ in range(3):
        assert dump(table, (2, 1), whole=False) in ([1], [0])
    assert len(table) == 2
    assert dump(table, (1, 101), (2, 1)) == [1, 0]


def test_first_seen_stays() -> None:
    table = FlowTable()
    feed(table, (1, 1), since=1000)
    assert feed(table, (1, 2), (2, 1), since=2000).since.tolist() == [1000, 2000]
    assert feed(table, (1, 3), (3, 1), since=3000, end=True).since.tolist() == [1000, 3000]


def test_memory_is_given_back() -> None:
    table = FlowTable()
    flows = [(key, 1) for key in range(10_000)]
    dump(table, *flows)
    assert table.memory <= 60 * len(flows)
    feed(table, *flows[:9_000], end=True)
    table.compact()
    assert table.memory <= 60 * 1_000


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32))
def test_what_is_told_adds_up(seed: int) -> None:
    """Follow a made-up kernel whose dumps are read one piece ahead of its events."""
    chance = random.Random(seed)
    kernel = _Kernel(chance)
    table = FlowTable()
    told: dict[int, int] = defaultdict(int)

    def take(flows: list[tuple[int, int]], *, end: bool = False) -> None:
        if flows:
            growth = grown(feed(table, *flows, end=end))
            for (key, _), octets in zip(flows, growth, strict=True):
                told[key] += octets

    for _ in range(6):
        kernel.live()
        table.begin()
        for piece in kernel.dump():
            take(kernel.events(), end=True)
            take(piece)
        take(kernel.events(), end=True)
        table.finish(whole=chance.random() < 0.8)
        assert all(told[key] <= total for key, total in kernel.totals.items())
    kernel.end_all()
    take(kernel.events(), end=True)
    assert told == {key: total for key, total in kernel.totals.items() if total or key in told}


class _Kernel:
    """Flows that come, grow and end while they are dumped."""

    def __init__(self, chance: random.Random) -> None:
        self.totals: dict[int, int] = {}
        self._chance = chance
        self._alive: dict[int, int] = {}
        self._events: list[tuple[int, int]] = []

    def live(self) -> None:
        for _ in range(self._chance.randrange(6)):
            key = len(self.totals) * 7919 % 10_007
            self._alive[key] = self.totals[key] = self._chance.randrange(100)
        for key in list(self._alive):
            self._alive[key] += self._chance.randrange(3)
            self.totals[key] = self._alive[key]
            if self._chance.random() < 0.2:
                self._events.append((key, self._alive.pop(key)))

    def dump(self) -> list[list[tuple[int, int]]]:
        return [piece for piece in self._pieces() if piece]

    def _pieces(self) -> list[list[tuple[int, int]]]:
        pieces = []
        for key in sorted(self._alive):
            if self._chance.random() < 0.3:
                self.live()
            if key in self._alive:
                pieces.append([(key, self._alive[key])] * self._chance.choice((1, 1, 2)))
        return pieces

    def events(self) -> list[tuple[int, int]]:
        events, self._events = self._events, []
        return events

    def end_all(self) -> None:
        self._events += self._alive.items()
        self._alive = {}


@pytest.mark.parametrize("recent", [1, 1 << 16])
def test_large_dumps_in_pieces(monkeypatch: pytest.MonkeyPatch, recent: int) -> None:
    monkeypatch.setattr(module, "_RECENT", recent)
    monkeypatch.setattr(module, "_MANY", 2 * recent)
    table = FlowTable()
    random_ = np.random.default_rng(1)
    keys = np.unique(random_.integers(0, 1 << 63, 5000).astype(np.uint64) * np.uint64(2))
    random_.shuffle(keys)
    totals = np.zeros((len(keys), 4), np.uint64)
    before = np.zeros_like(totals)
    for _ in range(3):
        totals += random_.integers(0, 9, totals.shape).astype(np.uint64)
        totals[:, 1] += np.uint64(1)
        table.begin()
        growth = [
            spread(
                table.update(keys[part], totals[part], 0, np.zeros(len(part), np.bool_)), len(part)
            ).counters
            for part in np.array_split(np.arange(len(keys)), 7)
        ]
        table.finish(whole=True)
        assert (np.concatenate(growth) == totals - before).all()
        before = totals.copy()
    assert len(table) == len(keys)
