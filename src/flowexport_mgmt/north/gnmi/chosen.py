"""The nodes of a configuration that a path chooses, found in the tree itself.

An entry whose keys are all given is looked up, so that a thousand deletions of a Set do not each go
through a thousand entries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flowexport_mgmt.north.gnmi.paths import (
    DEEP,
    Element,
    Instance,
    Pattern,
    Place,
    below,
    is_named,
)
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.data import Node
from flowexport_mgmt.schema.nodes import Kind, SchemaNode
from flowexport_mgmt.schema.tree import Tree

Chosen = tuple[Instance, Node]
"""A node and its place; the entries of a leaf-list are nodes of one place."""


def chosen_nodes(schema: SchemaContext, tree: Tree, pattern: Pattern) -> Iterator[Chosen]:
    """Give what a pattern chooses among what somebody has set, each node once.

    The pattern is resolved, and is not the root. ``...`` at its end chooses what is chosen
    without it.
    """
    elements = list(pattern.elements)
    while elements and elements[-1].name == DEEP:
        elements.pop()
    seen: set[int] = set()
    for instance, node in _Search(schema, tree).below(tuple(elements), (), None):
        if node.identity not in seen:
            seen.add(node.identity)
            yield instance, node


class _Search:
    """Goes down a tree along the elements of a pattern."""

    def __init__(self, schema: SchemaContext, tree: Tree) -> None:
        self._schema = schema
        self._tree = tree

    def below(
        self, elements: Sequence[Element], instance: Instance, node: Node | None
    ) -> Iterator[Chosen]:
        """Give what the elements choose below a node, or from the top."""
        if not elements:
            if node is not None:
                yield instance, node
            return
        element, rest = elements[0], elements[1:]
        if element.name != DEEP:
            for child in self._named(node, element):
                yield from self.below(rest, (*instance, _place(child)), child)
            return
        yield from self.below(rest, instance, node)
        for child in self._set(node):
            yield from self.below(elements, (*instance, _place(child)), child)

    def _named(self, above: Node | None, element: Element) -> Iterator[Node]:
        keys = dict(element.keys)
        for schema in below(self._schema, above.schema if above else None):
            if not schema.config or not is_named(schema, element):
                continue
            if schema.kind is not Kind.LIST:
                yield from () if keys else self._instances(above, schema)
            elif keys and all(key.name in keys for key in schema.keys):
                values = tuple(keys[key.name] for key in schema.keys)
                entry = self._tree.child(above, schema, values)
                yield from () if entry is None else (entry,)
            else:
                for entry in self._instances(above, schema):
                    if _has(entry, keys):
                        yield entry

    def _instances(self, above: Node | None, schema: SchemaNode) -> Iterator[Node]:
        if schema.is_list:
            yield from self._tree.entries(above, schema)
            return
        node = self._tree.child(above, schema)
        if node is not None and not node.is_default:
            yield node

    def _set(self, above: Node | None) -> Iterator[Node]:
        return (node for node in self._tree.below(above) if not node.is_default)


def _place(node: Node) -> Place:
    return Place(node.schema, node.keys if node.schema.kind is Kind.LIST else ())


def _has(entry: Node, keys: dict[str, str]) -> bool:
    mine = dict(zip((key.name for key in entry.schema.keys), entry.keys, strict=True))
    return all(mine.get(name) == value for name, value in keys.items())
