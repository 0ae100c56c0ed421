"""A context as a grammar: every data node and operation with its help, its type and its hints."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from _libyang import ffi, lib

from flowexport_mgmt.schema import library
from flowexport_mgmt.schema.annotations import annotated, ordered
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.grammar import FORM, Grammar, Hints, Node, Type
from flowexport_mgmt.schema.library import NULL, Pointer, items, text
from flowexport_mgmt.schema.nodes import SchemaNode

_KINDS: Final = {
    lib.LYS_CONTAINER: "container",
    lib.LYS_LIST: "list",
    lib.LYS_LEAF: "leaf",
    lib.LYS_LEAFLIST: "leaf-list",
    lib.LYS_ANYDATA: "anydata",
    lib.LYS_ANYXML: "anyxml",
    lib.LYS_RPC: "rpc",
    lib.LYS_ACTION: "action",
    lib.LYS_INPUT: "input",
    lib.LYS_OUTPUT: "output",
}
_LISTED: Final = re.compile(r"[A-Za-z0-9_-]+(?:\|[A-Za-z0-9_-]+)+")
_HINTS: Final = "flow-export-cli"
_DENIED: Final = ("ietf-netconf-acm", "default-deny-all")
_HASH: Final = "crypt-hash"
_BASES: Final = {
    lib.LY_TYPE_BINARY: "binary",
    lib.LY_TYPE_UINT8: "uint8",
    lib.LY_TYPE_UINT16: "uint16",
    lib.LY_TYPE_UINT32: "uint32",
    lib.LY_TYPE_UINT64: "uint64",
    lib.LY_TYPE_STRING: "string",
    lib.LY_TYPE_BITS: "bits",
    lib.LY_TYPE_BOOL: "boolean",
    lib.LY_TYPE_DEC64: "decimal64",
    lib.LY_TYPE_EMPTY: "empty",
    lib.LY_TYPE_ENUM: "enumeration",
    lib.LY_TYPE_IDENT: "identityref",
    lib.LY_TYPE_INST: "instance-identifier",
    lib.LY_TYPE_LEAFREF: "leafref",
    lib.LY_TYPE_UNION: "union",
    lib.LY_TYPE_INT8: "int8",
    lib.LY_TYPE_INT16: "int16",
    lib.LY_TYPE_INT32: "int32",
    lib.LY_TYPE_INT64: "int64",
}
_SIGNED: Final = (lib.LY_TYPE_INT8, lib.LY_TYPE_INT16, lib.LY_TYPE_INT32, lib.LY_TYPE_INT64)
_UNSIGNED: Final = (lib.LY_TYPE_UINT8, lib.LY_TYPE_UINT16, lib.LY_TYPE_UINT32, lib.LY_TYPE_UINT64)


def describe(schema: SchemaContext) -> Grammar:
    """Describe every node that the modules of a context implement."""
    operations = [
        _node(schema, pointer)
        for module in schema.context
        if module.cdata.implemented
        for pointer in _next(NULL, module.cdata.compiled)
        if pointer.nodetype == lib.LYS_RPC
    ]
    nodes = tuple(_node(schema, node.pointer) for node in schema.top_nodes.values())
    return Grammar(
        form=FORM,
        content_id=schema.content_id,
        nodes=ordered(annotated(nodes, _annotations(schema))),
        operations=tuple(operations),
        modules=dict(schema.namespaces),
    )


def _annotations(schema: SchemaContext) -> Iterator[str]:
    """Give the arguments of the annotate statements of the module of hints."""
    for module in schema.context:
        if module.name() == _HINTS and module.cdata.parsed:
            for statement in items(module.cdata.parsed.exts):
                if text(statement.name).rpartition(":")[2] == "annotate":
                    yield text(statement.argument)


def _next(parent: Pointer, module: Pointer) -> Iterator[Pointer]:
    """Give the nodes below another, choices and cases left out, or at the top of a module."""
    child = lib.lys_getnext(NULL, parent, module, 0)
    while child:
        if child.nodetype in _KINDS:
            yield child
        child = lib.lys_getnext(child, parent, module, 0)


def _below(pointer: Pointer) -> Iterator[Pointer]:
    """Give the nodes below; of an operation its input and output."""
    if pointer.nodetype not in (lib.LYS_RPC, lib.LYS_ACTION):
        yield from _next(pointer, NULL)
        return
    part = lib.lysc_node_child(pointer)
    while part:
        yield part
        part = part.next


def _node(schema: SchemaContext, pointer: Pointer) -> Node:
    kind = _KINDS[pointer.nodetype]
    flags = pointer.flags
    module = pointer.module
    known = schema.schema_node(pointer) if kind in _DATA else None
    children = tuple(_node(schema, child) for child in _below(pointer)) if _nests(kind) else ()
    return Node(
        kind=kind,
        name=text(pointer.name),
        module=text(module.name),
        namespace=text(module.ns),
        description=" ".join(text(pointer.dsc).split()),
        config=not flags & lib.LYS_CONFIG_R,
        mandatory=bool(flags & lib.LYS_MAND_TRUE),
        presence=bool(known and known.presence),
        user_ordered=bool(known and known.user_ordered),
        units=_units(known),
        when="; ".join(_conditions(pointer)),
        defaults=known.defaults if known and known.is_term else (),
        keys=tuple(key.name for key in known.keys) if known and kind == "list" else (),
        type=_leaf_type(schema, known) if known and known.is_term else None,
        hints=_hints(pointer, known),
        children=ordered(children),
    )


_DATA: Final = ("container", "list", "leaf", "leaf-list")


def _nests(kind: str) -> bool:
    return kind in ("container", "list", "rpc", "action", "input", "output")


def _units(node: SchemaNode | None) -> str:
    if node is None or not node.is_term:
        return ""
    return text(node._typed.units)


def _conditions(pointer: Pointer) -> Iterator[str]:
    for when in items(lib.lysc_node_when(pointer)):
        yield " ".join(text(lib.lyxp_get_expr(when.cond)).split())


def _hints(pointer: Pointer, node: SchemaNode | None) -> Hints:
    """Read the extensions of a node; a leaf that nobody may read by default is a secret."""
    said = dict(_extensions(pointer))
    given = {name: argument for (module, name), argument in said.items() if module == _HINTS}
    above = dict(_extensions(pointer.parent)) if pointer.parent else {}
    denied = _DENIED in said and _DENIED not in above  # libyang hands it down to what is below
    term = node is not None and node.is_term
    return Hints(
        hide="hide" in given,
        alias=given.get("alias", ""),
        order=int(given.get("order", 0)),
        compress="compress" in given,
        secret="secret" in given or (term and (denied or _is_hash(node))),
    )


def _extensions(pointer: Pointer) -> Iterator[tuple[tuple[str, str], str]]:
    """Give the extensions of a node by module and name, with their arguments."""
    for extension in items(pointer.exts):
        definition = getattr(extension, "def")
        yield (text(definition.module.name), text(definition.name)), text(extension.argument)


def _is_hash(node: SchemaNode | None) -> bool:
    return node is not None and node.type_name.rpartition(":")[2] == _HASH


def _leaf_type(schema: SchemaContext, node: SchemaNode) -> Type:
    return _type(schema, node.type, node.type_name)


def _type(schema: SchemaContext, compiled: Pointer, name: str = "") -> Type:
    base = compiled.basetype
    if base == lib.LY_TYPE_LEAFREF:
        reference = ffi.cast("struct lysc_type_leafref *", compiled)
        real = _type(schema, reference.realtype)
        target = "".join(text(lib.lyxp_get_expr(reference.path)).split())
        return Type(real.base, name, real.limits, real.values, target, real.members)
    return Type(
        base=_BASES[base],
        name=name,
        limits=_limits(compiled),
        values=tuple(_values(compiled)),
        members=tuple(
            _type(schema, member)
            for member in items(ffi.cast("struct lysc_type_union *", compiled).types)
        )
        if base == lib.LY_TYPE_UNION
        else (),
    )


def _values(compiled: Pointer) -> Iterator[tuple[str, str]]:
    base = compiled.basetype
    if base == lib.LY_TYPE_ENUM:
        listed = ffi.cast("struct lysc_type_enum *", compiled).enums
    elif base == lib.LY_TYPE_BITS:
        listed = ffi.cast("struct lysc_type_bits *", compiled).bits
    elif base == lib.LY_TYPE_IDENT:
        for identity in items(ffi.cast("struct lysc_type_identityref *", compiled).bases):
            for module, name, words in library.derived_identities(identity):
                if module.implemented:
                    yield f"{text(module.name)}:{name}", " ".join(words.split())
        return
    elif base == lib.LY_TYPE_STRING:
        yield from _alternatives(compiled)
        return
    else:
        return
    for item in items(listed):
        yield text(item.name), " ".join(text(item.dsc).split())


def _alternatives(compiled: Pointer) -> Iterator[tuple[str, str]]:
    """Give the strings that a pattern lists, when it is nothing but a list of strings."""
    for pattern in library.patterns(ffi.cast("struct lysc_type_str *", compiled).patterns):
        if _LISTED.fullmatch(pattern):
            yield from ((word, "") for word in pattern.split("|"))


def _limits(compiled: Pointer) -> str:
    """Write the range of a number or the lengths of a string, such as ``1..64``."""
    base = compiled.basetype
    if base in _SIGNED + _UNSIGNED:
        limits = ffi.cast("struct lysc_type_num *", compiled).range
    elif base == lib.LY_TYPE_STRING:
        limits = ffi.cast("struct lysc_type_str *", compiled).length
    else:
        return ""
    if not limits:
        return ""
    ends = list(library.range_parts(limits))
    if base in _SIGNED:
        ends = [(_signed(least), _signed(greatest)) for least, greatest in ends]
    return " | ".join(f"{a}..{b}" if a != b else str(a) for a, b in ends)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value
