"""Marks that a module puts on its nodes for access control (RFC 8341, section 3.2)."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping

from _libyang import lib

from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.library import NULL, Pointer, items, text

_MODULE = "ietf-netconf-acm"


class Mark(enum.StrEnum):
    """What is denied where no rule says otherwise."""

    DENY_WRITE = "default-deny-write"
    DENY_ALL = "default-deny-all"


def marks_of(node: Pointer) -> frozenset[Mark]:
    """Give the marks of a compiled schema node, rpc or notification."""
    return frozenset(_marks(node))


def _marks(node: Pointer) -> Iterator[Mark]:
    for extension in items(node.exts):
        definition = getattr(extension, "def")
        if text(definition.module.name) == _MODULE:
            yield Mark(text(definition.name))


def marked_operations(schema: SchemaContext) -> Mapping[tuple[str, str], frozenset[Mark]]:
    """Give the marks of every rpc and notification by its module and name."""
    return dict(_operations(schema))


def _operations(schema: SchemaContext) -> Iterator[tuple[tuple[str, str], frozenset[Mark]]]:
    for module in schema.context:
        if not module.cdata.implemented:
            continue
        node = lib.lys_getnext(NULL, NULL, module.cdata.compiled, 0)
        while node:
            if node.nodetype in (lib.LYS_RPC, lib.LYS_NOTIF):
                yield (module.name(), text(node.name)), marks_of(node)
            node = lib.lys_getnext(node, NULL, module.cdata.compiled, 0)
