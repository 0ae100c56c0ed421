"""Taking out of a tree what its reader may not see (RFC 8341, section 3.2.4)."""

from __future__ import annotations

from collections.abc import Sequence

from flowexport_mgmt.datastore.access.policy import UserRules
from flowexport_mgmt.datastore.access.rules import Access, Keys
from flowexport_mgmt.schema.nodes import Kind
from flowexport_mgmt.schema.tree import Node, Tree


def prune(tree: Tree, rules: UserRules) -> None:
    """Delete what may not be read, with all that is below it.

    What the rules treat alike is not looked into, so that a list of any length costs nothing unless
    a rule speaks of its entries.
    """
    for node in list(tree.top()):
        _prune(tree, node, rules, ())


def _prune(tree: Tree, node: Node, rules: UserRules, above: Sequence[Keys]) -> None:
    whole = rules.uniform(node.schema, Access.READ)
    if whole is None:
        here = (*above, keys_of(node))
        if rules.permits(node.schema, Access.READ, here):
            for child in list(node.children()):
                if not child.schema.is_key:
                    _prune(tree, child, rules, here)
            return
    if not whole:
        tree.delete(node)


def keys_of(node: Node) -> Keys:
    """Give what tells a node from its siblings."""
    schema = node.schema
    if schema.kind is Kind.LIST:
        return dict(zip((key.name for key in schema.keys), node.keys, strict=False))
    return {".": node.value} if schema.kind is Kind.LEAF_LIST else {}
