"""What interface counters grew by between two polls."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.records import UNKNOWN64, CounterBatch

_COUNTERS: Final = (
    "in_octets",
    "in_packets",
    "in_discards",
    "in_errors",
    "out_octets",
    "out_packets",
    "out_discards",
    "out_errors",
)

COUNTER_DELTA_DTYPE: Final = np.dtype(
    [
        ("ifindex", "<u4"),
        *((name, "<u8") for name in _COUNTERS),
        ("start_ms", "<u8"),  # Unix time of the previous poll, milliseconds
        ("end_ms", "<u8"),  # Unix time of this poll, milliseconds
        ("start_uptime_ms", "<u8"),  # the same two instants in milliseconds since boot
        ("end_uptime_ms", "<u8"),
    ]
)
"""One row per interface: what its counters grew by, 0 for those that the kernel does not keep."""


def counter_deltas(previous: CounterBatch, current: CounterBatch) -> NDArray[np.void]:
    """Subtract the counters of one poll from those of the next.

    An interface has no row unless both polls saw it and its counters went on between them: neither
    another ``epoch`` nor a value that shrank. What a new one counted so far may be old, such as
    that of an interface which came from another network namespace; a delta begins where it is seen.

    Start times are counted back from the end by the uptime, so that a clock that is set between
    two polls neither turns nor stretches the interval.

    Returns:
        Rows of COUNTER_DELTA_DTYPE in the order of ``current``.
    """
    now = current.rows
    at, known = _match(previous.rows["ifindex"], now["ifindex"])
    base, now = previous.rows[at[known]], now[known]
    continued = ~_restarted(base, now)
    base, now = base[continued], now[continued]
    deltas = np.zeros(len(now), COUNTER_DELTA_DTYPE)
    deltas["ifindex"] = now["ifindex"]
    for name in _COUNTERS:
        grown = now[name] - np.where(base[name] == UNKNOWN64, 0, base[name])
        deltas[name] = np.where(now[name] == UNKNOWN64, 0, grown)
    _set_times(deltas, previous, current)
    return deltas


def _match(
    previous: NDArray[np.uint32], current: NDArray[np.uint32]
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Find each current ifindex among the previous ones: position, and whether it is there."""
    at = np.searchsorted(previous, current)
    inside = at < len(previous)
    found = inside.copy()
    found[inside] = previous[at[inside]] == current[inside]
    return at, found


def _restarted(base: NDArray[np.void], now: NDArray[np.void]) -> NDArray[np.bool_]:
    restarted = np.asarray(base["epoch"] != now["epoch"])
    for name in _COUNTERS:
        restarted |= (base[name] != UNKNOWN64) & (now[name] < base[name])
    return restarted


def _set_times(deltas: NDArray[np.void], previous: CounterBatch, current: CounterBatch) -> None:
    end_ms = current.time_ns // 1_000_000
    elapsed_ms = max(0, current.uptime_ms - previous.uptime_ms)
    deltas["end_ms"] = end_ms
    deltas["start_ms"] = max(0, end_ms - elapsed_ms)
    deltas["end_uptime_ms"] = current.uptime_ms
    deltas["start_uptime_ms"] = current.uptime_ms - elapsed_ms
