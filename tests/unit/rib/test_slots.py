"""Prefixes find their rows while places are changed, rows are removed, and room ends."""

from __future__ import annotations

import random

import numpy as np
import pytest

from flowexport_mgmt.enrich.prefixes import Version
from flowexport_mgmt.rib.columns import PrefixIndex, PrefixKeys, make_keys
from flowexport_mgmt.rib.room import FreeRows, reserve

LENGTH = {4: 32, 6: 128}


def keys_of(version: Version, numbers: list[int]) -> PrefixKeys:
    shift = 0 if version == 4 else 64
    return make_keys(version, [n << shift for n in numbers], [LENGTH[version]] * len(numbers))


@pytest.mark.parametrize("version", [4, 6])
def test_rows_are_kept_while_places_change_and_prefixes_come_and_go(version: Version) -> None:
    rng = random.Random(version)
    index, model = PrefixIndex(version, seed=5), dict[int, int]()
    for _ in range(150):
        new = [rng.randrange(30_000) for _ in range(rng.choice([1, 50, 700]))]
        rows = index.add(keys_of(version, new)).tolist()
        for number, row in zip(new, rows, strict=True):
            assert model.setdefault(number, row) == row
        if rng.random() < 0.5:
            gone = rng.sample(sorted(model), min(len(model), rng.choice([1, 300])))
            index.remove(np.array([model.pop(number) for number in gone], np.int64))
        asked = [rng.randrange(30_000) for _ in range(200)]
        assert index.find(keys_of(version, asked)).tolist() == [model.get(n, -1) for n in asked]
        assert len(set(model.values())) == index.count == len(model)
        assert index.is_there(slice(index.end)).sum() == index.count


def test_no_change_moves_more_than_its_share() -> None:
    index = PrefixIndex(4, seed=5)
    index.add(keys_of(4, list(range(100_000))))
    slots = index._slots
    moved: list[int] = []
    move = slots._move

    def count_and_move(count: int) -> None:
        moved.append(count)
        move(count)

    slots._move = count_and_move  # type: ignore[method-assign]
    for begin in range(100_000, 300_000, 1000):
        index.add(keys_of(4, list(range(begin, begin + 1000))))
    assert moved
    assert max(moved) == 8000
    assert (index.find(keys_of(4, list(range(300_001)))) >= 0).tolist() == [True] * 300_000 + [
        False
    ]


def test_a_prefix_without_room_has_no_row() -> None:
    index = PrefixIndex(4, seed=5, most=10)
    assert index.add(keys_of(4, list(range(8)))).tolist() == list(range(8))
    found = index.add(keys_of(4, [3, *range(20, 25)])).tolist()
    assert found == [3, 8, 9, -1, -1, -1]
    index.remove(np.array([0]))
    assert index.add(keys_of(4, [24, 0])).tolist() == [0, -1]


def test_room_costs_what_is_written() -> None:
    column = reserve(1 << 32, np.uint32)
    column[-1] = 7
    assert (len(column), column[0], column[-1]) == (1 << 32, 0, 7)


def test_free_rows_are_had_last_first() -> None:
    free = FreeRows(10)
    free.give_back(np.array([4, 2, 7]))
    assert free.take(2).tolist() == [2, 7]
    assert free.take(2).tolist() == [4]
    assert free.take(2).tolist() == []
