"""What a commit changed, in words that may be kept: bounded, and without secrets."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

from flowexport_mgmt.datastore.changes import Change, Kind, find
from flowexport_mgmt.schema.marks import Mark, marks_of
from flowexport_mgmt.schema.nodes import SchemaNode
from flowexport_mgmt.schema.tree import Node, Tree

MAX_CHANGES = 100
_MAX_LEAVES = 50
"""Leaves that are told of what was created."""
_MAX_VALUE = 200
"""Characters of a value."""
SECRET = "(secret)"  # noqa: S105 - what is written in the place of one


def describe(changes: Sequence[Change], after: Tree) -> list[dict[str, Any]]:
    """Describe the first changes that led to a tree; the last entry counts the rest."""
    told = [_describe(change, after) for change in islice(changes, MAX_CHANGES)]
    if len(changes) > MAX_CHANGES:
        told.append({"more": len(changes) - MAX_CHANGES})
    return told


def _describe(change: Change, after: Tree) -> dict[str, Any]:
    told: dict[str, Any] = {"operation": str(change.kind), "path": change.path}
    if change.schema.is_term:
        values = {"old": change.old, "new": change.new}
        given = {name: value for name, value in values.items() if value is not None}
        return told | {name: _shown(change.schema, value) for name, value in given.items()}
    if change.kind is not Kind.MOVED:
        told["nodes"] = change.nodes
    created = find(after, change) if change.kind is Kind.CREATED else None
    if created is not None:
        told["new"] = _leaves(created)
    return told


def _leaves(top: Node) -> dict[str, str]:
    """Give the first leaves below a node that somebody set, by their paths from there."""
    start = len(top.path) + 1
    set_leaves = (n for n in top.walk() if n.schema.is_term and not n.is_default)
    return {
        node.path[start:]: _shown(node.schema, node.value)
        for node in islice(set_leaves, _MAX_LEAVES)
    }


def _shown(schema: SchemaNode, value: str) -> str:
    if is_secret(schema):
        return SECRET
    return value if len(value) <= _MAX_VALUE else f"{value[:_MAX_VALUE]}..."


def is_secret(schema: SchemaNode) -> bool:
    """Say whether a leaf holds what nobody may read without a rule that says so."""
    return schema.is_term and Mark.DENY_ALL in marks_of(schema.pointer)
