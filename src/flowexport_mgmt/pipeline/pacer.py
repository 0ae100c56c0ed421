"""The pace at which datagrams leave."""

from __future__ import annotations

import math
from typing import Final

MAX_BURST: Final = 16
"""Datagrams that leave back to back at most; default receivers lose parts of larger bursts."""

_SHARE = 100  # of a second's datagrams in one burst, so that no second has more than it may


class Pacer:
    """Spreads datagrams: a burst, then the time that it takes at ``rate`` datagrams per second."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._ready_at = -math.inf

    @property
    def rate(self) -> int:
        """Datagrams per second."""
        return self._rate

    @property
    def burst(self) -> int:
        """Datagrams that may leave back to back."""
        return max(1, min(MAX_BURST, self._rate // _SHARE))

    @property
    def ready_at(self) -> float:
        """Monotonic time from which the next burst may leave."""
        return self._ready_at

    def configure(self, rate: int, monotonic: float) -> None:
        """Change the rate; a wait at the old rate ends when the new one allows."""
        self._rate = rate
        self._ready_at = min(self._ready_at, monotonic + self.burst / rate)

    def spend(self, datagrams: int, monotonic: float) -> None:
        """Note that datagrams left."""
        self._ready_at = max(self._ready_at, monotonic) + datagrams / self._rate
