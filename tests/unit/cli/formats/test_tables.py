"""Tables, CSV and plain text of whatever a daemon may answer."""

from __future__ import annotations

import csv

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowexport_mgmt.cli.formats.tables import comma_separated, flat, rows_of, table, text
from flowexport_mgmt.cli.values import Value

ROWS: Value = [
    {"name": "a", "statistics": {"datagrams-sent": 12, "errors": 0}, "tag": ["x", "y"]},
    {"name": "a long name", "statistics": {"datagrams-sent": 7}, "up": True},
]
WORDS = st.text(st.sampled_from("abz-/ 09,\"'\n"), min_size=1, max_size=12)
ENTRIES = st.lists(
    st.dictionaries(WORDS, WORDS | st.integers() | st.booleans() | st.lists(WORDS), max_size=6),
    max_size=6,
)


def test_a_table() -> None:
    assert table(ROWS, None) == [
        "             statistics/",
        "              datagrams-  statistics/",
        "name                sent       errors  tag  up",
        "-----------  -----------  -----------  ---  ----",
        "a                     12            0  x y",
        "a long name            7                    true",
    ]


@given(ENTRIES, st.integers(20, 120))
@settings(deadline=None, max_examples=100)
def test_a_table_has_room_or_is_no_table(entries: list[dict[str, Value]], width: int) -> None:
    value: Value = [*entries]
    lines = table(value, width)
    assert max(map(len, lines), default=0) <= width or lines == list(text(value))


def test_a_table_that_has_to_shrink_cuts_the_widest() -> None:
    value: Value = [{"name": "a" * 40, "comment": "b" * 60}]
    *_, row = table(value, 50)
    assert len(row) <= 50
    assert row.count("~") == 2
    assert table(value, 12) == list(text(value))


@pytest.mark.parametrize("value", [[], [{}], {}])
def test_nothing_is_no_table(value: Value) -> None:
    assert table(value, 80) == comma_separated(value) == []


def test_a_value_by_itself_is_a_column() -> None:
    assert table(7, 80) == ["value", "-----", "    7"]
    assert rows_of(["a", "b"]) == (["value"], [["a"], ["b"]])


@given(ENTRIES)
@settings(deadline=None, max_examples=100)
def test_csv_is_read_as_what_it_was(entries: list[dict[str, Value]]) -> None:
    value: Value = [*entries]
    columns, rows = rows_of(value)
    lines = comma_separated(value)
    expected = [columns, *rows] if columns else []
    assert list(csv.reader([f"{line}\n" for line in lines])) == [row for row in expected if row]


def test_inner_objects_are_columns_of_their_own() -> None:
    assert flat({"a": {"b": {"c": 1}}, "d": [1]}) == {"a/b/c": 1, "d": [1]}


def test_plain_text() -> None:
    assert list(text(ROWS)) == [
        "name        a",
        "statistics",
        "  datagrams-sent  12",
        "  errors          0",
        "tag         x y",
        "",
        "name        a long name",
        "statistics",
        "  datagrams-sent  7",
        "up          true",
    ]
    assert list(text("a")) == ["a"]
