"""What is shown can be loaded: in every form, whatever the values are."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.settings import accepted, leaves, nodes, value_of

from flowexport_mgmt.cli.config.document import Document
from flowexport_mgmt.cli.config.load import Form, form_of, read
from flowexport_mgmt.cli.config.render import Tree, brace_lines, json_object, set_lines, xml_text
from flowexport_mgmt.cli.formats.structured import pretty_json
from flowexport_mgmt.cli.grammar.paths import Step
from flowexport_mgmt.schema.grammar import Grammar, Node

FORMS = {
    Form.BRACES: lambda tree: "\n".join(brace_lines(tree)),
    Form.LINES: lambda tree: "\n".join(set_lines(tree)),
    Form.JSON: lambda tree: "\n".join(pretty_json(json_object(tree))),
    Form.XML: lambda tree: xml_text(tree.elements, tree),
}


def written(document: Document, grammar: Grammar, form: Form) -> str:
    return FORMS[form](Tree.whole(document.root, grammar, masked=False))


def normal(document: Document, grammar: Grammar) -> list[str]:
    """Write a document as sorted set lines: what it says, without the order of saying it."""
    return sorted(set_lines(Tree.whole(document.root, grammar, masked=False)))


@st.composite
def documents(draw: st.DrawFn, grammar: Grammar) -> Document:
    """Draw a configuration: some leaves of some entries, and some entries without leaves."""
    document = Document(grammar.modules)
    for path in draw(st.lists(st.sampled_from(leaves(grammar)), min_size=1, max_size=12)):
        place = tuple(_with_keys(draw, step) for step in path)
        document.set(place, draw(value_of(path[-1].node)))
    places = [path for path in nodes(grammar) if path[-1].keys or path[-1].node.presence]
    for path in draw(st.lists(st.sampled_from(places), max_size=3)):
        document.place(tuple(_with_keys(draw, step) for step in path))
    return document


def _with_keys(draw: st.DrawFn, step: Step) -> Step:
    if step.node.kind != "list":
        return step
    keys = [child for child in step.node.children if child.name in step.node.keys]
    return Step(step.node, tuple(draw(value_of(key)) for key in keys))


@pytest.mark.parametrize("form", Form)
def test_what_is_written_is_read(grammar: Grammar, form: Form) -> None:
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(documents(grammar))
    def check(document: Document) -> None:
        text = written(document, grammar, form)
        if text.strip():
            assert form_of(text) is form
        assert normal(read(text, grammar), grammar) == normal(document, grammar)

    check()


def test_every_node_has_help(grammar: Grammar) -> None:
    """Configuration, state, operations and what they take and give, of every module."""

    def without_help(node: Node, above: str) -> Iterator[str]:
        path = f"{above} {node.name}"
        if not node.description and node.kind not in ("input", "output"):
            yield path
        for child in node.children:
            yield from without_help(child, path)

    everything = (*grammar.nodes, *grammar.operations)
    assert [path for node in everything for path in without_help(node, node.module)] == []


def test_every_value_has_help(grammar: Grammar) -> None:
    missing = [
        (path[-1].node.name, value)
        for path in leaves(grammar)
        for value, words in _values(path[-1].node)
        if not words and path[-1].node.module.startswith("flow-export")
    ]
    assert missing == []


def _values(node: Node) -> tuple[tuple[str, str], ...]:
    assert node.type is not None
    return node.type.values if node.type.base != "string" else ()


def test_every_leaf_can_be_written_and_read(grammar: Grammar) -> None:
    for path in leaves(grammar):
        for form in Form:
            document = Document(grammar.modules)
            document.set(path, accepted(path[-1].node)[0])
            text = written(document, grammar, form)
            assert normal(read(text, grammar), grammar) == normal(document, grammar), (path, text)
