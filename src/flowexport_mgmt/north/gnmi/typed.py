"""From the typed value of a request to data in the form of RFC 7951, as it is read here."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from _libyang import lib

from flowexport_mgmt.errors import ManagementError
from flowexport_mgmt.north.gnmi.status import RpcError, invalid, unimplemented
from flowexport_mgmt.schema.from_json import load_json
from flowexport_mgmt.schema.nodes import Kind, SchemaNode
from flowexport_mgmt.schema.values import identity_names

_NUMBERS: Final = frozenset(
    (lib.LY_TYPE_INT8, lib.LY_TYPE_INT16, lib.LY_TYPE_INT32, lib.LY_TYPE_INT64,
     lib.LY_TYPE_UINT8, lib.LY_TYPE_UINT16, lib.LY_TYPE_UINT32, lib.LY_TYPE_UINT64,
     lib.LY_TYPE_DEC64)
)  # fmt: skip
_WORDLESS: Final = _NUMBERS | {lib.LY_TYPE_BOOL, lib.LY_TYPE_EMPTY}
"""Types whose values are no strings in PROTO."""


def read_value(node: SchemaNode | None, value: Any) -> Any:
    """Read the value for a node; None is the root.

    Raises:
        RpcError: INVALID_ARGUMENT: it is none, or of the wrong kind; UNIMPLEMENTED: an encoding
            that is not served.
    """
    kind = value.WhichOneof("value")
    if kind is None:
        raise invalid("there is no value")
    if kind in ("any_val", "proto_bytes"):
        raise unimplemented(f"values in {kind} are not supported")
    if kind in ("json_val", "json_ietf_val"):
        try:
            data = load_json(getattr(value, kind))
        except ManagementError as error:
            raise RpcError.of(error) from None
        return qualify(node, data)
    if kind == "ascii_val":
        raise unimplemented("ascii_val is supported for origin cli only")
    if node is None or not node.is_term:
        raise invalid(f"{kind} is no value of a node with others below it: use JSON")
    if kind == "leaflist_val":
        if node.kind is not Kind.LEAF_LIST:
            raise invalid(f"{node.name} has one value, and not a list of them")
        return [
            _scalar(node, one, str(one.WhichOneof("value"))) for one in value.leaflist_val.element
        ]
    scalar = _scalar(node, value, kind)
    return [scalar] if node.kind is Kind.LEAF_LIST else scalar


def _scalar(node: SchemaNode, value: Any, kind: str) -> Any:
    types = node.base_types
    if kind == "string_val" and not types <= _WORDLESS:
        return identity_names(node).get(value.string_val, value.string_val)
    if kind in ("int_val", "uint_val") and types & _NUMBERS:
        return int(getattr(value, kind))
    if kind in ("double_val", "float_val", "decimal_val") and lib.LY_TYPE_DEC64 in types:
        return _decimal(value, kind)
    if kind == "bool_val" and lib.LY_TYPE_BOOL in types:
        return bool(value.bool_val)
    if kind == "bool_val" and value.bool_val and lib.LY_TYPE_EMPTY in types:
        return [None]
    if kind == "bytes_val" and lib.LY_TYPE_BINARY in types:
        return base64.b64encode(value.bytes_val).decode()
    raise invalid(f"{kind} is no value of {node.name}")


def _decimal(value: Any, kind: str) -> str:
    if kind == "decimal_val":
        precision = value.decimal_val.precision
        if precision > 18:
            raise invalid("a decimal64 has at most 18 digits after the point")
        number = Decimal(value.decimal_val.digits).scaleb(-precision)
    else:
        number = Decimal(repr(getattr(value, kind)))
    if not number.is_finite():
        raise invalid(f"{number} is no decimal64")
    return format(number, "f")


# -- names of members and identities, with or without the module


def qualify(node: SchemaNode | None, data: Any) -> Any:
    """Write the names of members as RFC 7951 has them; unknown ones are left to be refused."""
    if isinstance(data, list):
        return [_qualify_object(node, entry) for entry in data]
    return _qualify_object(node, data)


def _qualify_object(node: SchemaNode | None, data: Any) -> Any:
    if node is not None and node.is_term:
        return identity_names(node).get(data, data) if isinstance(data, str) else data
    if not isinstance(data, Mapping) or node is None:
        return data
    made: dict[str, Any] = {}
    for written, value in data.items():
        name, child = _member(node, written)
        if name in made:
            raise invalid(f"{node.name} has {name} twice")
        made[name] = qualify(child, value)
    return made


def qualify_root(tops: Mapping[str, SchemaNode], data: Mapping[str, Any]) -> dict[str, Any]:
    """Write the names of the members of the root as RFC 7951 has them."""
    made: dict[str, Any] = {}
    for written, value in data.items():
        found = [node for node in tops.values() if _is_called(node, written)]
        node = found[0] if len(found) == 1 else None
        name = f"{node.module}:{node.name}" if node is not None else written
        if name in made:
            raise invalid(f"the root has {name} twice")
        made[name] = qualify(node, value)
    return made


def _member(node: SchemaNode, written: str) -> tuple[str, SchemaNode | None]:
    if written in node.by_json_name:
        child: SchemaNode | None = node.by_json_name[written]
    else:
        found = [one for one in node.children.values() if _is_called(one, written)]
        child = found[0] if len(found) == 1 else None
    if child is None:
        return written, None
    return (child.name if child.module == node.module else f"{child.module}:{child.name}"), child


def _is_called(node: SchemaNode, written: str) -> bool:
    prefix, _, name = written.rpartition(":")
    return name == node.name and prefix in ("", node.module, node.prefix)
