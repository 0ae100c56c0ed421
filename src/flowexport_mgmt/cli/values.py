"""XML data trees to plain JSON values, typed by the generated structs.

What NETCONF carries is text; the structs know which leaf is a number, a truth value or a list.
Only nodes that are in the reply come out: a default that nobody set is not invented here.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator
from datetime import datetime
from typing import Any, TypeAlias, Union, get_args, get_origin

import msgspec
from lxml import etree

Value: TypeAlias = "str | int | float | bool | list[Value] | dict[str, Value]"
Struct: TypeAlias = type[msgspec.Struct]


def local_name(element: etree._Element) -> str:
    """Give an element's name without its namespace."""
    return etree.QName(element).localname


def typed(element: etree._Element, *structs: Struct) -> dict[str, Value]:
    """Render a container or list entry as an object with YANG's own names.

    ``structs`` are the types of the node, such as that of its configuration and that of its state.
    A node that none of them knows keeps its text, so that an older client shows a newer model.
    """
    known = _fields(structs)
    result: dict[str, Value] = {}
    for child in element.iterchildren(etree.Element):
        name = local_name(child)
        field = known.get(name, _UNKNOWN)
        value = _value(child, field)
        if field.many:
            entries = result.setdefault(name, [])
            assert isinstance(entries, list)  # noqa: S101 - made here, for the type checker
            entries.append(value)
        else:
            result[name] = value
    return result


def pick(value: Value | None, path: str) -> Value | None:
    """Follow a path such as ``statistics/sequence`` into an object; None where it ends early."""
    for name in path.split("/"):
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


def unix_seconds(value: Value) -> int:
    """Turn a yang:date-and-time into whole seconds since 1970."""
    return int(datetime.fromisoformat(str(value)).timestamp())


def identity(value: Value) -> str:
    """Take the prefix off an identity's name."""
    return str(value).rpartition(":")[2]


class _Field:
    """What the structs say about one child node."""

    def __init__(self, structs: tuple[Struct, ...] = (), leaf: Any = str, *, many: bool = False):
        self.structs = structs
        self.leaf = leaf
        self.many = many


_UNKNOWN = _Field()


def _value(element: etree._Element, field: _Field) -> Value:
    if field.structs or len(element):
        return typed(element, *field.structs)
    text = element.text or ""
    value: Value = msgspec.to_builtins(msgspec.convert(text, field.leaf, strict=False))
    return value


@functools.cache
def _fields(structs: tuple[Struct, ...]) -> dict[str, _Field]:
    found: dict[str, _Field] = {}
    for struct in structs:
        for field in msgspec.structs.fields(struct):
            new = _field(field.type)
            old = found.get(field.encode_name, _UNKNOWN)
            if new.structs and old.structs:
                new.structs = old.structs + new.structs
            found[field.encode_name] = new
    return found


def _field(annotation: Any) -> _Field:
    """Read a field's type: ``T``, ``T | None`` or ``tuple[T, ...]``."""
    inner = next(_alternatives(annotation))
    many = get_origin(inner) is tuple
    if many:
        inner = get_args(inner)[0]
    if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
        return _Field((inner,), many=many)
    return _Field((), inner, many=many)


def _alternatives(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) in (Union, types.UnionType):
        yield from (a for a in get_args(annotation) if a is not types.NoneType)
    else:
        yield annotation
