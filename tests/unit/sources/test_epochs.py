from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from flowexport_mgmt.sources.epochs import Epochs

START = 1000


def follow(
    epochs: Epochs, counters: dict[int, int], time_ns: int, replaced: Sequence[int] = ()
) -> dict[int, tuple[int, int]]:
    """Give epoch and beginning by ifindex."""
    ifindex = np.array(sorted(counters), np.uint32)
    values = np.array([[counters[i]] for i in sorted(counters)], np.uint64).reshape(-1, 1)
    numbers, since = epochs.follow(ifindex, values, time_ns, replaced)
    return dict(
        zip(ifindex.tolist(), zip(numbers.tolist(), since.tolist(), strict=True), strict=True)
    )


def test_what_was_there_from_the_start_counts_from_the_start() -> None:
    assert follow(Epochs(START), {1: 5, 2: 9}, 2000) == {1: (0, START), 2: (0, START)}


def test_growing_counters_change_nothing() -> None:
    epochs = Epochs(START)
    follow(epochs, {1: 5}, 2000)
    assert follow(epochs, {1: 5}, 3000) == {1: (0, START)}
    assert follow(epochs, {1: 6}, 4000) == {1: (0, START)}
    assert epochs.restarts == 0


def test_counters_that_go_backwards_begin_an_epoch() -> None:
    epochs = Epochs(START)
    follow(epochs, {1: 5, 2: 5}, 2000)
    assert follow(epochs, {1: 4, 2: 6}, 3000) == {1: (1, 3000), 2: (0, START)}
    assert follow(epochs, {1: 4, 2: 6}, 4000) == {1: (1, 3000), 2: (0, START)}
    assert epochs.restarts == 1


def test_an_interface_that_appears_begins_an_epoch_and_is_no_restart() -> None:
    epochs = Epochs(START)
    follow(epochs, {}, 2000)
    assert follow(epochs, {4: 100}, 3000) == {4: (1, 3000)}
    assert epochs.restarts == 0


def test_one_that_comes_back_is_not_the_one_that_went() -> None:
    epochs = Epochs(START)
    follow(epochs, {1: 5, 9: 5}, 2000)
    follow(epochs, {9: 5}, 3000)
    assert follow(epochs, {1: 50, 9: 5}, 4000) == {1: (1, 4000), 9: (0, START)}
    follow(epochs, {9: 5}, 5000)
    assert follow(epochs, {1: 500, 9: 5}, 6000)[1] == (2, 6000)


def test_another_interface_under_a_known_ifindex_begins_an_epoch_and_is_no_restart() -> None:
    epochs = Epochs(START)
    follow(epochs, {1: 5, 2: 5, 3: 5}, 2000)
    found = follow(epochs, {1: 6, 2: 600, 3: 1}, 3000, replaced=[2, 3])
    assert found == {1: (0, START), 2: (1, 3000), 3: (1, 3000)}
    assert epochs.restarts == 0


@given(
    st.lists(
        st.dictionaries(st.integers(1, 6), st.integers(0, 4), max_size=6), min_size=1, max_size=12
    )
)
def test_epochs_agree_with_one_interface_at_a_time(reads: list[dict[int, int]]) -> None:
    epochs = Epochs(START)
    before: dict[int, tuple[int, int]] = {}  # ifindex: counter, epoch
    latest = 0
    for number, counters in enumerate(reads):
        found = follow(epochs, counters, number)
        anew = {
            i
            for i, value in counters.items()
            if number and (i not in before or value < before[i][0])
        }
        latest += bool(anew)
        expected = {
            i: latest if i in anew else before[i][1] if i in before else 0 for i in counters
        }
        assert {i: epoch for i, (epoch, _) in found.items()} == expected
        before = {i: (counters[i], expected[i]) for i in counters}
