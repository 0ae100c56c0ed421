"""Values of leaves: from the text of an encoding to the canonical form (RFC 7950, section 9.1)."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping

from _libyang import ffi, lib
from lxml import etree

from flowexport_mgmt.schema.context import INSTANCE_PATH, SchemaContext
from flowexport_mgmt.schema.library import (
    ErrorItem,
    LibraryError,
    canonical,
    derived_identities,
    items,
    text,
)
from flowexport_mgmt.schema.nodes import SchemaNode
from flowexport_mgmt.schema.paths import Step, parse_path, render_json_path

_Namespaces = Mapping[str | None, str]

_PREFIXED = re.compile(r"(?:([A-Za-z_][\w.\-]*):)?([A-Za-z_][\w.\-]*)")
_NAMES = {lib.LY_TYPE_IDENT, lib.LY_TYPE_INST}


def canonical_value(schema: SchemaContext, node: SchemaNode, value: str) -> str:
    """Check a value whose prefixes, if any, are module names, and make it canonical.

    Raises:
        LibraryError: it is not of the leaf's type.
    """
    if "\0" in value:  # ends a C string, so the rest would be lost
        raise _refused("A value cannot hold the character U+0000.")
    if _is_path(node):
        _check_path(value)
    try:
        return canonical(schema.pointer, node.pointer, value)
    except UnicodeEncodeError:
        raise _refused("The value is not Unicode text.") from None


@functools.lru_cache(maxsize=256)
def identity_names(node: SchemaNode) -> Mapping[str, str]:
    """Give the identities that a leaf can have, with their modules, by the name alone.

    One that shares its name with another is left out, unless it is of the leaf's own module.
    """
    if node.type.basetype != lib.LY_TYPE_IDENT:
        return {}
    found: dict[str, set[str]] = {}
    for base in items(ffi.cast("struct lysc_type_identityref *", node.type).bases):
        for module, name, _ in derived_identities(base):
            if module.implemented:
                found.setdefault(name, set()).add(text(module.name))
    own = {name: {node.module} if node.module in m else m for name, m in found.items()}
    return {name: f"{next(iter(m))}:{name}" for name, m in own.items() if len(m) == 1}


def canonical_xml(
    schema: SchemaContext, node: SchemaNode, value: str, scope: etree._Element
) -> str:
    """Check a value as XML holds it and make it canonical; ``scope`` declares its prefixes.

    White space around it is not part of it unless the type has room for it.

    Raises:
        LibraryError: it is not of the leaf's type.
    """
    if node.base_types & _NAMES or _is_path(node):
        value = _name_modules(schema, value.strip(), scope.nsmap)
    try:
        return canonical_value(schema, node, value)
    except LibraryError:
        if value == value.strip():
            raise
    return canonical_value(schema, node, value.strip())


def _is_path(node: SchemaNode) -> bool:
    """Tell the paths in rules of access (RFC 8341), which the library takes for any expression."""
    return node.type_name == INSTANCE_PATH


def _check_path(value: str) -> None:
    try:
        parse_path(value if value != "/" else "")
    except ValueError as error:
        raise _refused(f"The value is {error}.") from None


def _refused(message: str) -> LibraryError:
    return LibraryError((ErrorItem(lib.LY_EVALID, lib.LYVE_DATA, message, "", ""),), "checking")


def _name_modules(schema: SchemaContext, value: str, namespaces: _Namespaces) -> str:
    """Put module names in the place of prefixes; what cannot be is left for the type to refuse."""
    match = _PREFIXED.fullmatch(value)
    if match is not None:
        module = schema.namespaces.get(namespaces.get(match[1], ""))
        return f"{module}:{match[2]}" if module else value
    if value.startswith("/"):
        return _name_path_modules(schema, value, namespaces)
    return value


def _name_path_modules(schema: SchemaContext, value: str, namespaces: _Namespaces) -> str:
    try:
        steps = parse_path(value)
    except ValueError:
        return value
    modules = [schema.namespaces.get(namespaces.get(step.module, ""), "") for step in steps]
    if not all(modules):
        return value
    return render_json_path(
        Step(module, "", step.name, step.predicates)
        for module, step in zip(modules, steps, strict=True)
    )
