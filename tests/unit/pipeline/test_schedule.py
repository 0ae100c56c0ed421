from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowexport_mgmt.pipeline.schedule import Schedule


def run(schedule: Schedule[str], until: float, late: float = 0.0) -> list[tuple[float, list[str]]]:
    """Take what is due whenever it is, always so much too late."""
    taken = []
    while (due := schedule.next_due + late) <= until:
        taken.append((due, sorted(schedule.take(due))))
    return taken


def times(taken: list[tuple[float, list[str]]], key: str) -> list[float]:
    return [time for time, keys in taken if key in keys]


def test_a_new_key_is_due_at_once() -> None:
    schedule: Schedule[str] = Schedule()
    assert schedule.next_due == math.inf
    schedule.add("a", 20, 100.0)
    assert schedule.take(100.0) == ["a"]
    assert schedule.take(100.0) == []


@given(
    interval=st.integers(1, 3600),
    lateness=st.lists(st.floats(0, 0.014), min_size=5, max_size=60),
    start=st.floats(0, 1e6),
)
def test_the_gap_never_exceeds_the_interval_and_nothing_drifts(
    interval: int, lateness: list[float], start: float
) -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("a", interval, start)
    taken = []
    for late in lateness:
        taken.append(schedule.next_due + late)
        assert schedule.take(taken[-1]) == ["a"]
    gaps = [after - before for before, after in itertools.pairwise(taken)]
    assert max(gaps) <= interval
    assert min(gaps) > 0.9 * interval
    assert taken[-1] - taken[0] <= (len(taken) - 1) * interval * 0.98 + 0.015


def test_equal_intervals_and_multiples_share_polls() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("a", 10, 0.0)
    schedule.add("b", 10, 0.001)
    schedule.add("c", 20, 0.002)
    taken = run(schedule, 100.0)
    assert times(taken, "a") == times(taken, "b")
    assert set(times(taken, "c")[1:]) <= set(times(taken, "a"))
    assert len(taken) == 11


def test_one_that_comes_later_is_due_at_once_and_then_with_the_others() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("a", 10, 0.0)
    run(schedule, 14.0)
    schedule.add("b", 10, 15.0)
    taken = run(schedule, 60.0)
    assert taken[0] == (15.0, ["b"])
    assert times(taken, "b")[1:] == times(taken, "a")


def test_a_long_pause_is_made_up_for_by_one_poll() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("a", 1, 0.0)
    schedule.take(0.0)
    assert schedule.take(100.0) == ["a"]
    assert schedule.take(100.0) == []
    assert 100.0 < schedule.next_due <= 101.0


@pytest.mark.parametrize(("interval", "due_by"), [(2, 5.0), (40, 43.0), (20, 23.0)])
def test_a_changed_interval_counts_from_the_latest_poll(interval: int, due_by: float) -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("a", 20, 3.0)
    schedule.take(3.0)
    schedule.change("a", interval)
    assert 3.0 < schedule.next_due <= due_by


def test_an_interval_changed_before_the_first_poll() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("a", 20, 3.0)
    schedule.change("a", 5)
    assert schedule.take(3.0) == ["a"]
    assert 7.0 < schedule.next_due <= 8.0


def test_expediting_adds_a_poll_and_the_rhythm_stays() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("a", 10, 0.0)
    schedule.take(0.0)
    rhythm = schedule.next_due
    schedule.expedite("a", 4.0)
    assert schedule.take(4.0) == ["a"]
    assert schedule.next_due == rhythm
    schedule.expedite("nobody", 5.0)
    assert schedule.take(5.0) == []


def test_one_that_is_removed_is_never_due() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("a", 10, 0.0)
    schedule.remove("a")
    assert schedule.next_due == math.inf
    schedule.add("b", 10, 50.0)
    assert [time for time, _ in run(schedule, 60.0)] == [50.0, 59.8]
