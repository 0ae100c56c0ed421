from __future__ import annotations

from flowexport_mgmt.sources.proc import CpuTimes
from flowexport_mgmt.sources.processor import Utilization


def test_averages_are_unknown_before_there_was_time() -> None:
    use = Utilization()
    assert use.follow(CpuTimes(0, 0), 0) == {}
    assert use.follow(CpuTimes(1, 10), 1) == {}


def test_each_average_has_its_window() -> None:
    """100 ticks a second: idle, then half busy for a minute, then fully busy."""
    use = Utilization()
    busy = 0
    averages = {}
    for second in range(361):
        busy += 0 if second <= 290 else 50 if second <= 350 else 100
        averages = use.follow(CpuTimes(busy, second * 100), second)
    assert averages == {"cpu5s": 10_000, "cpu1m": (50 * 50 + 10 * 100) * 100 // 60, "cpu5m": 1333}


def test_polls_that_are_rare_give_the_average_since_the_last() -> None:
    use = Utilization()
    use.follow(CpuTimes(100, 1000), 0)
    assert use.follow(CpuTimes(350, 2000), 20) == {"cpu5s": 2500}


def test_polls_that_come_a_little_early_are_in_time() -> None:
    use = Utilization()
    use.follow(CpuTimes(0, 0), 0)
    assert use.follow(CpuTimes(10, 100), 4.9) == {"cpu5s": 1000}


def test_what_is_kept_is_bounded() -> None:
    use = Utilization()
    for tick in range(10_000):
        use.follow(CpuTimes(tick, 2 * tick), tick)
    assert len(use._readings) < 400
    assert use.follow(CpuTimes(10_000, 20_000), 10_000)["cpu5m"] == 5000


def test_times_that_stand_still_or_fall_are_no_load() -> None:
    use = Utilization()
    use.follow(CpuTimes(100, 1000), 0)
    assert use.follow(CpuTimes(100, 1000), 10) == {}
    assert use.follow(CpuTimes(90, 1100), 20) == {"cpu5s": 0}
