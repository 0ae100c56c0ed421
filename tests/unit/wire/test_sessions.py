from __future__ import annotations

from dataclasses import dataclass

import pytest

from flowexport_mgmt.wire.messages import Faults
from flowexport_mgmt.wire.sessions import SESSION_WEIGHT, Sequence, Sessions, Step, modular


@dataclass
class Session:
    weight: int = 0


def test_the_least_recently_heard_is_forgotten_when_there_is_too_much() -> None:
    sessions = Sessions(Session, budget=8 + 2 * SESSION_WEIGHT)
    for key, weight in (("a", 3), ("b", 3)):
        sessions.open(key).weight = weight
        sessions.settle(key)
    kept = sessions.open("a")
    sessions.settle("a")
    sessions.open("c").weight = 4
    sessions.settle("c")
    assert len(sessions) == 2
    assert sessions.open("a") is kept
    assert sessions.open("b").weight == 0


def test_one_session_over_the_budget_is_kept_alone() -> None:
    sessions = Sessions(Session, budget=8 + 2 * SESSION_WEIGHT)
    sessions.settle("a") if sessions.open("a") else None
    big = sessions.open("b")
    big.weight = 100
    sessions.settle("b")
    assert len(sessions) == 1
    assert sessions.open("b") is big


def test_a_session_that_became_lighter_makes_room() -> None:
    sessions = Sessions(Session, budget=8 + 2 * SESSION_WEIGHT)
    first = sessions.open("a")
    first.weight = 9
    sessions.settle("a")
    first.weight = 1
    sessions.settle("a")
    sessions.open("b").weight = 5
    sessions.settle("b")
    assert len(sessions) == 2


def test_many_sources_do_not_grow_without_bound() -> None:
    sessions = Sessions(Session, budget=100 * SESSION_WEIGHT)
    for number in range(10_000):
        sessions.open(number)
        sessions.settle(number)
    assert len(sessions) == 100


@pytest.mark.parametrize(
    ("a", "b", "difference"), [(5, 3, 2), (3, 5, -2), (1, 2**32 - 1, 2), (2**32 - 1, 1, -2)]
)
def test_differences_are_modular(a: int, b: int, difference: int) -> None:
    assert modular(a, b) == difference


def check(sequence: Sequence, number: int, advance: int | None = 1) -> tuple[Step, list[str]]:
    faults = Faults()
    step = sequence.check(number, advance, faults, what="things")
    return step, [fault.code for fault in faults.found]


def test_the_first_number_may_be_any() -> None:
    assert check(Sequence(), 12345) == (Step(0, late=False), [])


def test_a_gap_is_counted_across_the_wrap() -> None:
    assert check(Sequence(expected=2**32 - 1), 4) == (Step(5, late=False), ["sequence-gap"])


def test_a_late_number_leaves_what_is_expected() -> None:
    sequence = Sequence(expected=100)
    assert check(sequence, 36) == (Step(0, late=True), ["sequence-late"])
    assert check(sequence, 100) == (Step(0, late=False), [])


def test_a_number_far_back_is_a_restart() -> None:
    sequence = Sequence(expected=100)
    assert check(sequence, 35) == (Step(0, late=False), ["sequence-restart"])
    assert check(sequence, 36) == (Step(0, late=False), [])


@pytest.mark.parametrize("number", [0, 1])
def test_a_first_number_is_a_restart(number: int) -> None:
    sequence = Sequence(expected=10)
    assert check(sequence, number) == (Step(0, late=False), ["sequence-restart"])
    assert check(sequence, number + 1) == (Step(0, late=False), [])


def test_a_number_that_follows_on_a_late_one_is_a_restart() -> None:
    sequence = Sequence(expected=10)
    assert check(sequence, 3)[1] == ["sequence-late"]
    assert check(sequence, 4) == (Step(0, late=False), ["sequence-restart"])
    assert check(sequence, 5) == (Step(0, late=False), [])


def test_late_numbers_that_do_not_follow_one_another_stay_late() -> None:
    sequence = Sequence(expected=10)
    assert [check(sequence, number)[1] for number in (3, 10, 4, 11)] == [
        ["sequence-late"],
        [],
        ["sequence-late"],
        [],
    ]


def test_nothing_is_expected_after_what_could_not_be_counted() -> None:
    sequence = Sequence(expected=100)
    assert check(sequence, 100, None) == (Step(0, late=False), [])
    assert check(sequence, 7) == (Step(0, late=False), [])
