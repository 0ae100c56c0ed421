"""From the plain values of generated structs to RFC 7951, by the schema."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from _libyang import lib

from flowexport_mgmt.schema.nodes import SchemaNode

_LONG = frozenset((lib.LY_TYPE_INT64, lib.LY_TYPE_UINT64, lib.LY_TYPE_DEC64))


class Encoder:
    """Rewrites an object of one schema node: names with modules, 64-bit numbers as strings.

    What it finds out about a node it keeps, so that an entry costs little more than its members.
    """

    def __init__(self, schema: SchemaNode) -> None:
        self._schema = schema
        self._members: dict[str, tuple[str, Encoder | None, bool]] = {}

    @cached_property
    def _by_name(self) -> Mapping[str, SchemaNode]:
        return {child.name: child for child in self._schema.children.values()}

    def encode(self, value: Any) -> Any:
        """Rewrite an object, or each one of an array."""
        if isinstance(value, list | tuple):
            return [self.encode(entry) for entry in value]
        return {name: data for key, item in value.items() for name, data in self._member(key, item)}

    def _member(self, key: str, value: Any) -> tuple[tuple[str, Any], ...]:
        name, below, long = self._members.get(key) or self._learn(key)
        if below is not None:
            return ((name, below.encode(value)),)
        return ((name, _as_text(value) if long else value),)

    def _learn(self, key: str) -> tuple[str, Encoder | None, bool]:
        """Find out how a member is written.

        Raises:
            KeyError: the schema has no such member.
        """
        schema = self._by_name[key]
        name = key if schema.module == self._schema.module else f"{schema.module}:{key}"
        below = None if schema.is_term or schema.is_any else Encoder(schema)
        long = schema.is_term and bool(schema.base_types & _LONG)
        member = self._members[key] = (name, below, long)
        return member


def _as_text(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [str(entry) for entry in value]
    return str(value)
