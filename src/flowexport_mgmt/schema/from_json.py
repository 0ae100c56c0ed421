"""Edits from an instance document in JSON (RFC 7951), fully checked against the schema."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from _libyang import lib

from flowexport_mgmt.errors import ErrorTag, ErrorType, ManagementError
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.edits import EditNode
from flowexport_mgmt.schema.findings import (
    Findings,
    check_siblings,
    note_missing_key,
    note_state,
    note_unknown,
    note_unsupported,
)
from flowexport_mgmt.schema.library import LibraryError
from flowexport_mgmt.schema.nodes import SchemaNode
from flowexport_mgmt.schema.values import canonical_value

_NUMBERS = frozenset(
    (lib.LY_TYPE_INT8, lib.LY_TYPE_INT16, lib.LY_TYPE_INT32, lib.LY_TYPE_UINT8,
     lib.LY_TYPE_UINT16, lib.LY_TYPE_UINT32)
)  # fmt: skip


class _Twice:
    """Stands for a member that an object has more than once."""


_TWICE = _Twice()


def edits_from_json(schema: SchemaContext, document: bytes) -> tuple[EditNode, ...]:
    """Parse an instance document.

    Raises:
        ManagementError: every fault that was found, each with its instance path.
    """
    data = load_json(document)
    if not isinstance(data, dict):
        raise _malformed("not a JSON object")
    return edits_from_data(schema, data)


def edits_from_data(schema: SchemaContext, data: Mapping[str, Any]) -> tuple[EditNode, ...]:
    """Read the members of an instance document that `load_json` gave, or that was made of such.

    Raises:
        ManagementError: every fault that was found, each with its instance path.
    """
    reader = _Reader(schema)
    edits = reader.members(data, schema.top_by_json_name, "")
    reader.findings.raise_if_any()
    return edits


def load_json(document: bytes) -> Any:
    """Parse JSON; a member that an object has twice is found by `edits_from_data`.

    Raises:
        ManagementError: malformed-message: it is no JSON.
    """
    try:
        return json.loads(document, object_pairs_hook=_pairs, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise _malformed(f"not JSON: {error or 'nested too deeply'}") from None


def _malformed(message: str) -> ManagementError:
    return ManagementError.single(ErrorTag.MALFORMED_MESSAGE, message, type=ErrorType.RPC)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        members[name] = _TWICE if name in members else value
    return members


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


class _Reader:
    """Reads objects; what is wrong goes to ``findings``, and a node that it spoils is left out."""

    def __init__(self, schema: SchemaContext) -> None:
        self.findings = Findings()
        self._schema = schema

    def members(
        self,
        data: Mapping[str, Any],
        names: Mapping[str, SchemaNode],
        path: str,
        skip: tuple[SchemaNode, ...] = (),
    ) -> tuple[EditNode, ...]:
        """Read the members of an object; ``skip`` are the keys, read before."""
        found: list[EditNode] = []
        for name, value in data.items():
            schema = names.get(name)
            if schema is None:
                self._note_unknown(name, path)
            elif value is _TWICE:
                self._note_repeated(schema, path)
            elif schema not in skip:
                found += self._member(value, schema, path)
        check_siblings(self.findings, found)
        return tuple(found)

    def _note_unknown(self, name: str, path: str) -> None:
        module, _, local = name.rpartition(":")
        if local.startswith("@") or name.startswith("@"):
            self.findings.add(
                ErrorTag.UNKNOWN_ATTRIBUTE, f"annotations such as {name} are not read", path=path
            )
            return
        known = not module or module in self._schema.namespaces.values()
        note_unknown(self.findings, name, path, module, known=known)

    def _note_repeated(self, schema: SchemaNode, path: str) -> None:
        self.findings.add(
            ErrorTag.BAD_ELEMENT,
            f"{schema.name} appears more than once",
            path=schema.place(path),
            app_tag="data-not-unique",
            bad_element=schema.name,
        )

    def _member(self, value: Any, schema: SchemaNode, path: str) -> list[EditNode]:
        if not schema.config:
            note_state(self.findings, schema, path)
            return []
        if schema.is_any:
            note_unsupported(self.findings, schema, path)
            return []
        if not schema.is_list:
            node = self._node(value, schema, path)
            return [node] if node else []
        if not isinstance(value, list):
            self._note_kind(schema, path, "an array")
            return []
        nodes = [self._node(entry, schema, path) for entry in value]
        return [node for node in nodes if node]

    def _node(self, value: Any, schema: SchemaNode, path: str) -> EditNode | None:
        if schema.is_term:
            place = schema.place(path)
            text = self._value(value, schema, place)
            if text is None:
                return None
            return EditNode(schema, schema.place(path, (), text), value=text)
        if not isinstance(value, dict):
            self._note_kind(schema, path, "an object")
            return None
        place = schema.place(path)
        keys = [self._key(value, key, place) for key in schema.keys]
        known = tuple(key for key in keys if key is not None)
        path = schema.place(path, known)
        children = self.members(value, schema.by_json_name, path, schema.keys)
        if len(known) < len(keys):
            return None
        return EditNode(schema, path, keys=known, children=children)

    def _key(self, entry: Mapping[str, Any], key: SchemaNode, path: str) -> str | None:
        for name in (key.name, f"{key.module}:{key.name}"):
            if name in entry and entry[name] is not _TWICE:
                return self._value(entry[name], key, key.place(path))
        note_missing_key(self.findings, key, path)
        return None

    def _note_kind(self, schema: SchemaNode, path: str, wanted: str) -> None:
        self.findings.add(
            ErrorTag.INVALID_VALUE,
            f"{schema.kind.name.lower().replace('_', '-')} {schema.name} is {wanted} in JSON",
            path=schema.place(path),
        )

    def _value(self, value: Any, schema: SchemaNode, path: str) -> str | None:
        """Give the canonical value of a leaf; None when it is wrong."""
        text = _text(value, schema.base_types)
        if text is None:
            message = f"{json.dumps(value, default=str)[:64]} is not a value of {schema.name}"
            self.findings.add(ErrorTag.INVALID_VALUE, message, path=path)
            return None
        try:
            return canonical_value(self._schema, schema, text)
        except LibraryError as error:
            self.findings.add_value_error(error, schema, path)
            return None


def _text(value: Any, types: frozenset[int]) -> str | None:
    """Write a JSON value as YANG does, if it is of the JSON type for one of the types.

    Numbers of up to 32 bits are also taken as strings, and longer ones as numbers.
    """
    if isinstance(value, bool):
        return str(value).lower() if lib.LY_TYPE_BOOL in types else None
    if isinstance(value, str):
        return None if types <= {lib.LY_TYPE_BOOL, lib.LY_TYPE_EMPTY} else value
    if isinstance(value, int):
        numeric = types & (_NUMBERS | {lib.LY_TYPE_INT64, lib.LY_TYPE_UINT64, lib.LY_TYPE_DEC64})
        return str(value) if numeric else None
    if value == [None]:
        return "" if lib.LY_TYPE_EMPTY in types else None
    return None
