"""Instants as YANG writes them."""

from __future__ import annotations

import functools
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@functools.lru_cache(maxsize=4096)  # state is read again and again, and most of it is old
def date_and_time(unix_ns: int) -> str:
    """Write Unix nanoseconds as date-and-time (RFC 6991, section 3) in UTC, to the millisecond."""
    time = _EPOCH + timedelta(microseconds=unix_ns // 1000)
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def date_and_time_or_none(unix_ns: int | None) -> str | None:
    """Write an instant that may not have come yet."""
    return None if unix_ns is None else date_and_time(unix_ns)
