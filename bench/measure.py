"""Measuring two ways to do one thing, alternately, in CPU and wall time."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

ROUNDS = 7
"""Alternating runs of each; what is reported is their median."""


class Skipped(Exception):  # noqa: N818 - it is no error of the code that is measured
    """A benchmark cannot run here; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of one run."""

    cpu: float
    wall: float


@dataclass(frozen=True, slots=True)
class Result:
    """One case at one size: our cost, the reference's, and the ratio that is to be reached.

    ``judged`` is which of the two ratios that is, or none; ``failure`` says what else was not kept,
    ``also`` what else was found. Where ``unit`` is not seconds, costs are amounts of it, such as
    octets, and the reference is the most that they may be (see `amount`).
    """

    case: str
    size: int
    reference: str
    ours: Cost
    theirs: Cost
    target: float = 0.0
    judged: Literal["cpu", "wall", "failure"] = "cpu"
    failure: str = ""
    also: str = ""
    unit: str = "s"

    @property
    def verdict(self) -> str:
        """What is to be said beside the figures; nothing where all was kept."""
        if self.failure:
            return f"MISSED: {self.failure}"
        ratio = {"cpu": self.cpu_ratio, "wall": self.wall_ratio}.get(self.judged, 0.0)
        return "" if ratio <= self.target else "MISSED"

    @property
    def cpu_ratio(self) -> float:
        """Our CPU time over the reference's."""
        return self.ours.cpu / self.theirs.cpu

    @property
    def wall_ratio(self) -> float:
        """Our wall time over the reference's."""
        return self.ours.wall / self.theirs.wall


def amount(case: str, size: int, unit: str, found: float, most: float, *, also: str = "") -> Result:
    """Make a result of what was found of something, and the most that is allowed."""
    costs = Cost(found, found), Cost(most, most)
    return Result(case, size, "allowed", *costs, target=1.0, also=also, unit=unit)


def compare(
    ours: Callable[[], object], theirs: Callable[[], object], *, least_seconds: float = 0.02
) -> tuple[Cost, Cost]:
    """Run two functions alternately and give the median cost of one call of each.

    A round repeats its function until ``least_seconds`` have passed, so that short calls are not
    measured by the clock's grain.
    """
    repeats = [_calibrate(function, least_seconds) for function in (ours, theirs)]
    rounds: tuple[list[Cost], list[Cost]] = ([], [])
    for _ in range(ROUNDS):
        for function, repeat, costs in zip((ours, theirs), repeats, rounds, strict=True):
            costs.append(_time(function, repeat))
    first, second = (_median(costs) for costs in rounds)
    return first, second


def _calibrate(function: Callable[[], object], least_seconds: float) -> int:
    function()  # caches, and pages that are touched for the first time
    return max(1, math.ceil(least_seconds / max(_time(function, 1).wall, 1e-9)))


def _time(function: Callable[[], object], repeat: int) -> Cost:
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(repeat):
        function()
    return Cost((time.process_time() - cpu) / repeat, (time.perf_counter() - wall) / repeat)


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(
        statistics.median(cost.cpu for cost in costs),
        statistics.median(cost.wall for cost in costs),
    )


def growth(sizes: Sequence[int], costs: Sequence[float]) -> float:
    """Fit cost = a * size ** exponent, and give the exponent."""
    fit = statistics.linear_regression(
        [math.log(size) for size in sizes], list(map(math.log, costs))
    )
    return fit.slope
