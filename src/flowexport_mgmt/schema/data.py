"""A node of a data tree, borrowed from the tree that owns it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from _libyang import ffi, lib

from flowexport_mgmt.schema import library
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.library import Pointer
from flowexport_mgmt.schema.nodes import Kind, SchemaNode
from flowexport_mgmt.schema.paths import Step, render_json_path, render_path


class Node:
    """A node of a tree; valid as long as the tree lives and the node stays in it."""

    __slots__ = ("context", "pointer", "schema")

    def __init__(self, context: SchemaContext, pointer: Pointer) -> None:
        self.context = context
        self.pointer = pointer
        self.schema: SchemaNode = context.schema_node(pointer.schema)

    @property
    def identity(self) -> int:
        """A number that no other node has while this one lives."""
        return int(ffi.cast("uintptr_t", self.pointer))

    @property
    def value(self) -> str:
        """The canonical value of a leaf or leaf-list entry."""
        return library.text(lib.lyd_get_value(self.pointer))

    @property
    def is_default(self) -> bool:
        """Whether nobody set it: a value from the schema or a container without presence."""
        return bool(self.pointer.flags & library.DEFAULT)

    @property
    def keys(self) -> tuple[str, ...]:
        """The key values of a list entry."""
        return tuple(key.value for key in islice(self.children(), len(self.schema.keys)))

    @property
    def parent(self) -> Node | None:
        """The node above."""
        above = self.pointer.parent
        return Node(self.context, ffi.cast("struct lyd_node *", above)) if above else None

    def children(self) -> Iterator[Node]:
        """Give the nodes below, in order."""
        return nodes(self.context, lib.lyd_child(self.pointer))

    def settings(self) -> Iterator[Node]:
        """Give the nodes below that somebody set, but keys, which are part of their entry."""
        for pointer in library.siblings(lib.lyd_child_no_keys(self.pointer)):
            if not pointer.flags & library.DEFAULT:
                yield Node(self.context, pointer)

    def walk(self) -> Iterator[Node]:
        """Give the node and all below it, each before what is below it."""
        yield self
        for child in self.children():
            yield from child.walk()

    def count(self) -> int:
        """Count the nodes of the subtree that somebody set; keys belong to their entry."""
        structural = self.schema.kind is Kind.CONTAINER and not self.schema.presence
        below = sum(child.count() for child in self.children())
        if structural or self.is_default or self.schema.is_key:
            return below
        return below + 1

    def step(self) -> Step:
        """Give the node's step in a path."""
        return self.schema.step(
            self.keys if self.schema.kind is Kind.LIST else (),
            self.value if self.schema.kind is Kind.LEAF_LIST else None,
        )

    @property
    def path(self) -> str:
        """The instance path with module prefixes, as faults carry it."""
        return render_path(self._steps())

    @property
    def json_path(self) -> str:
        """The instance path with module names."""
        return render_json_path(self._steps())

    def _steps(self) -> list[Step]:
        steps, node = [], self
        while True:
            steps.append(node.step())
            above = node.parent
            if above is None:
                return steps[::-1]
            node = above

    def __repr__(self) -> str:
        return f"<Node {self.json_path}>"


def nodes(context: SchemaContext, first: Pointer) -> Iterator[Node]:
    """Give a data node and its following siblings."""
    for pointer in library.siblings(first):
        yield Node(context, pointer)
