"""How busy the processors were, from readings at whatever times they were made."""

from __future__ import annotations

from collections import deque
from typing import Final

from flowexport_mgmt.sources.proc import CpuTimes

_WINDOWS: Final = {"cpu5s": 5.0, "cpu1m": 60.0, "cpu5m": 300.0}
_LEAST_GAP_S: Final = 0.9  # between readings that are kept: some 330 cover the longest window
_SLACK: Final = 0.05  # the share of a window by which polls may come early


class Utilization:
    """Keeps readings and gives averages over 5 seconds, 1 minute and 5 minutes.

    An average reaches back to a reading that is old enough. So it is one over the time between two
    readings where those are further apart, and unknown until there is one.
    """

    def __init__(self) -> None:
        self._readings: deque[tuple[float, CpuTimes]] = deque()

    def follow(self, times: CpuTimes, monotonic: float) -> dict[str, int]:
        """Take a reading; give the averages that are known, in hundredths of a percent."""
        averages = {}
        for name, window in _WINDOWS.items():
            before = self._find(monotonic - window, window * _SLACK)
            if before is not None and times.total > before.total:
                busy = max(0, times.busy - before.busy)
                averages[name] = min(10_000, busy * 10_000 // (times.total - before.total))
        self._keep(times, monotonic)
        return averages

    def _find(self, begin: float, slack: float) -> CpuTimes | None:
        """Find the reading that is nearest to the begin of a window and hardly later."""
        old = [(abs(at - begin), times) for at, times in self._readings if at <= begin + slack]
        return min(old)[1] if old else None

    def _keep(self, times: CpuTimes, monotonic: float) -> None:
        if not self._readings or monotonic - self._readings[-1][0] >= _LEAST_GAP_S:
            self._readings.append((monotonic, times))
        oldest = monotonic - max(_WINDOWS.values())
        while len(self._readings) > 1 and self._readings[1][0] <= oldest:
            self._readings.popleft()
