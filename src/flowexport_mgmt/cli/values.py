"""XML data trees to plain JSON values, typed by the grammar.

What NETCONF carries is text; the grammar knows which leaf is a number, a truth value or a list.
Only nodes that are in the reply come out: a default that nobody set is not invented here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final, TypeAlias

from lxml import etree

from flowexport_mgmt.schema.grammar import Node, Type

Value: TypeAlias = "str | int | float | bool | list[Value] | dict[str, Value] | None"
Object: TypeAlias = "dict[str, Value]"

MASK: Final = "********"
"""What is shown in place of a secret."""


def local_name(element: etree._Element) -> str:
    """Give an element's name without its namespace."""
    return etree.QName(element).localname


def children(element: etree._Element) -> Iterable[etree._Element]:
    """Give the elements below one, without comments."""
    return element.iterchildren(etree.Element)


def by_tag(nodes: Iterable[Node]) -> Mapping[str, Node]:
    """Give nodes by their XML names."""
    return {node.tag: node for node in nodes}


def below(node: Node | None) -> Mapping[str, Node]:
    """Give the children of a node by their XML names; remembered."""
    if node is None:
        return {}
    known = node.__dict__.get("_by_tag")
    if known is None:
        known = node.__dict__["_by_tag"] = by_tag(node.children)
    return known


def typed(element: etree._Element, node: Node | None, *, masked: bool = True) -> Object:
    """Render a container or list entry as an object with YANG's own names.

    A node that the grammar does not know keeps its text. A compressed container gives its children
    to the one around it.
    """
    known = below(node)
    result: Object = {}
    for child in children(element):
        _add(result, child, known.get(str(child.tag)), masked=masked)
    return result


def _add(result: Object, child: etree._Element, node: Node | None, *, masked: bool) -> None:
    name = local_name(child)
    if node is not None and node.hints.compress and node.kind == "container":
        result.update(typed(child, node, masked=masked))
        return
    value = _value(child, node, masked=masked)
    if node is None or node.kind not in ("list", "leaf-list"):
        result[name] = value
        return
    entries = result.setdefault(name, [])
    if isinstance(entries, list):
        entries.append(value)


def _value(element: etree._Element, node: Node | None, *, masked: bool) -> Value:
    if node is None or not node.is_term or node.type is None:
        if len(element) or (node is not None and node.is_parent):
            return typed(element, node, masked=masked)
        return element.text or ""
    if node.hints.secret and masked:
        return MASK
    return leaf_value(element, node.type)


def leaf_value(element: etree._Element, kind: Type) -> Value:
    """Read a leaf: numbers and truth values as such, identities without a prefix."""
    text = element.text or ""
    for member in kind.leaves:
        value = _converted(text, member.base)
        if value is not None:
            return value
    return text


def _converted(text: str, base: str) -> Value:
    """Read a text as a value of a built-in type; None where it is no such value."""
    if base.startswith(("int", "uint")):
        return int(text) if text.lstrip("-").isdecimal() else None
    if base == "boolean":
        return {"true": True, "false": False}.get(text)
    if base == "identityref":
        return text.rpartition(":")[2]
    return text


def pick(value: Value, path: str) -> Value:
    """Follow a path such as ``statistics/sequence`` into an object; None where it ends early."""
    for name in path.split("/"):
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def unix_seconds(value: Value) -> int:
    """Turn a yang:date-and-time into whole seconds since 1970."""
    return int(datetime.fromisoformat(str(value)).timestamp())
