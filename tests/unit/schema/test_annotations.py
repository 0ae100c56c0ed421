"""Hints of flow-export-cli: those of our own modules, and those given to modules of others."""

from __future__ import annotations

import pytest
from tests.support.netconf_server import schema

from flowexport_mgmt.schema.annotations import annotated
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.describe import _annotations, describe
from flowexport_mgmt.schema.grammar import Hints, Node

HINTED = """module hinted { yang-version 1.1; namespace "urn:hinted"; prefix h;
  import flow-export-cli { prefix fxc; }
  container h {
    leaf third { type string; }
    leaf second { fxc:order 2; fxc:hide; type string; }
    leaf first { fxc:order 1; fxc:alias "one eins"; type string; }
    container group { fxc:compress; leaf inner { fxc:secret; type string; } }
  } }"""


def node(name: str, *children: Node, module: str = "m") -> Node:
    return Node("container", name, module, f"urn:{module}", children=children)


def hints_at(nodes: tuple[Node, ...], path: str) -> Hints:
    found = Node("container", "", "", "", children=nodes)
    for name in path.split("/"):
        found = next(child for child in found.children if child.name == name)
    return found.hints


def test_every_hint_is_read_from_the_module() -> None:
    (top,) = (each for each in describe(SchemaContext([HINTED])).nodes if each.name == "h")
    assert [child.name for child in top.children] == ["first", "second", "third", "group"]
    assert top.children[0].hints == Hints(order=1, alias="one eins")
    assert top.children[1].hints == Hints(order=2, hide=True)
    assert top.children[3].hints == Hints(compress=True)
    assert top.children[3].children[0].hints == Hints(secret=True)


def test_a_node_of_another_module_is_given_hints() -> None:
    nodes = (node("a", node("b", node("c")), node("d")), node("a", node("d"), module="n"))
    given = annotated(
        nodes,
        [
            "/m:a/b/c hide",
            "/m:a/b/c alias one eins",
            "/m:a/d order 1",
            "/n:a compress",
            "/n:a secret",
        ],
    )
    assert [hints_at(given[:1], path) for path in ("a", "a/b", "a/b/c", "a/d")] == [
        Hints(),
        Hints(),
        Hints(hide=True, alias="one eins"),
        Hints(order=1),
    ]
    assert [child.name for child in given[0].children] == ["d", "b"]
    assert hints_at(given[1:], "a") == Hints(compress=True, secret=True)
    assert hints_at(given[1:], "a/d") == Hints()


@pytest.mark.parametrize(
    "statement", ["/m:none hide", "/none:a hide", "/m:a/b/none hide", "/m:a new"]
)
def test_what_a_server_does_not_have_is_passed_over(statement: str) -> None:
    nodes = (node("a", node("b")),)
    assert annotated(nodes, [statement]) == nodes


@pytest.mark.parametrize("statement", ["", "/m:a", "/m:a order soon"])
def test_a_statement_that_says_nothing_is_an_error(statement: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of int and of unpacking alike
        annotated((node("a"),), [statement])


def test_every_annotation_of_ours_has_its_node() -> None:
    nodes = describe(schema()).nodes
    statements = list(_annotations(schema()))
    assert len(statements) >= 5
    for statement in statements:
        path, hint, *argument = statement.split()
        hints = hints_at(nodes, path.partition(":")[2])
        assert str(getattr(hints, hint)) == (argument[0] if argument else "True"), statement
