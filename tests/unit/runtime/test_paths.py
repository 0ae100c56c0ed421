from __future__ import annotations

import pytest

from flowexport_mgmt.runtime.paths import collector_path, is_asked
from flowexport_mgmt.runtime.times import date_and_time, date_and_time_or_none
from flowexport_mgmt.schema.paths import parse_path


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/flow-export/collector", True),
        ("/flow-export", True),
        ("/", True),
        ("", True),
        ("/flow-export/collector/statistics/sequence", True),
        ("/flow-export/counters", False),
        ("/flow-export/collectors", False),
        ("/interfaces", False),
    ],
)
def test_what_lies_above_or_below_is_asked_for(path: str, asked: bool) -> None:
    assert is_asked("/flow-export/collector", ["/server", path]) is asked


def test_no_paths_ask_for_nothing() -> None:
    assert not is_asked("/flow-export", [])


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("a", "/flow-export:flow-export/collector[name='a']"),
        ("o'neill", '/flow-export:flow-export/collector[name="o\'neill"]'),
        ('a"b', "/flow-export:flow-export/collector[name='a\"b']"),
        (
            "a'b\"c",
            """/flow-export:flow-export/collector[name=concat('a', "'", 'b"c')]""",
        ),
    ],
)
def test_names_with_quotes_make_paths_that_can_be_read(name: str, path: str) -> None:
    assert collector_path(name) == path
    assert collector_path(name, "port") == f"{path}/port"
    steps = parse_path(collector_path(name, "port"))
    assert [step.name for step in steps] == ["flow-export", "collector", "port"]
    assert steps[1].predicates == (("name", name),)


def test_times_are_rfc_3339_in_utc() -> None:
    assert date_and_time(1_700_000_000_123_999_999) == "2023-11-14T22:13:20.123Z"
    assert date_and_time(0) == "1970-01-01T00:00:00.000Z"
    assert date_and_time_or_none(None) is None
    assert date_and_time_or_none(0) == "1970-01-01T00:00:00.000Z"
