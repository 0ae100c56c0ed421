from __future__ import annotations

import json

import pytest

from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.library import LibraryError
from flowexport_mgmt.schema.tree import Defaults, Format, Tree

DOCUMENT = {
    "flow-export:flow-export": {
        "collector": [
            {"name": "a", "address": "192.0.2.1", "port": 6343, "protocol": "ipfix"},
            {"name": 'it\'s "b"', "address": "192.0.2.2", "protocol": "sflow"},
        ]
    }
}


@pytest.fixture
def tree(schema: SchemaContext) -> Tree:
    return Tree.parse(schema, json.dumps(DOCUMENT).encode(), Format.JSON)


def test_printing_gives_back_what_was_parsed(tree: Tree) -> None:
    with tree:
        assert json.loads(tree.print(Format.JSON)) == DOCUMENT
        xml = tree.print(Format.XML)
        with Tree.parse(tree.schema, xml, Format.XML) as other:
            assert other.print(Format.JSON) == tree.print(Format.JSON)


def test_defaults_are_printed_on_demand(tree: Tree) -> None:
    with tree:
        tree.validate()
        assert json.loads(tree.print(Format.JSON)) == DOCUMENT

        def first(mode: Defaults) -> dict[str, object]:
            data = json.loads(tree.print(Format.JSON, mode))
            entry: dict[str, object] = data["flow-export:flow-export"]["collector"][0]
            return entry

        assert "port" not in first(Defaults.TRIM)
        assert first(Defaults.REPORT_ALL)["polling-interval"] == 20
        assert first(Defaults.REPORT_ALL)["port"] == 6343


def test_an_empty_tree(schema: SchemaContext) -> None:
    with Tree(schema) as tree:
        assert tree.print(Format.JSON) in (b"", b"{}")
        assert tree.print(Format.XML) == b""
        assert tree.find("/flow-export:flow-export") is None
        with tree.duplicate() as copy:
            assert list(copy.top()) == []


def test_a_freed_tree_is_counted_once(schema: SchemaContext) -> None:
    before = Tree.alive
    tree = Tree(schema)
    assert Tree.alive == before + 1
    tree.free()
    tree.free()
    assert Tree.alive == before


@pytest.mark.parametrize(
    "document",
    [b"{", b'{"flow-export:x":1}', b'{"flow-export:flow-export":{"collector":[{}]}}', b"\xff"],
)
def test_what_does_not_parse_is_an_error_and_no_tree(
    schema: SchemaContext, document: bytes
) -> None:
    with pytest.raises(LibraryError) as refused:
        Tree.parse(schema, document, Format.JSON)
    assert refused.value.items


def test_state_is_parsed_only_on_demand(schema: SchemaContext) -> None:
    document = b'{"flow-export:flow-export":{"counters":{"polls":"7"}}}'
    with pytest.raises(LibraryError):
        Tree.parse(schema, document, Format.JSON)
    with Tree.parse(schema, document, Format.JSON, state=True) as tree:
        node = tree.find("/flow-export:flow-export/counters/polls")
        assert node is not None
        assert node.value == "7"


def test_nodes_know_their_place(tree: Tree) -> None:
    with tree:
        node = tree.find("/flow-export:flow-export/collector[name='a']/port")
        assert node is not None
        assert node.path == "/fe:flow-export/fe:collector[fe:name='a']/fe:port"
        assert node.json_path == "/flow-export:flow-export/collector[name='a']/port"
        assert node.parent is not None
        assert node.parent.keys == ("a",)
        assert tree.find("/flow-export:flow-export/collector[name='c']") is None


def test_keys_with_both_kinds_of_quotes_are_found(tree: Tree) -> None:
    with tree:
        top = next(tree.top())
        schema = top.schema.by_json_name["collector"]
        node = tree.child(top, schema, ('it\'s "b"',))
        assert node is not None
        assert tree.find(node.json_path) is not None
        assert tree.child(top, schema, ('it\'s "c"',)) is None


def test_a_wrong_expression_is_an_error(tree: Tree) -> None:
    with tree, pytest.raises(LibraryError):
        tree.find_all("/flow-export:flow-export[")


def test_merging_adds_state_to_configuration(tree: Tree) -> None:
    state = b'{"flow-export:flow-export":{"collector":[{"name":"a","statistics":{"errors":"3"}}]}}'
    with tree, Tree.parse(tree.schema, state, Format.JSON, state=True) as other:
        tree.merge(other)
        collectors = json.loads(tree.print(Format.JSON))["flow-export:flow-export"]["collector"]
        assert collectors[0]["statistics"] == {"errors": "3"}
        assert collectors[0]["port"] == 6343
        assert len(collectors) == 2


def test_validation_adds_defaults_and_tells_what_it_deletes(schema: SchemaContext) -> None:
    document = b'{"kinds:rules":{"odd":5,"conditional":"x","conditional-box":{"inside":"y"}}}'
    with Tree.parse(schema, document, Format.JSON) as tree:
        assert tree.validate_and_tell() == ()
        odd = tree.find("/kinds:rules/odd")
        assert odd is not None
        tree.set_value(odd, "7")
        assert tree.validate_and_tell() == ("/k:rules/k:conditional", "/k:rules/k:conditional-box")
        assert json.loads(tree.print(Format.JSON)) == {"kinds:rules": {"odd": 7}}


def test_validation_errors_have_paths(schema: SchemaContext) -> None:
    with (
        Tree.parse(schema, b'{"kinds:rules":{"limited":10}}', Format.JSON) as tree,
        pytest.raises(LibraryError) as refused,
    ):
        tree.validate()
    (item,) = refused.value.items
    assert (item.message, item.app_tag) == ("ten is too much", "too-much")
    assert "/kinds:rules/limited" in item.path


def test_changing(schema: SchemaContext) -> None:
    with Tree(schema) as tree:
        order = schema.top_by_json_name["kinds:order"]
        step, word = order.by_json_name["step"], order.by_json_name["word"]
        top = tree.create(None, order)
        entries = {name: tree.create(top, step, (name,)) for name in "abc"}
        tree.create(entries["b"], step.by_json_name["note"], value="x")
        tree.create(top, word, value="w")
        tree.move(entries["c"], entries["a"], after=False)
        tree.move(entries["a"], entries["b"], after=True)
        assert [entry.keys for entry in tree.entries(top, step)] == [("c",), ("b",), ("a",)]
        assert entries["b"].count() == 2
        tree.delete(entries["b"])
        tree.create(None, schema.top_by_json_name["kinds:box"])
        assert json.loads(tree.print(Format.JSON)) == {
            "kinds:order": {"step": [{"name": "c"}, {"name": "a"}], "word": ["w"]},
            "kinds:box": {},
        }
        tree.delete(next(tree.top()))
        assert [node.schema.name for node in tree.top()] == ["box"]
