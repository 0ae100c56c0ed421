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


def describe(changes: Sequence[Change], before: Tree, after: Tree) -> list[dict[str, Any]]:
    """Describe the first changes between two trees; the last entry counts the rest."""
    told = [_describe(change, before, after) for change in islice(changes, MAX_CHANGES)]
    if len(changes) > MAX_CHANGES:
        told.append({"more": len(changes) - MAX_CHANGES})
    return told


def _describe(change: Change, before: Tree, after: Tree) -> dict[str, Any]:
    told: dict[str, Any] = {"operation": str(change.kind), "path": change.path}
    if change.schema.is_term:
        if change.kind is not Kind.CREATED:
            told["old"] = _value(find(before, change))
        if change.kind is not Kind.DELETED:
            told["new"] = _value(find(after, change))
        return told
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
    return {node.path[start:]: _value(node) for node in islice(set_leaves, _MAX_LEAVES)}


def _value(node: Node | None) -> str:
    if node is None:
        return ""
    if is_secret(node.schema):
        return SECRET
    value = node.value
    return value if len(value) <= _MAX_VALUE else f"{value[:_MAX_VALUE]}..."


def is_secret(schema: SchemaNode) -> bool:
    """Say whether a leaf holds what nobody may read without a rule that says so."""
    return schema.is_term and Mark.DENY_ALL in marks_of(schema.pointer)
