"""Memory and descriptors of the processes over time."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np


@dataclass
class Series:
    """One life of one process: seconds, resident KiB, open descriptors."""

    name: str
    times: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    def slope(self, warm_up: float) -> float | None:
        """Give the growth of memory in MiB per hour after ``warm_up`` seconds, if that is known."""
        if not self.times:
            return None
        times = np.array(self.times)
        late = times >= times[0] + warm_up
        if np.count_nonzero(late) < 10:
            return None
        memory = np.array(self.memory)[late]
        return float(np.polyfit(times[late], memory, 1)[0]) * 3600 / 1024


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
