"""Memory and descriptors of the processes over time."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_WINDOW = 60.0
_FEWEST = 5
"""Minutes that make a slope."""
_NORMAL_95 = 1.96


@dataclass(frozen=True)
class Slope:
    """Growth in MiB per hour, and the ends of the interval that it is in with 95 %."""

    middle: float
    least: float
    most: float


def theil_sen(hours: NDArray[np.float64], memory: NDArray[np.float64]) -> Slope:
    """Give the median slope of all pairs of points, and its interval.

    Sen, "Estimates of the regression coefficient based on Kendall's tau" (1968): a few points that
    are far off, such as a step in the first minutes, do not turn it.
    """
    first, second = np.triu_indices(len(hours), 1)
    slopes = np.sort((memory[second] - memory[first]) / (hours[second] - hours[first]))
    count = len(hours)
    spread = _NORMAL_95 * np.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    low = max(int((len(slopes) - spread) // 2), 0)
    high = min(int(np.ceil((len(slopes) + spread) / 2)), len(slopes) - 1)
    return Slope(float(np.median(slopes)), float(slopes[low]), float(slopes[high]))


@dataclass
class Series:
    """One life of one process: seconds, resident KiB, open descriptors."""

    name: str
    times: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    def slope(self, warm_up: float) -> Slope | None:
        """Give the growth of memory after ``warm_up`` seconds, if that is known.

        What counts is the lowest figure of each minute: work that is under way takes memory for a
        moment, and free pages are given back every few seconds.
        """
        lows = self._lows(warm_up)
        if len(lows) < _FEWEST:
            return None
        return theil_sen(np.array(list(lows)) / 60, np.array(list(lows.values())) / 1024)

    def ends(self, warm_up: float) -> tuple[int, int]:
        """Give the lowest KiB of the first and of the last minute after ``warm_up`` seconds."""
        lows = list(self._lows(warm_up).values()) or [min(self.memory)]
        return lows[0], lows[-1]

    def _lows(self, warm_up: float) -> dict[int, int]:
        """Give the lowest memory of each minute, by the minute, the last broken one left out."""
        lows: dict[int, int] = {}
        whole = (self.times[-1] - self.times[0]) // _WINDOW
        for time_, memory in zip(self.times, self.memory, strict=True):
            minute = int((time_ - self.times[0]) // _WINDOW)
            if warm_up / _WINDOW <= minute < whole:
                lows[minute] = min(memory, lows.get(minute, memory))
        return lows


class Meter:
    """Samples processes; each life of each process is a series of its own."""

    def __init__(self) -> None:
        self.series: dict[tuple[str, int], Series] = {}

    def sample(self, processes: dict[str, int]) -> None:
        """Take a sample of the processes by name; one that has just ended is left out."""
        for name, pid in processes.items():
            found = _read(pid)
            if found is not None:
                series = self.series.setdefault((name, pid), Series(name))
                series.times.append(time.monotonic())
                series.memory.append(found[0])
                series.descriptors.append(found[1])

    def longest(self) -> dict[str, Series]:
        """Give the longest life of each process."""
        lives: defaultdict[str, list[Series]] = defaultdict(list)
        for series in self.series.values():
            lives[series.name].append(series)
        return {name: max(found, key=lambda one: len(one.times)) for name, found in lives.items()}


def descriptors(pid: int) -> int:
    """Count the open descriptors of a process."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _read(pid: int) -> tuple[int, int] | None:
    try:
        status = Path(f"/proc/{pid}/status").read_text().splitlines()
        resident = next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))
        return resident, descriptors(pid)
    except (OSError, StopIteration):
        return None
