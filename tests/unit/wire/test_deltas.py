from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.wire import NOW_NS, counter_batch, counter_strategy, numbered

from flowexport_mgmt.records import UNKNOWN64
from flowexport_mgmt.wire.deltas import COUNTER_DELTA_DTYPE, counter_deltas

DELTAS = tuple(name for name in COUNTER_DELTA_DTYPE.names or () if name.startswith(("in", "out")))
Row = dict[str, int]


def grown(before: list[Row], after: list[Row]) -> dict[int, Row]:
    """Give the deltas of two polls by ifindex."""
    deltas = counter_deltas(counter_batch(before), counter_batch(after))
    return {int(row["ifindex"]): {name: int(row[name]) for name in DELTAS} for row in deltas}


def test_counters_are_subtracted() -> None:
    before = [{"ifindex": 2, "in_octets": 100, "out_errors": 5}]
    after = [{"ifindex": 2, "in_octets": 1100, "out_errors": 7}]
    delta = grown(before, after)[2]
    assert (delta["in_octets"], delta["out_errors"], delta["out_octets"]) == (1000, 2, 0)


def test_an_idle_interface_has_a_row_of_zeros() -> None:
    row = {"ifindex": 2, "in_octets": 100}
    assert grown([row], [row]) == {2: dict.fromkeys(DELTAS, 0)}


@pytest.mark.parametrize("epoch", [0, 1])
def test_an_interface_that_the_poll_before_did_not_see_has_no_row(epoch: int) -> None:
    before = [{"ifindex": 2, "in_octets": 1}]
    after = [{"ifindex": 2, "in_octets": 1}, {"ifindex": 3, "in_octets": 100, "epoch": epoch}]
    assert set(grown(before, after)) == {2}
    assert grown(after, after)[3]["in_octets"] == 0


@pytest.mark.parametrize("octets", [40, 100, 150])
def test_counters_of_another_epoch_have_no_row(octets: int) -> None:
    before = [{"ifindex": 2, "in_octets": 100}]
    after = [{"ifindex": 2, "in_octets": octets, "epoch": 1}]
    assert grown(before, after) == {}
    assert grown(after, [{**after[0], "in_octets": octets + 7}])[2]["in_octets"] == 7


def test_a_counter_that_fell_back_leaves_the_interface_out() -> None:
    before = [{"ifindex": 2, "in_octets": 100, "in_packets": 10}]
    assert grown(before, [{"ifindex": 2, "in_octets": 40, "in_packets": 12}]) == {}


def test_an_interface_that_vanished_has_no_row() -> None:
    both = [{"ifindex": 1}, {"ifindex": 2}]
    assert set(grown(both, both[1:])) == {2}


def test_a_counter_that_is_not_kept_grew_by_nothing() -> None:
    unknown, known = {"ifindex": 1, "in_discards": UNKNOWN64}, {"ifindex": 1, "in_discards": 9}
    assert grown([unknown], [unknown])[1]["in_discards"] == 0
    assert grown([known], [unknown])[1]["in_discards"] == 0
    assert grown([unknown], [known])[1]["in_discards"] == 9


@given(st.lists(counter_strategy(), max_size=8), st.lists(counter_strategy(), max_size=8))
def test_a_delta_is_never_more_than_the_counter(before: list[Row], after: list[Row]) -> None:
    rows = numbered(after)
    for index, delta in grown(numbered(before), rows).items():
        for name in DELTAS:
            counter = rows[index - 1][name]
            assert delta[name] <= (0 if counter == UNKNOWN64 else counter)


@given(
    st.lists(counter_strategy(unknown=False), min_size=1, max_size=6),
    st.integers(0, 2**20),
)
def test_counters_that_all_grew_give_the_growth(drawn: list[Row], more: int) -> None:
    before = numbered([{name: row[name] // 2 for name in DELTAS} for row in drawn])
    after = [{**row, **{name: row[name] + more for name in DELTAS}} for row in before]
    assert grown(before, after) == {row["ifindex"]: dict.fromkeys(DELTAS, more) for row in before}


def test_times_are_those_of_both_polls() -> None:
    before = counter_batch([{"ifindex": 1}], time_ns=NOW_NS, uptime_ms=50_000)
    after = counter_batch([{"ifindex": 1}], time_ns=NOW_NS + 20_000_000_000, uptime_ms=70_000)
    (row,) = counter_deltas(before, after)
    assert (row["start_ms"], row["end_ms"]) == (NOW_NS // 10**6, NOW_NS // 10**6 + 20_000)
    assert (row["start_uptime_ms"], row["end_uptime_ms"]) == (50_000, 70_000)


def test_a_clock_that_was_set_does_not_change_the_interval() -> None:
    before = counter_batch([{"ifindex": 1}], time_ns=NOW_NS, uptime_ms=50_000)
    after = counter_batch([{"ifindex": 1}], time_ns=NOW_NS - 3600 * 10**9, uptime_ms=70_000)
    (row,) = counter_deltas(before, after)
    assert row["end_ms"] - row["start_ms"] == 20_000


def test_rows_keep_their_order() -> None:
    rows = numbered([{}] * 5)
    deltas = counter_deltas(counter_batch(rows), counter_batch(rows))
    assert deltas.dtype == COUNTER_DELTA_DTYPE
    assert np.array_equal(deltas["ifindex"], [1, 2, 3, 4, 5])
