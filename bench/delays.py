"""How long batches take, and what of it is the work, the wait for a processor, and neither.

Linux tells of each thread how long it was ready to run and did not (proc_pid_schedstat, the second
number), which on a machine with fewer processors than work is the machine's share of a delay.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, TypeVar

from bench.measure import Cost

_T = TypeVar("_T")


class Delay(NamedTuple):
    """One batch: seconds by the clock, of processor time, and of waiting for a processor.

    ``switches`` are those that it did not ask for, ``faults`` pages that it was the first to touch.
    """

    wall: float
    cpu: float
    wait: float
    switches: int
    faults: int

    @property
    def own(self) -> float:
        """What is left when nobody else wants a processor."""
        return max(0.0, self.wall - self.wait)


def timed(work: Callable[[], _T]) -> tuple[_T, Delay]:
    """Do something in this thread and say what it took."""
    before = _read()
    done = work()
    after = _read()
    wall, cpu, wait, switches, faults = (b - a for a, b in zip(before, after, strict=True))
    return done, Delay(wall, cpu, wait, int(switches), int(faults))


def describe(name: str, delays: Sequence[Delay]) -> str:
    """Give the middle, the hundredth part and the longest, and what the longest was made of."""
    worst = max(delays)
    shares = (
        f"{kind} {_ms(delays, kind, 0.5):.1f} / {_ms(delays, kind, 0.99):.1f} / "
        f"{_ms(delays, kind, 1.0):.1f}"
        for kind in ("wall", "cpu", "wait", "own")
    )
    return (
        f"{name}: {len(delays)} batches, ms p50 / p99 / longest: {', '.join(shares)}; the longest "
        f"waited {1e3 * worst.wait:.1f} of {1e3 * worst.wall:.1f} ms for a processor "
        f"({worst.switches} times made to wait, {worst.faults} page faults)"
    )


def longest(delays: Sequence[Delay], kind: Literal["own", "wall"]) -> Cost:
    """Give the longest by processor time, and by the clock without or with waits for one."""
    return Cost(max(each.cpu for each in delays), max(getattr(each, kind) for each in delays))


def _ms(delays: Sequence[Delay], kind: str, share: float) -> float:
    in_order = sorted(getattr(each, kind) for each in delays)
    return float(1e3 * in_order[min(len(in_order) - 1, int(share * len(in_order)))])


def _read() -> tuple[float, float, float, float, float]:
    used = resource.getrusage(resource.RUSAGE_THREAD)
    descriptor = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
    try:
        wait = int(os.read(descriptor, 100).split()[1]) / 1e9
    finally:
        os.close(descriptor)
    return time.perf_counter(), time.thread_time(), wait, used.ru_nivcsw, used.ru_minflt
