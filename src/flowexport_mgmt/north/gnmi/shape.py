"""Taking out of data what a request does not want: by depth, by model, by configuration or state.

Data is in the form of RFC 7951. A list entry keeps its keys whatever else goes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from flowexport_mgmt.north.gnmi.messages import DataType
from flowexport_mgmt.north.gnmi.paths import Instance, children
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.nodes import Kind, SchemaNode

GONE: Final[Any] = object()
"""Stands for what has nothing left."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What is wanted below a path.

    Args:
        data: all, or configuration or state alone.
        models: the modules whose nodes are wanted; None for all.
        depth: how many levels below the path; 0 for any number (the Depth extension).
    """

    data: DataType = DataType.ALL
    models: frozenset[str] | None = None
    depth: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether nothing is taken out."""
        return self.data is DataType.ALL and self.models is None and not self.depth

    def wants(self, node: SchemaNode) -> bool:
        """Tell whether a leaf or leaf-list is wanted; its place is not looked at."""
        if self.models is not None and node.module not in self.models:
            return False
        if self.data is DataType.ALL:
            return True
        return node.config is (self.data is DataType.CONFIG)

    def trim(self, node: SchemaNode, value: Any) -> Any:
        """Give what is left of the value of a node that a path leads to; GONE if nothing is."""
        if node.is_term:
            return value if self.wants(node) else GONE
        return self._object(value, node.by_json_name, 1, keys=node)

    def trim_root(self, schema: SchemaContext, value: Mapping[str, Any]) -> Any:
        """Give what is left of a whole tree."""
        return self._object(value, schema.top_by_json_name, 1, keys=None)

    def _object(
        self,
        value: Mapping[str, Any],
        names: Mapping[str, SchemaNode],
        level: int,
        keys: SchemaNode | None,
    ) -> Any:
        kept: dict[str, Any] = {}
        bare = True
        for name, data in value.items():
            node = names[name]
            if node.is_key and keys is not None and keys.kind is Kind.LIST:
                kept[name] = data
                bare = bare and not self.wants(node)
                continue
            left = self._member(node, data, level)
            if left is not GONE:
                kept[name] = left
                bare = False
        present = keys is not None and keys.presence and self.data is not DataType.STATE
        return GONE if bare and not (present and self.wants_model(keys)) else kept

    def wants_model(self, node: SchemaNode | None) -> bool:
        """Tell whether the module of a node is wanted."""
        return node is None or self.models is None or node.module in self.models

    def _member(self, node: SchemaNode, data: Any, level: int) -> Any:
        if node.is_term or node.is_any:
            return data if self.wants(node) else GONE
        if self.depth and level >= self.depth:
            return GONE
        if node.kind is not Kind.LIST:
            return self._object(data, node.by_json_name, level + 1, keys=node)
        entries = (self._object(entry, node.by_json_name, level + 1, keys=node) for entry in data)
        kept = [entry for entry in entries if entry is not GONE]
        return kept or GONE


class Leaf(NamedTuple):
    """A leaf or leaf-list and its value; ``inner`` leads to it from its entry."""

    inner: Instance
    value: Any

    @property
    def schema(self) -> SchemaNode:
        """Its schema node."""
        return self.inner[-1].schema


Entry = tuple[Instance, tuple[Leaf, ...]]
"""A list entry, or what is in no list, with the leaves that belong to it and to no entry below."""


def entries(schema: SchemaContext, instance: Instance, value: Any, shape: Shape) -> Iterator[Entry]:
    """Give what stands at and below an instance, entry by entry, as far as it is wanted."""
    outer = _outer(instance)
    inner = instance[len(outer) :]
    if inner and inner[-1].schema.is_term:
        if shape.wants(inner[-1].schema):
            yield outer, (Leaf(inner, value),)
        return
    yield from _Walk(schema, shape).entry(outer, inner, value, 1)


def _outer(instance: Instance) -> Instance:
    """Give the instance of the innermost list entry around, or the root."""
    size = len(instance)
    while size and instance[size - 1].schema.kind is not Kind.LIST:
        size -= 1
    return instance[:size]


class _Walk:
    """Goes down a tree, to the leaves of an entry first and then to the entries below it."""

    def __init__(self, schema: SchemaContext, shape: Shape) -> None:
        self._schema = schema
        self._shape = shape

    def entry(self, outer: Instance, inner: Instance, value: Any, level: int) -> Iterator[Entry]:
        leaves: list[Leaf] = []
        below: list[tuple[Instance, Any, int]] = []
        for where, data, depth in self._below(outer, inner, value, level):
            if where[-1].schema.kind is Kind.LIST:
                below.append(((*outer, *where), data, depth))
            else:
                leaves.append(Leaf(where, data))
        if leaves:
            yield outer, tuple(leaves)
        for instance, data, depth in below:
            yield from self.entry(instance, (), data, depth)

    def _below(
        self, outer: Instance, inner: Instance, value: Any, level: int
    ) -> Iterator[tuple[Instance, Any, int]]:
        """Give the leaves that belong to the entry, and the entries below it."""
        shape = self._shape
        for place, data in children(self._schema, (*outer, *inner), value):
            node, where = place.schema, (*inner, place)
            if node.is_term or node.is_any:
                if shape.wants(node):
                    yield where, data, level
            elif shape.depth and level >= shape.depth:
                continue
            elif node.kind is Kind.LIST:
                yield where, data, level + 1
            else:
                yield from self._below(outer, where, data, level + 1)
