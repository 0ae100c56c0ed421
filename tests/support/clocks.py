"""A clock that goes when a test says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flowexport_mgmt.datastore import Clock


@dataclass(eq=False)
class ManualTimer:
    """A timer that `ManualClock.advance` fires."""

    due: float
    callback: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


class ManualClock(Clock):
    """Stands still between calls of `advance`; ``wall`` may be set to anything at any time."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.wall = datetime(2026, 1, 1, tzinfo=UTC)
        self.timers: list[ManualTimer] = []

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.seconds

    def call_later(self, seconds: float, callback: Callable[[], None]) -> ManualTimer:
        timer = ManualTimer(self.seconds + seconds, callback)
        self.timers.append(timer)
        return timer

    @property
    def armed(self) -> list[ManualTimer]:
        """The timers that are still to fire."""
        return [timer for timer in self.timers if not timer.cancelled]

    def advance(self, seconds: float) -> None:
        """Let time pass, and fire what is due."""
        self.seconds += seconds
        self.wall += timedelta(seconds=seconds)
        for timer in [timer for timer in self.armed if timer.due <= self.seconds]:
            timer.cancelled = True
            timer.callback()
