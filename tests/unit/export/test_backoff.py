from __future__ import annotations

import random

from flowexport_mgmt.export.backoff import FIRST_S, LONGEST_S, Backoff


def test_waits_double_up_to_a_bound() -> None:
    backoff = Backoff(lambda: 0.5)
    waits = [backoff.note_down(0) for _ in range(8)]
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]


def test_a_wait_is_up_to_a_fifth_longer_or_shorter() -> None:
    waits = [Backoff(random.Random(seed).random).note_down(0) for seed in range(200)]
    assert 0.8 * FIRST_S <= min(waits) < 0.85 * FIRST_S
    assert 1.15 * FIRST_S < max(waits) <= 1.2 * FIRST_S


def test_a_connection_that_lasted_begins_anew_and_a_short_one_does_not() -> None:
    backoff = Backoff(lambda: 0.5)
    for _ in range(7):
        backoff.note_down(0)
    backoff.note_up(100)
    assert backoff.note_down(101) == LONGEST_S
    backoff.note_up(200)
    assert backoff.note_down(231) == FIRST_S
    assert backoff.note_down(999) == 2 * FIRST_S


def test_a_reset_begins_anew() -> None:
    backoff = Backoff(lambda: 0.5)
    backoff.note_down(0)
    backoff.reset()
    assert backoff.note_down(0) == FIRST_S
