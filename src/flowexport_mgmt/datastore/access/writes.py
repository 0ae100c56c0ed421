"""Checking what an edit or a commit changes (RFC 8341, sections 3.2.3 and 3.2.8)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from flowexport_mgmt.datastore.access.policy import UserRules
from flowexport_mgmt.datastore.access.reads import keys_of
from flowexport_mgmt.datastore.access.rules import Access, Keys
from flowexport_mgmt.datastore.changes import Change, Kind, find
from flowexport_mgmt.datastore.engine import Create, Delete, Move, Plan, Set
from flowexport_mgmt.errors import ErrorTag, Fault
from flowexport_mgmt.schema.nodes import Kind as NodeKind
from flowexport_mgmt.schema.nodes import SchemaNode
from flowexport_mgmt.schema.paths import parse_path
from flowexport_mgmt.schema.tree import Node, Tree

_TOLD = 64
"""Faults that are told; what is denied may be as large as the configuration."""

_ACCESS = {
    Kind.CREATED: Access.CREATE,
    Kind.CHANGED: Access.UPDATE,
    Kind.MOVED: Access.UPDATE,
    Kind.DELETED: Access.DELETE,
}


def check_plan(plan: Plan, rules: UserRules) -> list[Fault]:
    """Give a fault for each node that an edit would change and may not."""
    return _faults(path for step in plan.steps for path in _denied_step(step, rules))


def _denied_step(step: Delete | Create | Set | Move, rules: UserRules) -> Iterator[str]:
    match step:
        case Delete(node):
            yield from _denied_below(node, Access.DELETE, rules)
        case Create(edit=edit) if edit.schema.kind is NodeKind.CONTAINER:
            if edit.schema.presence:
                yield from _denied(edit.schema, Access.CREATE, edit.path, rules)
        case Create(edit=edit):
            yield from _denied(edit.schema, Access.CREATE, edit.path, rules)
        case Set(node):
            access = Access.CREATE if node.is_default else Access.UPDATE
            if not _is_free(node.schema, access, rules):
                yield from _denied(node.schema, access, node.path, rules)
        case Move(edit=edit):
            yield from _denied(edit.schema, Access.UPDATE, edit.path, rules)


def check_changes(
    changes: Sequence[Change], before: Tree, after: Tree, rules: UserRules
) -> list[Fault]:
    """Give a fault for each node that differs between two trees and may not.

    ``changes`` name the subtrees where they can differ.
    """
    return _faults(
        path
        for change in changes
        if not _is_free(change.schema, _ACCESS[change.kind], rules)
        for path in _denied_change(change, before, after, rules)
    )


def _denied_change(change: Change, before: Tree, after: Tree, rules: UserRules) -> Iterator[str]:
    then, now = find(before, change), find(after, change)
    node = then if change.kind is Kind.DELETED else now
    if node is None or (change.kind is Kind.DELETED and now is not None):
        return  # undone by a later edit, which is a change of its own
    if change.kind is Kind.CHANGED and then is not None and then.value == node.value:
        return
    if change.kind is Kind.MOVED:
        yield from _denied(node.schema, Access.UPDATE, change.path, rules)
    else:
        yield from _denied_below(node, _ACCESS[change.kind], rules)


# -- one node and what is below it


def _is_free(schema: SchemaNode, access: Access, rules: UserRules) -> bool:
    return rules.uniform(schema, access) is True


def _denied(schema: SchemaNode, access: Access, path: str, rules: UserRules) -> Iterator[str]:
    if _is_free(schema, access, rules):
        return
    instance = tuple(dict(step.predicates) for step in parse_path(path))
    if not rules.permits(schema, access, instance):
        yield path


def _denied_below(node: Node, access: Access, rules: UserRules) -> Iterator[str]:
    if not _is_free(node.schema, access, rules):
        instance = tuple(dict(step.predicates) for step in parse_path(node.path))
        yield from _walk(node, access, rules, instance[:-1])


def _walk(node: Node, access: Access, rules: UserRules, above: Sequence[Keys]) -> Iterator[str]:
    """Give the outermost nodes of a subtree that may not be accessed."""
    if node.is_default or node.schema.is_key or _is_free(node.schema, access, rules):
        return
    here = (*above, keys_of(node))
    structural = node.schema.kind is NodeKind.CONTAINER and not node.schema.presence
    if not structural and not rules.permits(node.schema, access, here):
        yield node.path
        return
    for child in node.children():
        yield from _walk(child, access, rules, here)


def _faults(paths: Iterator[str]) -> list[Fault]:
    """Make faults of the outermost of the paths, which come parents first."""
    return [
        Fault(tag=ErrorTag.ACCESS_DENIED, message="access to this node is denied", path=path)
        for path in islice(_outermost(paths), _TOLD)
    ]


def _outermost(paths: Iterator[str]) -> Iterator[str]:
    last = None
    for path in paths:
        if last is None or not f"{path}/".startswith(last):
            last = f"{path}/"
            yield path
