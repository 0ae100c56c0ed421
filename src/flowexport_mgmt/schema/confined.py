"""Lists whose entries can be validated one by one, told from the expressions of the modules.

An entry is *confined* when nothing that decides about its validity lies outside of it, and nothing
outside depends on what is in it. Whoever changes one entry of a valid configuration then needs to
validate that entry alone. An expression that is not understood here confines nothing: it costs
time, never a wrong answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from _libyang import ffi, lib

from flowexport_mgmt.schema.library import Pointer, items, text
from flowexport_mgmt.schema.nodes import Kind, SchemaNode

_LITERAL = re.compile(r"'[^']*'|\"[^\"]*\"")
_NAME = r"(?:[A-Za-z_][\w.-]*:)?[A-Za-z_][\w.-]*"
_TOKEN = re.compile(
    rf"\s*(?:(?P<call>{_NAME})\s*\(|(?P<path>(?:\.\./)*{_NAME}(?:/{_NAME})*)"
    r"|(?P<self>\.)(?![./\w])|(?P<other>\d+(?:\.\d+)?|[()|=<>,+-]|!=|'')|(?P<end>$))"
)
_CALLS = frozenset(
    (
        *("not", "true", "false", "boolean", "count", "sum", "number", "floor", "ceiling", "round"),
        *("string", "concat", "contains", "starts-with", "substring", "string-length", "translate"),
        *("and", "or", "div", "mod"),  # before a parenthesis
        *("normalize-space", "derived-from", "derived-from-or-self", "enum-value", "bit-is-set"),
    )
)
"""What has a value that depends on its arguments alone."""
_WILD = re.compile(r"\*|//|::|\$|\b(?:node|text|comment|deref|id|lang)\s*\(|\.\.(?!/)")
"""What may lead to nodes that are not named."""


@dataclass(frozen=True, slots=True)
class _Expression:
    """An XPath expression, without its literals, and the node that it is evaluated at."""

    text: str
    at: SchemaNode | None
    """None at the root."""

    def stays_in(self, entry: SchemaNode) -> bool:
        """Say whether it looks at nothing outside of the entry around it."""
        depth, position = _depth(self.at, entry), 0
        while match := _TOKEN.match(self.text, position):
            if match["end"] is not None:
                return True
            if not self._is_harmless(match, depth):
                return False
            position = match.end()
        return False

    def _is_harmless(self, token: re.Match[str], depth: int) -> bool:
        if token["call"] is not None:
            return token["call"] in _CALLS
        if token["self"] is not None:
            return self.at is not None and self.at.is_term
        return token["path"] is None or token["path"].count("../") <= depth

    def may_enter(self, entry: SchemaNode) -> bool:
        """Say whether, evaluated outside, it may look at something inside of an entry."""
        if _WILD.search(self.text):
            return True
        names = {name.rpartition(":")[2] for name in re.findall(_NAME, self.text)}
        whole = re.search(r"(?<![.\w])\.(?![./\w])", self.text)  # all text below a container
        return entry.name in names or bool(whole and not (self.at and self.at.is_term))


def confined_lists(top: Iterable[SchemaNode]) -> frozenset[SchemaNode]:
    """Give the configurable lists whose entries are confined; of lists in such lists the outer."""
    nodes = [node for start in top for node in _walk(start)]
    expressions = [found for node in nodes for found in _expressions(node)]
    if any(_points_anywhere(node) for node in nodes):
        return frozenset()
    lists = (node for node in nodes if node.kind is Kind.LIST and _is_free(node))
    return frozenset(node for node in lists if _is_confined(node, expressions))


def _walk(node: SchemaNode) -> Iterator[SchemaNode]:
    if not node.config:
        return
    yield node
    if node.kind in (Kind.CONTAINER, Kind.LIST):
        for child in node.children.values():
            yield from _walk(child)


def _is_free(node: SchemaNode) -> bool:
    """Say whether neither the number of entries nor what is around them decides about any."""
    compiled = ffi.cast("struct lysc_node_list *", node.pointer)
    return not (any(node.limits) or compiled.uniques or any(map(_has_when, _chain(node))))


def _chain(node: SchemaNode | None) -> Iterator[SchemaNode]:
    while node is not None:
        yield node
        node = node.parent


def _has_when(node: SchemaNode) -> bool:
    return any(lib.lysc_node_when(pointer) for pointer in _with_choices(node))


def _with_choices(node: SchemaNode) -> Iterator[Pointer]:
    """Give a node and the cases and choices that it stands in."""
    yield node.pointer
    above = node.pointer.parent
    while above and above.nodetype in (lib.LYS_CASE, lib.LYS_CHOICE):
        yield above
        above = above.parent


def _is_confined(entry: SchemaNode, expressions: Iterable[_Expression]) -> bool:
    return all(
        found.stays_in(entry) if entry in _chain(found.at) else not found.may_enter(entry)
        for found in expressions
    )


def _depth(node: SchemaNode | None, entry: SchemaNode) -> int:
    return list(_chain(node)).index(entry)


# -- what the modules say


def _expressions(node: SchemaNode) -> Iterator[_Expression]:
    for must in items(lib.lysc_node_musts(node.pointer)):
        yield _made(must.cond, node)
    for pointer in _with_choices(node):
        for when in items(lib.lysc_node_when(pointer)):
            yield _made(when.cond, _context(node, when.context))
    if node.is_term:
        for reference in _references(node.type):
            yield _made(reference.path, node)


def _made(condition: Pointer, at: SchemaNode | None) -> _Expression:
    return _Expression(_LITERAL.sub("''", text(lib.lyxp_get_expr(condition))), at)


def _context(node: SchemaNode, context: Pointer) -> SchemaNode | None:
    """Give the data node that a ``when`` is evaluated at: the node or one above it."""
    while context and context.nodetype in (lib.LYS_CASE, lib.LYS_CHOICE):
        context = context.parent
    return next((above for above in _chain(node) if above.pointer == context), None)


def _references(compiled: Pointer) -> Iterator[Pointer]:
    for member in _members(compiled):
        if member.basetype == lib.LY_TYPE_LEAFREF:
            yield ffi.cast("struct lysc_type_leafref *", member)


def _points_anywhere(node: SchemaNode) -> bool:
    """Say whether the value of a leaf may be the path of a node that has to be there."""
    return node.is_term and any(
        member.basetype == lib.LY_TYPE_INST
        and ffi.cast("struct lysc_type_instanceid *", member).require_instance
        for member in _members(node.type)
    )


def _members(compiled: Pointer) -> Iterator[Pointer]:
    if compiled.basetype == lib.LY_TYPE_UNION:
        for member in items(ffi.cast("struct lysc_type_union *", compiled).types):
            yield from _members(member)
    else:
        yield compiled
