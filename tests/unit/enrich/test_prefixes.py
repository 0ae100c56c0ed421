"""Longest-prefix match against trying every length, for what Hypothesis makes up."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowexport_mgmt.enrich import prefixes as module
from flowexport_mgmt.enrich.prefixes import NO_VALUE, Change, Prefixes, Version, to_column

WIDTHS: Mapping[Version, int] = {4: 32, 6: 128}
Known = dict[tuple[int, int], int]


def cut(version: Version, address: int, length: int) -> tuple[int, int]:
    rest = WIDTHS[version] - length
    return address >> rest << rest, length


def search(version: Version, known: Known, address: int) -> tuple[int, int]:
    for length in range(WIDTHS[version], -1, -1):
        value = known.get(cut(version, address, length))
        if value is not None:
            return value, length
    return NO_VALUE, 0


def load(prefixes: Prefixes, known: Known) -> None:
    prefixes.load(
        to_column(prefixes.version, [address for address, _ in known]),
        np.array([length for _, length in known], np.int64),
        np.array(list(known.values()), np.int64),
    )


def check(prefixes: Prefixes, known: Known, addresses: list[int]) -> None:
    found = prefixes.current.find(to_column(prefixes.version, addresses))
    expected = [search(prefixes.version, known, address) for address in addresses]
    assert list(zip(found.values.tolist(), found.lengths.tolist(), strict=True)) == expected
    assert len(prefixes) == len(known)


@st.composite
def close_addresses(draw: st.DrawFn, version: Version) -> list[int]:
    """Addresses that share the beginnings of a few others."""
    width = WIDTHS[version]
    roots = draw(st.lists(st.integers(0, 2**width - 1), min_size=1, max_size=4))
    roots += [0, 2**width - 1]
    made = []
    for _ in range(draw(st.integers(1, 40))):
        rest = draw(st.integers(0, width))
        root = draw(st.sampled_from(roots))
        made.append(root >> rest << rest | draw(st.integers(0, 2**rest - 1)))
    return made + roots


@given(data=st.data(), version=st.sampled_from((4, 6)), most=st.sampled_from((2, 8, 1000)))
def test_what_is_found_is_the_longest(data: st.DataObject, version: Version, most: int) -> None:
    addresses = data.draw(close_addresses(version))
    places = st.tuples(st.sampled_from(addresses), st.integers(0, WIDTHS[version]))
    known = {
        cut(version, *place): value
        for value, place in enumerate(data.draw(st.lists(places, max_size=60)))
    }
    prefixes = Prefixes(version)
    prefixes._most_changes = most
    load(prefixes, known)
    check(prefixes, known, addresses)
    for _ in range(data.draw(st.integers(0, 4))):
        changes = [
            Change(*cut(version, *place), value)
            for place, value in data.draw(
                st.lists(st.tuples(places, st.integers(NO_VALUE, 99)), max_size=24)
            )
        ]
        prefixes.update(changes)
        for address, length, value in changes:
            known.pop((address, length), None)
            if value != NO_VALUE:
                known[address, length] = value
        for address, length, _ in changes:
            assert prefixes.get(address, length) == known.get((address, length), NO_VALUE)
        prefixes.publish()
        check(prefixes, known, addresses)


@pytest.mark.parametrize("version", [4, 6])
def test_many_prefixes_of_every_length(version: Version) -> None:
    random = np.random.default_rng(7)
    width = WIDTHS[version]
    root = 0x20010DB8 << 96 if version == 6 else 10 << 24
    known: Known = {}
    for value in range(30_000):
        length = int(random.integers(9, width + 1))
        bits = int.from_bytes(random.bytes(width // 8), "big") >> int(random.integers(8, width - 1))
        known[cut(version, root | bits, length)] = value
    prefixes = Prefixes(version)
    load(prefixes, known)
    addresses = [a | int(random.integers(0, 4)) for a, _ in list(known)[:2000]]
    check(prefixes, known, addresses)


def test_the_same_prefix_twice() -> None:
    prefixes = Prefixes(4)
    addresses = to_column(4, [10 << 24, 11 << 24, 10 << 24 | 5])  # host bits do not matter
    beaten = prefixes.load(addresses, np.array([8, 8, 8]), np.array([1, 2, 3]))
    assert beaten.tolist() == [0]
    assert prefixes.get(10 << 24, 8) == 3
    assert len(prefixes) == 2


def test_a_lookup_that_was_taken_does_not_change() -> None:
    prefixes = Prefixes(4)
    load(prefixes, {(10 << 24, 8): 1, (10 << 24, 16): 2})
    asked = to_column(4, [10 << 24, 11 << 24])
    taken = prefixes.current
    prefixes.update([Change(10 << 24, 16, 5), Change(11 << 24, 8, 6)])
    assert prefixes.current is taken  # nothing is published yet
    prefixes.publish()
    assert taken.find(asked).values.tolist() == [2, NO_VALUE]
    assert prefixes.current.find(asked).values.tolist() == [5, 6]


def test_readers_meet_one_state_or_the_other() -> None:
    prefixes = Prefixes(4)
    load(prefixes, {(number << 16, 16): 0 for number in range(500)})
    asked = to_column(4, [number << 16 for number in range(500)])
    seen: list[set[int]] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            seen.append(set(prefixes.current.find(asked).values.tolist()))

    reader = threading.Thread(target=read)
    reader.start()
    for value in range(1, 30):
        prefixes.update([Change(number << 16, 16, value) for number in range(500)])
        prefixes.publish()
    done.set()
    reader.join()
    assert all(len(values) == 1 for values in seen)


def test_changes_become_a_part_of_the_table() -> None:
    prefixes = Prefixes(4)
    load(prefixes, {(0, 0): 0})
    count = module._MOST_CHANGES + 1
    prefixes.update([Change(number << 8, 24, number + 1) for number in range(count)])
    prefixes.publish()
    assert prefixes.current.added is None
    found = prefixes.current.find(to_column(4, [5 << 8, 0xFF000000]))
    assert (found.values.tolist(), found.lengths.tolist()) == ([6, 0], [24, 0])


def test_changes_while_a_table_is_made() -> None:
    prefixes = Prefixes(4)
    prefixes._most_changes = 2
    load(prefixes, {(10 << 24, 8): 1, (11 << 24, 8): 2})
    prefixes.update([Change(number << 16, 16, number) for number in range(3)])
    assert prefixes.is_full
    build = prefixes.begin_merge()
    changes = [Change(1 << 16, 16, 9), Change(2 << 16, 16, NO_VALUE), Change(10 << 24, 8, 5)]
    changes.append(Change(12 << 24, 8, 6))
    prefixes.update(changes)
    prefixes.lay_over()
    known = {(0, 16): 0, (1 << 16, 16): 9, (10 << 24, 8): 5, (11 << 24, 8): 2, (12 << 24, 8): 6}
    asked = [number << 16 for number in range(3)] + [number << 24 for number in range(9, 14)]
    check(prefixes, known, asked)
    prefixes.adopt(build())
    assert prefixes.get(1 << 16, 16) == 1
    prefixes.update(changes)
    prefixes.lay_over()
    check(prefixes, known, asked)
    assert not prefixes.is_full
