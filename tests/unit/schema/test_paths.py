from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.paths import (
    PathStep,
    Step,
    parse_path,
    parse_predicates,
    quote,
    render_json_path,
    render_path,
)

STEPS = (
    Step("flow-export", "fe", "flow-export"),
    Step("flow-export", "fe", "collector", (("name", "a"),)),
    Step("other", "o", "port"),
)


def test_both_forms_are_rendered() -> None:
    assert render_path(STEPS) == "/fe:flow-export/fe:collector[fe:name='a']/o:port"
    assert render_json_path(STEPS) == "/flow-export:flow-export/collector[name='a']/other:port"


@pytest.mark.parametrize(
    ("value", "literal"),
    [("a", "'a'"), ("it's", '"it\'s"'), ('a"b', "'a\"b'"), ("'\"", """concat('', "'", '"')""")],
)
def test_literals_use_the_quotes_that_the_value_leaves(value: str, literal: str) -> None:
    assert quote(value) == literal


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
@example("""it's "so"])[.='x']""")
def test_any_value_survives_a_path(value: str) -> None:
    path = render_path([Step("m", "p", "list", (("key", value),)), Step("m", "p", "leaf")])
    assert parse_path(path) == (PathStep("p", "list", (("key", value),)), PathStep("p", "leaf"))


def test_leaf_list_entries_and_positions() -> None:
    assert parse_path("/a:b[.='1']/c[2]") == (
        PathStep("a", "b", ((".", "1"),)),
        PathStep("", "c"),
    )


@pytest.mark.parametrize("text", ["a", "/", "/a[", "/a[b]", "/a b", "//a", "/a:b:c", "/a[b='c]"])
def test_other_text_is_no_path(text: str) -> None:
    with pytest.raises(ValueError, match="not an instance path"):
        parse_path(text)


def test_predicates_alone() -> None:
    assert parse_predicates("[k:left='a'][right = \"b\"]") == (("left", "a"), ("right", "b"))
    with pytest.raises(ValueError, match="not key predicates at character 11"):
        parse_predicates("[left='a']x")


@pytest.mark.parametrize(
    "path",
    [
        "/flow-export:flow-export/collector[name='a']/port",
        "/fe:flow-export/fe:collector[fe:name='a']/fe:port",
        "/flow-export:flow-export/flow-export:collector[flow-export:name='a']/port",
    ],
)
def test_a_path_of_either_form_gets_prefixes(schema: SchemaContext, path: str) -> None:
    assert schema.prefixed(path) == "/fe:flow-export/fe:collector[fe:name='a']/fe:port"


@pytest.mark.parametrize("path", ["", "psample", "/flow-export:nothing", "/flow-export"])
def test_what_is_no_path_of_ours_gives_none(schema: SchemaContext, path: str) -> None:
    assert schema.prefixed(path) == ""  # so that a door never has to render it
