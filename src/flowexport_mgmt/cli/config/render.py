"""Configurations as text: brace blocks, set lines, RFC 7951 objects, XML."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from lxml import etree

from flowexport_mgmt.cli.config.document import entry_keys
from flowexport_mgmt.cli.config.names import typed_name
from flowexport_mgmt.cli.grammar.paths import Path, Step, spelled
from flowexport_mgmt.cli.grammar.words import quote
from flowexport_mgmt.cli.values import MASK, Object, Value, below, by_tag, children
from flowexport_mgmt.schema.grammar import Grammar, Node

_PROTOCOL: Final = "nc"
"""The prefix of NETCONF's own namespace in replies: nothing of the data is named by it."""
_INDENT: Final = "    "


@dataclass(frozen=True, slots=True)
class Tree:
    """Sibling elements with the nodes that they may be, and how to show them.

    ``masked`` is false only where the text is to be loaded elsewhere.
    """

    elements: tuple[etree._Element, ...]
    nodes: Mapping[str, Node]
    modules: Mapping[str, str]
    masked: bool = True
    parent: str = ""
    place: Path = ()
    """Where they are, for set lines."""

    @classmethod
    def whole(cls, data: etree._Element, grammar: Grammar, *, masked: bool = True) -> Tree:
        """Take the children of a data element."""
        return cls(tuple(children(data)), by_tag(grammar.nodes), grammar.modules, masked)

    def inside(self, element: etree._Element, node: Node) -> Tree:
        """Take the children of one of the elements."""
        inner = tuple(children(element))
        return Tree(inner, below(node), self.modules, self.masked, node.module)

    def pairs(self) -> Iterator[tuple[Node, etree._Element]]:
        """Give the elements that the grammar knows, in the order of the grammar."""
        order = {tag: position for position, tag in enumerate(self.nodes)}
        known = [e for e in self.elements if str(e.tag) in order]
        for element in sorted(known, key=lambda e: order[str(e.tag)]):
            yield self.nodes[str(element.tag)], element

    def text(self, element: etree._Element, node: Node) -> str:
        """Give a leaf's value as it is typed; identities with their modules."""
        if node.hints.secret and self.masked:
            return MASK
        if node.type is None:
            return element.text or ""
        return typed_name(element, node.type, self.modules)


def brace_lines(tree: Tree, indent: str = "") -> Iterator[str]:
    """Write blocks in braces, one statement a line."""
    lists: dict[str, list[str]] = {}
    for node, element in tree.pairs():
        if node.kind == "leaf-list":
            lists.setdefault(node.name, []).append(quote(tree.text(element, node)))
            if element is _last(tree, node):
                yield f"{indent}{node.name} {_bracketed(lists[node.name])};"
        elif node.is_term:
            yield f"{indent}{_leaf(tree, element, node)};"
        elif node.hints.compress:
            yield from brace_lines(tree.inside(element, node), indent)
        elif node.is_parent:
            yield from _block(tree, element, node, indent)


def _last(tree: Tree, node: Node) -> etree._Element:
    return [e for e in tree.elements if e.tag == node.tag][-1]


def _bracketed(values: list[str]) -> str:
    return values[0] if len(values) == 1 else f"[ {' '.join(values)} ]"


def _leaf(tree: Tree, element: etree._Element, node: Node) -> str:
    if node.type is not None and node.type.base == "empty":
        return node.name
    return f"{node.name} {quote(tree.text(element, node))}"


def _block(tree: Tree, element: etree._Element, node: Node, indent: str) -> Iterator[str]:
    head = indent + Step(node, entry_keys(element, node)).text
    inner = list(brace_lines(_without_keys(tree.inside(element, node), node), indent + _INDENT))
    if inner:
        yield f"{head} {{"
        yield from inner
        yield f"{indent}}}"
    elif node.presence or node.kind == "list":
        yield f"{head};"


def _without_keys(tree: Tree, node: Node) -> Tree:
    keys = {f"{{{node.namespace}}}{key}" for key in node.keys}
    inner = tuple(e for e in tree.elements if e.tag not in keys)
    return Tree(inner, tree.nodes, tree.modules, tree.masked, tree.parent)


def set_lines(tree: Tree, above: Path = ()) -> Iterator[str]:
    """Write a set line for every leaf, and for every entry that has none."""
    for node, element in tree.pairs():
        if node.is_term:
            yield f"set {spelled((*above, Step(node)))}{_value_word(tree, element, node)}"
        elif node.is_parent:
            path = (*above, Step(node, entry_keys(element, node)))
            inner = list(set_lines(_without_keys(tree.inside(element, node), node), path))
            yield from inner
            if not inner and (node.presence or node.kind == "list"):
                yield f"set {spelled(path)}"


def _value_word(tree: Tree, element: etree._Element, node: Node) -> str:
    if node.type is not None and node.type.base == "empty":
        return ""
    return f" {quote(tree.text(element, node))}"


def json_object(tree: Tree) -> Object:
    """Give an object as RFC 7951 names its members; numbers are numbers, whatever their size."""
    result: Object = {}
    for node, element in tree.pairs():
        name = node.name if node.module == tree.parent else f"{node.module}:{node.name}"
        value = _json_value(tree, element, node)
        if node.kind not in ("list", "leaf-list"):
            result[name] = value
            continue
        entries = result.setdefault(name, [])
        if isinstance(entries, list):
            entries.append(value)
    return result


def _json_value(tree: Tree, element: etree._Element, node: Node) -> Value:
    if node.is_parent:
        return json_object(tree.inside(element, node))
    text = tree.text(element, node)
    base = node.type.base if node.type is not None else ""
    if base == "empty":
        return [None]
    if base == "boolean":
        return text == "true"
    if base.startswith(("int", "uint")):
        return int(text)
    return text


def xml_text(elements: Iterable[etree._Element], tree: Tree) -> str:
    """Write elements as XML, indented, with secrets masked; a root is put around them."""
    root = etree.Element("config")
    for element in elements:
        root.append(_masked(etree.fromstring(etree.tostring(element)), tree))
    named = {prefix for element in root.iter() for prefix in element.nsmap if prefix}
    etree.cleanup_namespaces(root, keep_ns_prefixes=sorted(named - {_PROTOCOL}))
    etree.indent(root)
    return str(etree.tostring(root, encoding="unicode"))


def _masked(element: etree._Element, tree: Tree) -> etree._Element:
    node = tree.nodes.get(str(element.tag))
    if tree.masked and node is not None:
        _mask(element, node)
    return element


def _mask(element: etree._Element, node: Node) -> None:
    if node.hints.secret:
        element.text = MASK
    for child in children(element):
        inner = below(node).get(str(child.tag))
        if inner is not None:
            _mask(child, inner)
