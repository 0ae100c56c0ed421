from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowexport_mgmt.sources.psample.groups import GroupSequence


def follow(sequence: GroupSequence, *numbers: int) -> list[int]:
    losses = sequence.follow(np.array([n % 2**32 for n in numbers], np.uint32))
    return [int(loss) for loss in losses]


def test_numbers_in_order_lose_nothing() -> None:
    sequence = GroupSequence()
    assert follow(sequence, 7, 8, 9) == [0, 0, 0]
    assert follow(sequence, 10) == [0]
    assert follow(sequence) == []


def test_a_gap_is_charged_to_what_follows_it() -> None:
    sequence = GroupSequence()
    assert follow(sequence, 7, 10, 11) == [0, 2, 0]
    assert follow(sequence, 112) == [100]


def test_a_group_that_was_seen_being_made_begins_with_zero() -> None:
    assert follow(GroupSequence(expected=0), 3, 4) == [3, 0]


def test_numbers_wrap() -> None:
    assert follow(GroupSequence(), 2**32 - 2, 2**32 - 1, 0, 2) == [0, 0, 0, 1]


def test_what_is_overtaken_in_a_batch_is_not_lost() -> None:
    assert follow(GroupSequence(expected=5), 6, 5, 8, 7) == [0, 0, 0, 0]


def test_what_comes_late_is_set_off_against_the_next_loss() -> None:
    sequence = GroupSequence(expected=5)
    assert follow(sequence, 6) == [1]
    assert follow(sequence, 5) == [0]
    assert follow(sequence, 9, 12) == [1, 2]  # of two and two, one was charged already


def test_a_number_that_is_given_twice_makes_up_for_one_that_is_left_out() -> None:
    assert follow(GroupSequence(expected=0), 0, 1, 1, 3) == [0, 0, 0, 0]


def test_numbers_that_begin_anew_lose_nothing() -> None:
    sequence = GroupSequence(expected=1_000_000)
    assert follow(sequence, 1_000_000, 1_000_001, 3, 4, 6) == [0, 0, 0, 0, 1]
    assert follow(sequence, 7) == [0]


@pytest.mark.parametrize("begin", [0, 2**32 - 500])
@given(st.sets(st.integers(0, 999), min_size=1), st.randoms(), st.integers(1, 300))
def test_losses_add_up_whatever_the_order(
    begin: int, lost: set[int], shuffler: random.Random, step: int
) -> None:
    """Samples overtake each other by a few places; the total is exact at the end."""
    kept = [number for number in range(1000) if number not in lost]
    order = sorted(kept, key=lambda number: number + shuffler.randrange(8))
    end = [2000, 2001]  # what lets everything late be set off
    numbers = [begin + number for number in (*order, *end)]
    sequence = GroupSequence(expected=begin)
    charged = 0
    for at in range(0, len(numbers), step):
        losses = follow(sequence, *numbers[at : at + step])
        assert min(losses) >= 0
        charged += sum(losses)
    assert charged == len(lost) + 1000
