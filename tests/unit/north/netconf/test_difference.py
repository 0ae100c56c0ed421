"""The difference between two trees, as edits."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from lxml import etree
from tests.support.netconf_server import schema

from flowexport_mgmt.north.netconf.notifications.difference import difference
from flowexport_mgmt.schema.context import SchemaContext

MODULE = """
module ordered {
  yang-version 1.1; namespace "urn:o"; prefix o;
  container top {
    list rule { key "name"; ordered-by user; leaf name { type string; } leaf value { type int8; } }
    leaf-list word { type string; ordered-by user; }
    leaf-list tag { type string; }
  }
}
"""


@pytest.fixture(scope="module")
def ordered() -> SchemaContext:
    return SchemaContext([MODULE])


def data(content: str) -> etree._Element:
    return etree.fromstring(f'<data><top xmlns="urn:o">{content}</top></data>')


def rules(*names: str) -> str:
    return "".join(f"<rule><name>{name}</name></rule>" for name in names)


def words(*texts: str) -> str:
    return "".join(f"<word>{text}</word>" for text in texts)


@pytest.mark.parametrize(
    ("old", "new", "edits"),
    [
        (rules("a"), rules("a"), []),
        (rules("a"), rules("a", "b"), [("insert", "rule=b", "after", "rule=a")]),
        (rules("a"), rules("b", "a"), [("insert", "rule=b", "first", "")]),
        (rules("a", "b"), rules("b", "a"), [("move", "rule=b", "first", "")]),
        (rules("a", "b", "c"), rules("b", "c", "a"), None),
        (rules("a", "b", "c"), rules("a", "c"), [("delete", "rule=b", "", "")]),
        (words("x", "y"), words("y", "x"), [("move", "word=y", "first", "")]),
        ("<tag>x</tag><tag>y</tag>", "<tag>y</tag><tag>x</tag>", []),
        ("<tag>x,/</tag>", "", [("delete", "tag=x%2C%2F", "", "")]),
    ],
)
def test_edits(
    ordered: SchemaContext, old: str, new: str, edits: list[tuple[str, ...]] | None
) -> None:
    found = difference(data(old), data(new), ordered.top_nodes)
    shown = [
        (
            e.operation,
            e.target.removeprefix("/ordered:top/"),
            e.where,
            e.point.removeprefix("/ordered:top/"),
        )
        for e in found
    ]
    if edits is not None:
        assert shown == edits
    assert play(old, shown) == [e.text for e in data(new).iter("{urn:o}name", "{urn:o}word")] or (
        "tag" in old
    )


def play(old: str, edits: Sequence[tuple[str, ...]]) -> list[str | None]:
    """Do the edits to the names in order, as a client would."""
    names = [e.text for e in data(old).iter("{urn:o}name", "{urn:o}word")]
    for operation, target, where, point in edits:
        name = target.partition("=")[2]
        if operation in ("delete", "move") and name in names:
            names.remove(name)
        if operation in ("insert", "move"):
            names.insert(0 if where == "first" else names.index(point.partition("=")[2]) + 1, name)
    return names


def test_the_schema_of_the_product_has_no_list_without_keys_that_is_configured() -> None:
    pending = list(schema().top_nodes.values())
    while pending:
        node = pending.pop()
        pending += node.children.values() if not node.is_term and not node.is_any else ()
        assert not (node.config and node.kind.name == "LIST" and not node.keys), node
