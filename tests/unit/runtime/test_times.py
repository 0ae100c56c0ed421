"""Instants as YANG writes them, against datetime."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from flowexport_mgmt.runtime.times import date_and_time, date_and_time_or_none

CENTURY_NS = 100 * 366 * 86_400 * 10**9


@given(st.integers(0, CENTURY_NS))
def test_an_instant_is_cut_to_the_millisecond(unix_ns: int) -> None:
    written = date_and_time(unix_ns)
    assert written.endswith("Z")
    read = datetime.fromisoformat(written)
    exact = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=unix_ns // 1000)
    assert timedelta(0) <= exact - read < timedelta(milliseconds=1)


def test_what_has_not_come_yet_is_nothing() -> None:
    assert date_and_time_or_none(None) is None
    assert date_and_time_or_none(1_500_000_000) == "1970-01-01T00:00:01.500Z"
