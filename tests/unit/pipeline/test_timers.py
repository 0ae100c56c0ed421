from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from flowexport_mgmt.pipeline.timers import Timers

KEYS = st.sampled_from("abcd")
TIMES = st.integers(0, 20)
STEPS = st.one_of(
    st.tuples(st.just("set"), KEYS, TIMES),
    st.tuples(st.just("advance"), KEYS, TIMES),
    st.tuples(st.just("discard"), KEYS, st.just(0)),
    st.tuples(st.just("pop"), st.just(""), TIMES),
)


@given(st.lists(STEPS, max_size=40))
def test_timers_agree_with_a_plain_dictionary(steps: list[tuple[str, str, int]]) -> None:
    timers: Timers[str] = Timers()
    model: dict[str, int] = {}
    for step, key, time in steps:
        if step == "set":
            timers.set(key, time)
            model[key] = time
        elif step == "advance":
            timers.advance(key, time)
            model[key] = min(time, model.get(key, time))
        elif step == "discard":
            timers.discard(key)
            model.pop(key, None)
        else:
            popped = timers.pop(time)
            earliest = min(model.values(), default=math.inf)
            assert (popped is not None) == (earliest <= time)
            if popped is not None:
                assert model.pop(popped) == earliest
        assert timers.next_due == min(model.values(), default=math.inf)


def test_keys_that_are_due_at_once_come_in_their_order() -> None:
    timers: Timers[str] = Timers()
    for key in "cab":
        timers.set(key, 1.0)
    assert [timers.pop(1.0), timers.pop(1.0), timers.pop(1.0), timers.pop(1.0)] == [
        "c",
        "a",
        "b",
        None,
    ]


def test_never_is_no_timer() -> None:
    timers: Timers[str] = Timers()
    timers.set("a", 1.0)
    timers.set("a", math.inf)
    assert timers.next_due == math.inf
    assert timers.pop(1e9) is None


def test_keys_need_no_order_of_their_own() -> None:
    timers: Timers[complex] = Timers()
    timers.set(1j, 1.0)
    timers.set(2j, 1.0)
    assert timers.pop(1.0) == 1j
