"""What has to be done to one tree to make it another, as the edits of a YANG patch (RFC 8072)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote
from xml.sax.saxutils import escape

from lxml import etree

from flowexport_mgmt.north.netconf.printing import print_all
from flowexport_mgmt.schema.nodes import Kind, SchemaNode

_Key = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit: ``target`` and ``point`` are paths of RFC 8040, section 3.5.3.

    ``source`` is what a delete or replace does away with.
    """

    operation: str
    target: str
    value: etree._Element | None = None
    where: str = ""
    point: str = ""
    source: etree._Element | None = None

    def render(self, number: int) -> list[bytes]:
        """Write the elements of the edit, which stand in the namespace around them."""
        parts = [
            f"<edit-id>{number}</edit-id><operation>{self.operation}</operation>"
            f"<target>{escape(self.target)}</target>".encode()
        ]
        if self.point:
            parts.append(f"<point>{escape(self.point)}</point>".encode())
        if self.where:
            parts.append(f"<where>{self.where}</where>".encode())
        if self.value is not None:
            parts.append(b"<value>%b</value>" % print_all([self.value]))
        return parts


def difference(
    old: etree._Element, new: etree._Element, schemas: Mapping[str, SchemaNode]
) -> list[Edit]:
    """Give the edits that make the children of ``new`` of those of ``old``."""
    return list(_below(old, new, schemas, ""))


@dataclass(frozen=True, slots=True)
class _Child:
    """A child with its schema node and its path."""

    element: etree._Element
    schema: SchemaNode
    path: str


def _below(
    old: etree._Element, new: etree._Element, schemas: Mapping[str, SchemaNode], path: str
) -> Iterator[Edit]:
    before, after = _children(old, schemas, path), _children(new, schemas, path)
    for key, child in before.items():
        if key not in after:
            yield Edit("delete", child.path, source=child.element)
    previous: dict[SchemaNode, str] = {}
    for key, child in after.items():
        if key not in before:
            yield _created(child, previous.get(child.schema))
        else:
            yield from _within(before[key], child)
        previous[child.schema] = child.path
    yield from _moves(before, after)


def _created(child: _Child, previous: str | None) -> Edit:
    if not child.schema.user_ordered:
        return Edit("create", child.path, child.element)
    if previous is None:
        return Edit("insert", child.path, child.element, "first")
    return Edit("insert", child.path, child.element, "after", previous)


def _within(before: _Child, after: _Child) -> Iterator[Edit]:
    schema = after.schema
    if schema.is_term or schema.is_any:
        if (before.element.text or "") != (after.element.text or ""):
            yield Edit("replace", after.path, after.element, source=before.element)
        return
    if etree.tostring(before.element) != etree.tostring(after.element):  # quick, and mostly equal
        yield from _below(before.element, after.element, schema.children, after.path)


def _moves(before: Mapping[_Key, _Child], after: Mapping[_Key, _Child]) -> Iterator[Edit]:
    """Give the moves in lists that the user orders."""
    lists = dict.fromkeys(c.schema for c in after.values() if c.schema.user_ordered)
    for schema in lists:
        stays = [key for key in after if key in before and after[key].schema is schema]
        order = [key for key in before if key in after and before[key].schema is schema]
        yield from _reordered(order, stays, after)


def _reordered(
    order: list[_Key], wanted: Sequence[_Key], children: Mapping[_Key, _Child]
) -> Iterator[Edit]:
    for index, key in enumerate(wanted):
        if order[index] == key:
            continue
        order.remove(key)
        order.insert(index, key)
        path = children[key].path
        if index == 0:
            yield Edit("move", path, None, "first")
        else:
            yield Edit("move", path, None, "after", children[wanted[index - 1]].path)


def _children(
    data: etree._Element, schemas: Mapping[str, SchemaNode], path: str
) -> dict[_Key, _Child]:
    found: dict[_Key, _Child] = {}
    for element in data:
        schema = schemas[str(element.tag)]
        values = _values(element, schema)
        found[str(element.tag), values] = _Child(element, schema, path + _step(schema, values))
    return found


def _values(element: etree._Element, schema: SchemaNode) -> tuple[str, ...]:
    """Give what tells an entry from the others."""
    if schema.kind is Kind.LEAF_LIST:
        return (element.text or "",)
    return tuple(element.findtext(key.tag, "") for key in schema.keys)


def _step(schema: SchemaNode, values: tuple[str, ...]) -> str:
    above = schema.parent
    same = above is not None and above.module == schema.module
    name = schema.name if same else f"{schema.module}:{schema.name}"
    return f"/{name}" + ("=" + ",".join(quote(v, safe="") for v in values) if values else "")
