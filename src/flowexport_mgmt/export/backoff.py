"""How long to wait between two attempts to connect."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

FIRST_S: Final = 1.0
LONGEST_S: Final = 30.0
_JITTER: Final = 0.2
_STEADY_S: Final = 30.0


class Backoff:
    """Waits that double from one second to thirty, each up to a fifth shorter or longer.

    They begin anew after a connection that lasted. ``draw`` gives numbers from 0 to 1.
    """

    def __init__(self, draw: Callable[[], float] = random.random) -> None:
        self._draw = draw
        self._wait = FIRST_S
        self._since: float | None = None

    def note_up(self, monotonic: float) -> None:
        """Note that there is a connection."""
        self._since = monotonic

    def note_down(self, monotonic: float) -> float:
        """Note that there is none, and tell for how many seconds to wait."""
        if self._since is not None and monotonic - self._since >= _STEADY_S:
            self._wait = FIRST_S
        self._since = None
        wait, self._wait = self._wait, min(2 * self._wait, LONGEST_S)
        return wait * (1 - _JITTER + 2 * _JITTER * self._draw())

    def reset(self) -> None:
        """Begin anew, because something was changed."""
        self._wait = FIRST_S
