from __future__ import annotations

import itertools

import pytest

from flowexport_mgmt.pipeline.pacer import MAX_BURST, Pacer


def leave(pacer: Pacer, datagrams: int, late: float = 0.0) -> list[tuple[float, int]]:
    """Let datagrams leave as early as they may, always so much too late."""
    now, left = 0.0, []
    while datagrams:
        now = max(now, pacer.ready_at) + late
        burst = min(pacer.burst, datagrams)
        pacer.spend(burst, now)
        left.append((now, burst))
        datagrams -= burst
    return left


@pytest.mark.parametrize("rate", [1, 3, 10, 99, 100, 250, 1000, 1600, 50_000, 4_294_967_295])
def test_no_second_has_more_than_the_rate_and_no_burst_more_than_sixteen(rate: int) -> None:
    left = leave(Pacer(rate), min(4 * rate, 20_000))
    assert max(burst for _, burst in left) <= MAX_BURST
    for begin, _ in left[:: max(1, len(left) // 50)]:
        within = sum(burst for time, burst in left if begin <= time < begin + 1 - 1e-9)
        assert within <= rate + max(0, rate // 100)


@pytest.mark.parametrize("rate", [1, 10, 250, 50_000])
def test_the_rate_is_reached(rate: int) -> None:
    left = leave(Pacer(rate), 3 * rate)
    assert left[-1][0] <= 3.0


def test_what_comes_late_is_not_made_up_for() -> None:
    left = leave(Pacer(1000), 3000, late=0.01)
    gaps = [after[0] - before[0] for before, after in itertools.pairwise(left)]
    assert min(gaps) >= 0.01


def test_an_idle_pacer_waits_for_nothing() -> None:
    pacer = Pacer(10)
    pacer.spend(1, 0.0)
    assert pacer.ready_at == pytest.approx(0.1)
    pacer.spend(1, 50.0)
    assert pacer.ready_at == pytest.approx(50.1)


def test_a_faster_rate_ends_the_wait_at_the_slower() -> None:
    pacer = Pacer(1)
    pacer.spend(1, 0.0)
    assert pacer.ready_at == pytest.approx(1.0)
    pacer.configure(100, 0.1)
    assert pacer.ready_at == pytest.approx(0.11)
    assert (pacer.rate, pacer.burst) == (100, 1)
