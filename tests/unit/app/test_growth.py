"""What a soak says of memory: growth, none, or that it cannot tell."""

from __future__ import annotations

from itertools import cycle

from tests.support.soak.__main__ import verdict
from tests.support.soak.measure import Series, Slope


def _series(kib_per_minute: float, noise: tuple[int, ...], minutes: int = 14) -> Series:
    series = Series("manager")
    for minute, off in zip(range(minutes + 1), cycle(noise), strict=False):
        series.times.append(minute * 60.0)
        series.memory.append(round(90 * 1024 + minute * kib_per_minute + off))
        series.descriptors.append(20)
    return series


def _slope(series: Series) -> Slope:
    slope = series.slope(0)
    assert slope is not None
    return slope


def test_steady_growth_is_seen_and_measured() -> None:
    slope = _slope(_series(1024 / 10, (0, 30, -30)))
    assert slope.least < 6 < slope.most
    assert verdict(slope).endswith("grows")


def test_what_does_not_grow_is_flat() -> None:
    assert verdict(_slope(_series(0, (0, 4, -4)))).endswith("flat")


def test_noise_larger_than_the_slope_that_is_looked_for_tells_nothing() -> None:
    noise = (0, 2500, -1800, 900, 3000, -2600, 400)
    assert verdict(_slope(_series(0, noise))).endswith("cannot tell")


def test_a_single_step_at_the_begin_is_no_growth() -> None:
    series = _series(0, (0, 2, -2))
    series.memory[0] -= 4096
    slope = _slope(series)
    assert abs(slope.middle) < 0.5
    assert not verdict(slope).endswith("grows")


def test_too_few_minutes_make_no_slope() -> None:
    assert _series(100, (0,), minutes=4).slope(0) is None
