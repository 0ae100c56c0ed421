"""One reading of the three clocks that export needs."""

from __future__ import annotations

from typing import NamedTuple


class Instant(NamedTuple):
    """The time, as an argument.

    ``monotonic`` is in seconds and never set, ``unix_ns`` nanoseconds since 1970, ``uptime_ms``
    milliseconds since boot.
    """

    monotonic: float
    unix_ns: int
    uptime_ms: int
