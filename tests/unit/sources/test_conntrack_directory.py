"""Keys are found wherever they stand, however unevenly they are spread."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowexport_mgmt.sources.conntrack.directory import Directory

HIGHEST = 2**64 - 1
NUMBERS = st.one_of(st.integers(0, HIGHEST), st.integers(0, 40), st.integers(HIGHEST - 40, HIGHEST))


def check(keys: list[int], wanted: list[int]) -> None:
    known = set(keys)
    held = np.array(sorted(known), np.uint64)
    found, at = Directory(held).find(np.array(wanted, np.uint64))
    assert found.tolist() == [number in known for number in wanted]
    assert held[at[found]].tolist() == [number for number in wanted if number in known]


@given(keys=st.lists(NUMBERS, min_size=1, max_size=200), others=st.lists(NUMBERS, max_size=30))
def test_whatever_is_there_is_found(keys: list[int], others: list[int]) -> None:
    check(keys, keys + others)


@pytest.mark.parametrize("high", [HIGHEST, 1 << 40, 30_000])
def test_many_keys(high: int) -> None:
    random = np.random.default_rng(3)
    numbers = random.integers(0, high, 20_000, np.uint64, endpoint=True).tolist()
    check(numbers[:15_000], numbers[10_000:])
