"""What an edit changes: the subtrees, for components, notifications and the commit record."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flowexport_mgmt.schema.nodes import Kind as NodeKind
from flowexport_mgmt.schema.nodes import SchemaNode
from flowexport_mgmt.schema.paths import PathStep, parse_path
from flowexport_mgmt.schema.tree import Node, Tree


class Kind(enum.StrEnum):
    """What happened to a node."""

    CREATED = "created"
    CHANGED = "changed"
    DELETED = "deleted"
    MOVED = "moved"


@dataclass(frozen=True, slots=True)
class Change:
    """The top of a subtree that was created or deleted, a value that changed, an entry that moved.

    ``path`` is the instance path with module prefixes, and ``nodes`` counts the nodes of the
    subtree. ``old`` and ``new`` are the values of a leaf or of an entry of a leaf-list.
    """

    kind: Kind
    path: str
    schema: SchemaNode
    nodes: int = 1
    old: str | None = None
    new: str | None = None

    @property
    def schema_path(self) -> str:
        """The path without prefixes and keys."""
        return self.schema.schema_path


def touches(changes: Iterable[Change], paths: Iterable[str]) -> bool:
    """Say whether a change lies at, below or above one of some schema paths."""
    wanted = [path.rstrip("/") for path in paths]
    return any(overlaps(change.schema_path, path) for change in changes for path in wanted)


def overlaps(one: str, other: str) -> bool:
    """Say whether one of two schema paths is at, below or above the other; ``""`` is the root."""
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


def find(tree: Tree, change: Change) -> Node | None:
    """Find the node that a change is about; None where it is not there."""
    return find_at(tree, change.schema, parse_path(change.path))


def find_at(tree: Tree, schema: SchemaNode, steps: Sequence[PathStep]) -> Node | None:
    """Find a node by the steps of its instance path; None where it is not there."""
    node: Node | None = None
    for above, step in zip(chain(schema), steps, strict=True):
        values = tuple(value for _, value in step.predicates)
        if above.kind is NodeKind.LEAF_LIST:
            node = tree.child(node, above, (), values[0])
        else:
            node = tree.child(node, above, values)
        if node is None:
            return None
    return node


def chain(schema: SchemaNode) -> list[SchemaNode]:
    """Give a schema node and those above it, from the top."""
    found, above = [schema], schema.parent
    while above is not None:
        found.append(above)
        above = above.parent
    return found[::-1]
