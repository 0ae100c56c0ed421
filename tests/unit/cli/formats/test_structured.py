"""JSON and YAML: what is written is read by others as what it was."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from flowexport_mgmt.cli.formats import structured
from flowexport_mgmt.cli.values import Value

TEXTS = st.text(st.characters(blacklist_categories=["Cs"]), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
@settings(deadline=None, max_examples=150)
def test_yaml_is_read_as_what_it_was(value: Value) -> None:
    assert yaml.safe_load("\n".join(structured.yaml(value))) == value


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "yes", "No", "ON", "null", "~", "true", "y", ".inf", "-", "- a", "a: b", "a #b"),
        *("2026-11-28", "2026-11-28T10:00:00Z", "12:30:45", "0x1f", "0o7", "1e3", "007", "1_000"),
        *("192.0.2.1", "2001:db8::1", "::", "a\nb", "\ttab", "ä", "&a", "*a", "!a", "%a", "@a"),
        *('"', "'", "{a}", "[a]", "a,b", "<<", "=", "\x7f", "\x85", "\u2028", "\ufeff", "\ufffe"),
    ],
)
def test_yaml_takes_no_text_for_something_else(text: str) -> None:
    values: tuple[Value, ...] = (text, [text], {text: text}, {"a": [{"b": text}]})
    for value in values:
        assert yaml.safe_load("\n".join(structured.yaml(value))) == value


def test_yaml_as_people_read_it() -> None:
    value: Value = [{"name": "a b", "port": 9, "lock": [], "rtt": {"min": 1}}, {"tags": ["x", "7"]}]
    assert structured.yaml(value) == [
        "- name: a b",
        "  port: 9",
        "  lock: []",
        "  rtt:",
        "    min: 1",
        "- tags:",
        "    - x",
        '    - "7"',
    ]


@given(VALUES)
@settings(deadline=None, max_examples=50)
def test_every_form_of_json_is_read_as_what_it_was(value: Value) -> None:
    (compact,) = structured.compact_json(value)
    assert json.loads(compact) == json.loads("\n".join(structured.pretty_json(value))) == value
    entries = value if isinstance(value, list) else [value]
    assert [json.loads(line) for line in structured.json_lines(value)] == entries
