"""Instants as YANG writes them."""

from __future__ import annotations

import functools
import time


def date_and_time(unix_ns: int) -> str:
    """Write Unix nanoseconds as date-and-time (RFC 6991, section 3) in UTC, to the millisecond."""
    seconds, nanoseconds = divmod(unix_ns, 1_000_000_000)
    return f"{_second(seconds)}.{nanoseconds // 1_000_000:03d}Z"


@functools.lru_cache(maxsize=256)  # what is reported together happened within a few seconds
def _second(unix: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(unix))


def date_and_time_or_none(unix_ns: int | None) -> str | None:
    """Write an instant that may not have come yet."""
    return None if unix_ns is None else date_and_time(unix_ns)
