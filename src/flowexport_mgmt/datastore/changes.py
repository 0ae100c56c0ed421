"""What an edit changes: the subtrees, for components, notifications and the commit record."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from flowexport_mgmt.schema.nodes import Kind as NodeKind
from flowexport_mgmt.schema.nodes import SchemaNode
from flowexport_mgmt.schema.paths import parse_path
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
    node: Node | None = None
    chain = _chain(change.schema)
    for schema, step in zip(chain, parse_path(change.path), strict=True):
        values = tuple(value for _, value in step.predicates)
        if schema.kind is NodeKind.LEAF_LIST:
            node = tree.child(node, schema, (), values[0])
        else:
            node = tree.child(node, schema, values)
        if node is None:
            return None
    return node


def _chain(schema: SchemaNode) -> list[SchemaNode]:
    chain, above = [schema], schema.parent
    while above is not None:
        chain.append(above)
        above = above.parent
    return chain[::-1]
