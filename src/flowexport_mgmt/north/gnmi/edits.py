"""From the operations of a Set to edits, each made when those before it have been made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from flowexport_mgmt.datastore import LogEntry
from flowexport_mgmt.errors import ManagementError
from flowexport_mgmt.north.gnmi.chosen import chosen_nodes
from flowexport_mgmt.north.gnmi.lines import typed
from flowexport_mgmt.north.gnmi.paths import (
    DEEP,
    Element,
    Instance,
    Pattern,
    Place,
    below,
    is_named,
    resolve,
    text_of,
    write_text,
)
from flowexport_mgmt.north.gnmi.status import Code, RpcError, invalid
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.edits import EditNode, Operation
from flowexport_mgmt.schema.from_json import edits_from_data
from flowexport_mgmt.schema.library import LibraryError
from flowexport_mgmt.schema.nodes import Kind, SchemaNode
from flowexport_mgmt.schema.tree import Tree
from flowexport_mgmt.schema.values import canonical_value

_WHOLE: Final = None
"""The default operation of a log entry that is a whole configuration."""


def locate(schema: SchemaContext, pattern: Pattern) -> Instance:
    """Find the one node that a path to be written names; a list at its end may lack its keys.

    Raises:
        RpcError: NOT_FOUND for a node that the schema does not have; INVALID_ARGUMENT for
            wildcards and for keys that are missing or wrong.
    """
    if pattern.has_wildcard or any(element.any_key for element in pattern.elements):
        raise invalid(f"{pattern}: what is written has no wildcards")
    try:
        pattern, _ = resolve(schema, pattern)
    except RpcError as error:
        unknown = "no such node" in error.message
        raise RpcError(Code.NOT_FOUND if unknown else error.code, error.message) from None
    places: list[Place] = []
    node: SchemaNode | None = None
    for index, element in enumerate(pattern.elements):
        node = next(child for child in below(schema, node) if is_named(child, element))
        keys = dict(element.keys)
        whole = node.kind is Kind.LIST and not keys and index == len(pattern.elements) - 1
        missing = [key.name for key in node.keys if key.name not in keys]
        if missing and node.kind is Kind.LIST and not whole:
            raise invalid(f"{pattern}: {node.name} lacks its key {missing[0]}")
        places.append(Place(node, () if whole else tuple(keys[key.name] for key in node.keys)))
    if node is not None and not node.config:
        raise invalid(f"{pattern}: this is operational state, and cannot be written")
    return tuple(places)


@dataclass(frozen=True, slots=True)
class Write:
    """An update or a replacement of the node at ``instance``; the root where that is empty.

    Called with the tree it gives the edits, as a `datastore.Step`.
    """

    schema: SchemaContext
    instance: Instance
    data: Any
    replaces: bool = False

    def __call__(self, tree: Tree) -> LogEntry:
        """Give the edits."""
        edits = self.edits()
        if not self.replaces:
            return LogEntry(edits, Operation.MERGE)
        if not self.instance:
            return LogEntry(edits, _WHOLE)
        replaced = _at(edits, len(self.instance), Operation.REPLACE)
        return LogEntry((*self._surplus(tree, edits), *replaced), Operation.MERGE)

    def edits(self) -> tuple[EditNode, ...]:
        """Give the nodes that are written, without operations.

        Raises:
            ManagementError: the value is wrong.
        """
        return edits_from_data(self.schema, _wrapped(self.schema, self.instance, self.data))

    def _surplus(self, tree: Tree, edits: Sequence[EditNode]) -> Iterable[EditNode]:
        """Remove the entries of a whole list that are not given."""
        place = self.instance[-1]
        if not place.schema.is_list or place.keys:
            return ()
        wanted = {node.path for node in _nodes(edits, len(self.instance))}
        found = removals(self.schema, tree, Pattern(_exact(self.instance)))
        depth = len(self.instance)
        return [edit for edit in found if not {n.path for n in _nodes((edit,), depth)} & wanted]


@dataclass(frozen=True, slots=True)
class Remove:
    """A deletion of all that a path chooses; a `datastore.Step`."""

    schema: SchemaContext
    pattern: Pattern

    def __call__(self, tree: Tree) -> LogEntry:
        """Give the edits."""
        if all(element.name == DEEP for element in self.pattern.elements):
            return LogEntry((), _WHOLE)
        return LogEntry(removals(self.schema, tree, self.pattern), Operation.MERGE)


def removals(schema: SchemaContext, tree: Tree, pattern: Pattern) -> tuple[EditNode, ...]:
    """Give edits that remove what a pattern chooses among what somebody has set.

    Raises:
        RpcError: it is the key of an entry, which only goes with the entry.
    """
    found: list[EditNode] = []
    gone: set[Instance] = set()
    for instance, node in chosen_nodes(schema, tree, pattern):
        if any(instance[:size] in gone for size in range(1, len(instance))):
            continue  # it goes with what is above
        if node.schema.is_key:
            if pattern.has_wildcard:
                continue
            raise invalid(f"{pattern}: a key goes with its entry, and not alone")
        gone.add(instance)
        found.append(_chain(instance, node.value if node.schema.kind is Kind.LEAF_LIST else None))
    return tuple(found)


def _chain(instance: Instance, value: str | None) -> EditNode:
    paths = [""]
    for place in instance[:-1]:
        paths.append(place.schema.place(paths[-1], place.keys))
    last = instance[-1]
    path = last.schema.place(paths[-1], last.keys, value)
    made = EditNode(last.schema, path, Operation.REMOVE, keys=last.keys, value=value)
    for place, above in zip(reversed(instance[:-1]), reversed(paths[1:]), strict=True):
        made = EditNode(place.schema, above, keys=place.keys, children=(made,))
    return made


def _exact(instance: Instance) -> tuple[Element, ...]:
    return tuple(
        Element(
            place.schema.name,
            place.schema.module,
            tuple(zip((key.name for key in place.schema.keys), place.keys, strict=False)),
        )
        for place in instance
    )


# -- data of a node, as a document from the top


def _wrapped(schema: SchemaContext, instance: Instance, data: Any) -> Mapping[str, Any]:
    """Put the objects above a node around its data."""
    for index in range(len(instance) - 1, -1, -1):
        place = instance[index]
        if place.schema.kind is Kind.LIST:
            data = _entries(schema, instance[: index + 1], data)
        data = {f"{place.schema.module}:{place.schema.name}": data}
    if not isinstance(data, Mapping):
        raise invalid("the root is an object in JSON")
    return data


def _entries(schema: SchemaContext, instance: Instance, data: Any) -> list[Any]:
    place = instance[-1]
    if not place.keys:
        return data if isinstance(data, list) else [data]
    if not isinstance(data, Mapping):
        raise invalid(f"{write_text(instance)}: an entry of a list is an object in JSON")
    merged = dict(data)
    for key, value in zip(place.schema.keys, place.keys, strict=True):
        name = key.name if key.name in merged else f"{key.module}:{key.name}"
        given = merged.pop(name, None)
        if given is not None and not _is_same(schema, key, given, value):
            raise invalid(f"{write_text(instance)}: the key {key.name} is another one in the value")
        merged[key.name] = typed(key, value)
    return [merged]


def _is_same(schema: SchemaContext, key: SchemaNode, given: Any, value: str) -> bool:
    try:
        return canonical_value(schema, key, text_of(given)) == value
    except LibraryError:
        return False


def _at(edits: Iterable[EditNode], depth: int, operation: Operation) -> tuple[EditNode, ...]:
    """Give edits with an operation on the nodes that many levels down."""
    if depth == 1:
        return tuple(replace(edit, operation=operation) for edit in edits)
    return tuple(replace(edit, children=_at(edit.children, depth - 1, operation)) for edit in edits)


def _nodes(edits: Iterable[EditNode], depth: int) -> Iterable[EditNode]:
    if depth == 1:
        return tuple(edits)
    return tuple(node for edit in edits for node in _nodes(edit.children, depth - 1))


# -- union


def unite(writes: Sequence[Write]) -> list[Write]:
    """Make of replacements that count together one after another, what is above first.

    The first at a place replaces it; what another one already replaced is added to.

    Raises:
        RpcError: two of them give a leaf different values.
    """
    _check_union(writes)
    made: list[Write] = []
    for write in sorted(writes, key=lambda write: len(write.instance)):
        covered = any(write.instance[: len(one.instance)] == one.instance for one in made)
        made.append(replace(write, replaces=not covered))
    return made


def _check_union(writes: Sequence[Write]) -> None:
    values: dict[str, str] = {}
    for write in writes:
        try:
            edits = write.edits()
        except ManagementError:
            continue  # told when it is made
        for leaf in _leaves(edits):
            value = leaf.value or ""
            if values.setdefault(leaf.path, value) != value:
                raise invalid(f"{leaf.path}: the values of the union differ")


def _leaves(edits: Iterable[EditNode]) -> Iterable[EditNode]:
    for edit in edits:
        if edit.schema.kind is Kind.LEAF:
            yield edit
        yield from _leaves(edit.children)
