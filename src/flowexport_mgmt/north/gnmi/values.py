"""Values: from data in the form of RFC 7951 to the encodings of gNMI (specification, section 2.3).

JSON_IETF is RFC 7951 itself. JSON has no names of modules, and numbers are numbers. PROTO has one
scalar for each leaf: integers without sign are ``uint_val`` whatever their size.
"""

from __future__ import annotations

import base64
import functools
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from _libyang import lib

from flowexport_mgmt.north.gnmi.messages import Encoding, TypedValue
from flowexport_mgmt.schema.nodes import SchemaNode

_UNSIGNED: Final = frozenset(
    (lib.LY_TYPE_UINT8, lib.LY_TYPE_UINT16, lib.LY_TYPE_UINT32, lib.LY_TYPE_UINT64)
)
_SIGNED: Final = frozenset(
    (lib.LY_TYPE_INT8, lib.LY_TYPE_INT16, lib.LY_TYPE_INT32, lib.LY_TYPE_INT64)
)
_NUMBERS: Final = _UNSIGNED | _SIGNED | {lib.LY_TYPE_DEC64}
_BOOLEAN: Final = frozenset((lib.LY_TYPE_BOOL, lib.LY_TYPE_EMPTY))

SERVED: Final = (Encoding.JSON, Encoding.ASCII, Encoding.JSON_IETF, Encoding.PROTO)
"""What Capabilities tells; ASCII for the origin ``cli`` alone."""

_Scalar = tuple[str, Any]

_encode: Final = msgspec.json.Encoder().encode


def encode_leaf(node: SchemaNode, value: Any, encoding: Encoding) -> Any:
    """Give the typed value of a leaf or leaf-list."""
    if encoding is Encoding.PROTO:
        return _proto(node, value)
    return encode_json(node, value, encoding)


def set_leaf(typed: Any, node: SchemaNode, value: Any, encoding: Encoding) -> None:
    """Replace a typed value by that of a leaf, which takes less than making one."""
    if encoding is Encoding.PROTO and not node.is_list:
        setattr(typed, *_scalar(node)(value))
    else:
        typed.CopyFrom(encode_leaf(node, value, encoding))


def encode_json(node: SchemaNode, value: Any, encoding: Encoding) -> Any:
    """Give the typed value of any node in one of the two forms of JSON."""
    if encoding is Encoding.JSON_IETF:
        return TypedValue(json_ietf_val=_encode(_qualified(node, value)))
    return TypedValue(json_val=_encode(_plain(node, value)))


def encode_root(
    tops: Mapping[str, SchemaNode], value: Mapping[str, Any], encoding: Encoding
) -> Any:
    """Give the typed value of a whole tree; ``tops`` are the top nodes by their RFC 7951 names."""
    if encoding is Encoding.JSON_IETF:
        return TypedValue(json_ietf_val=_encode(value))
    plain = {tops[name].name: _plain(tops[name], member) for name, member in value.items()}
    return TypedValue(json_val=_encode(plain))


def _qualified(node: SchemaNode, value: Any) -> Any:
    """Name the modules of the members, which nothing around them tells (RFC 7951, section 4)."""
    if not isinstance(value, Mapping):
        return value
    return {
        name if ":" in name else f"{node.module}:{name}": member for name, member in value.items()
    }


# -- JSON without modules


def _plain(node: SchemaNode, value: Any) -> Any:
    """Rewrite a value of RFC 7951."""
    if node.is_term:
        convert = _converter(node)
        return [convert(one) for one in value] if node.is_list else convert(value)
    if isinstance(value, list):
        return [_plain(node, entry) for entry in value]
    names = node.by_json_name
    return {names[name].name: _plain(names[name], member) for name, member in value.items()}


@functools.lru_cache(maxsize=4096)
def _converter(node: SchemaNode) -> Callable[[Any], Any]:
    types = node.base_types
    if types <= _NUMBERS:
        return float if lib.LY_TYPE_DEC64 in types else int
    if types == {lib.LY_TYPE_IDENT}:
        return _local_name
    return _as_it_is


def _local_name(value: str) -> str:
    return value.rpartition(":")[2]


def _as_it_is(value: Any) -> Any:
    return value


# -- PROTO


def _proto(node: SchemaNode, value: Any) -> Any:
    scalar, made = _scalar(node), TypedValue()
    if not node.is_list:
        setattr(made, *scalar(value))
        return made
    made.leaflist_val.SetInParent()
    for one in value:
        setattr(made.leaflist_val.element.add(), *scalar(one))
    return made


@functools.lru_cache(maxsize=4096)
def _scalar(node: SchemaNode) -> Callable[[Any], _Scalar]:
    """Find out once how the values of a leaf are written: in which field, and what."""
    types = node.base_types
    if types <= _UNSIGNED:
        return _unsigned
    if types <= _UNSIGNED | _SIGNED:
        return _signed
    if types <= _NUMBERS:
        return _double
    if types <= _BOOLEAN:
        return _boolean
    if types == {lib.LY_TYPE_BINARY}:
        return _octets
    return _any_scalar


def _unsigned(value: Any) -> _Scalar:
    return "uint_val", int(value)


def _signed(value: Any) -> _Scalar:
    return "int_val", int(value)


def _double(value: Any) -> _Scalar:
    return "double_val", float(value)


def _boolean(value: Any) -> _Scalar:
    return "bool_val", value is not False


def _octets(value: Any) -> _Scalar:
    return "bytes_val", base64.b64decode(value)


def _any_scalar(value: Any) -> _Scalar:
    """Write a value whose type only the value itself tells, such as one of a union."""
    if isinstance(value, bool) or value == [None]:
        return _boolean(value)
    if isinstance(value, int):
        return _signed(value) if value < 0 else _unsigned(value)
    return "string_val", str(value)
