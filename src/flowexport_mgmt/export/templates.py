"""When templates are due (RFC 3954, section 9; RFC 7011, section 8.4)."""

from __future__ import annotations

import math
from typing import Final

_RETRY_S: Final = 1.0


class TemplateClock:
    """Says when templates have to go out: at first, every ``refresh`` seconds, after a failure."""

    def __init__(self, refresh: float) -> None:
        self._refresh = refresh
        self._sent = -math.inf
        self._retry = math.inf
        self._owed = True

    @property
    def due(self) -> float:
        """Monotonic time at which templates have to go out, data or not."""
        return min(self._sent + self._refresh, self._retry)

    @property
    def owed(self) -> bool:
        """Whether templates have to go out before the next data."""
        return self._owed

    def configure(self, refresh: float) -> None:
        """Change the time between two refreshes, counted from the latest."""
        self._refresh = refresh

    def owe(self) -> None:
        """Let templates go out before the next data, because the collector may miss them."""
        self._owed = True

    def hasten(self) -> None:
        """Let templates be due now."""
        self._owed = True
        self._retry = -math.inf

    def note_sent(self, monotonic: float) -> None:
        """Count from now until the next refresh."""
        self._sent = monotonic
        self._retry = math.inf
        self._owed = False

    def note_failed(self, monotonic: float) -> None:
        """Let templates be due again soon, because the collector does not have them."""
        self._retry = monotonic + _RETRY_S
        self._owed = True
