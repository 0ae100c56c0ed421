from __future__ import annotations

import math

from flowexport_mgmt.export.templates import TemplateClock


def test_templates_are_due_and_owed_before_anything_was_sent() -> None:
    clock = TemplateClock(600)
    assert clock.due == -math.inf
    assert clock.owed


def test_templates_are_due_again_at_every_refresh() -> None:
    clock = TemplateClock(600)
    clock.note_sent(10.0)
    assert (clock.due, clock.owed) == (610.0, False)
    clock.note_sent(610.5)
    assert clock.due == 1210.5


def test_a_failure_is_made_good_within_a_second_or_with_the_next_data() -> None:
    clock = TemplateClock(600)
    clock.note_sent(10.0)
    clock.note_failed(10.0)
    assert (clock.due, clock.owed) == (11.0, True)
    clock.note_sent(11.0)
    assert (clock.due, clock.owed) == (611.0, False)


def test_a_changed_refresh_counts_from_the_latest() -> None:
    clock = TemplateClock(600)
    clock.note_sent(10.0)
    clock.configure(5)
    assert clock.due == 15.0


def test_what_is_owed_waits_for_data_and_what_is_hastened_does_not() -> None:
    clock = TemplateClock(600)
    clock.note_sent(10.0)
    clock.owe()
    assert (clock.due, clock.owed) == (610.0, True)
    clock.hasten()
    assert (clock.due, clock.owed) == (-math.inf, True)
    clock.note_sent(11.0)
    assert (clock.due, clock.owed) == (611.0, False)
