"""The clocks of this machine."""

from __future__ import annotations

import time

from flowexport_mgmt.export import Instant


def read_clock() -> Instant:
    """Read all clocks; what the machine slept counts as uptime, as in sysUpTime."""
    return Instant(
        monotonic=time.monotonic(),
        unix_ns=time.time_ns(),
        uptime_ms=time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000,
    )
