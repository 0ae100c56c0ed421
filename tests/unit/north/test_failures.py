from __future__ import annotations

from flowexport_mgmt.north.failures import MAX_SOURCES, FailedLogins


def test_a_source_that_failed_too_often_waits_and_is_forgiven_bit_by_bit() -> None:
    failures = FailedLogins(6)
    for _ in range(6):
        assert not failures.is_blocked("192.0.2.1", 0.0)
        failures.note("192.0.2.1", 0.0)
    assert failures.is_blocked("192.0.2.1", 0.0)
    assert failures.is_blocked("192.0.2.1", 9.9)
    assert not failures.is_blocked("192.0.2.1", 10.0)
    failures.note("192.0.2.1", 10.0)
    assert failures.is_blocked("192.0.2.1", 10.0)
    assert not failures.is_blocked("192.0.2.2", 10.0)


def test_a_source_without_failures_is_forgotten() -> None:
    failures = FailedLogins(6)
    failures.note("192.0.2.1", 0.0)
    assert not failures.is_blocked("192.0.2.1", 60.0)
    assert len(failures) == 0


def test_a_raised_limit_counts_at_once() -> None:
    failures = FailedLogins(1)
    failures.note("192.0.2.1", 0.0)
    assert failures.is_blocked("192.0.2.1", 0.0)
    failures.limit = 2
    assert not failures.is_blocked("192.0.2.1", 0.0)


def test_one_host_does_not_escape_through_its_many_addresses() -> None:
    failures = FailedLogins(2)
    failures.note("2001:db8::1", 0.0)
    failures.note("2001:db8::2", 0.0)
    assert failures.is_blocked("2001:db8::3", 0.0)


def test_the_table_is_bounded_and_forgets_the_oldest() -> None:
    failures = FailedLogins(1)
    failures.note("192.0.2.1", 0.0)
    for number in range(MAX_SOURCES):
        failures.note(f"198.51.{number // 256}.{number % 256}", 0.0)
    assert len(failures) == MAX_SOURCES
    assert not failures.is_blocked("192.0.2.1", 0.0)
    assert failures.is_blocked("198.51.0.0", 0.0)
