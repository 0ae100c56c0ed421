"""Templates as they were received: how data records are read by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flowexport_mgmt.errors import DecodeError
from flowexport_mgmt.wire.elements import VARIABLE
from flowexport_mgmt.wire.messages import Value
from flowexport_mgmt.wire.templates import Field
from flowexport_mgmt.wire.values import Convert, choose_conversion, name_field, read_number

_LONG = 255  # the length octet that says that two more follow (RFC 7011, section 7)


@dataclass(frozen=True, slots=True)
class Column:
    """One field of a record."""

    name: str
    length: int
    convert: Convert


@dataclass(frozen=True, slots=True)
class Layout:
    """One template of a session.

    ``kind`` is that of its records, ``data`` or ``options``; the first ``scopes`` fields are scope.
    ``least`` is the length of its shortest record in octets.
    """

    kind: str
    fields: tuple[Field, ...]
    scopes: int
    columns: tuple[Column, ...]
    least: int

    @property
    def empty(self) -> int:
        """Count the fields of no length."""
        return sum(field.length == 0 for field in self.fields)

    def differs(self, other: Layout) -> bool:
        """Tell whether records of the other template would be read in another way."""
        ours, theirs = (
            (self.kind, self.scopes, self.fields),
            (other.kind, other.scopes, other.fields),
        )
        return ours != theirs

    def read(self, data: bytes, at: int, end: int) -> tuple[dict[str, Value], int]:
        """Read one record at ``at``: its fields, and where the next one begins.

        Raises:
            DecodeError: ``partial-record``, the record runs past ``end``.
        """
        fields: dict[str, Value] = {}
        for column in self.columns:
            length = column.length
            if length == VARIABLE:
                length, at = _read_length(data, at, end)
            if at + length > end:
                raise DecodeError("partial-record", f"{column.name} runs past its set", at)
            fields[column.name] = column.convert(data[at : at + length])
            at += length
        return fields, at


def _read_length(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Read the length of a field of variable length: it, and where its content begins."""
    width = 3 if at < end and data[at] == _LONG else 1
    if at + width > end:
        raise DecodeError("partial-record", "a variable length runs past its set", at)
    begin = at + 1 if width == 3 else at
    return int.from_bytes(data[begin : at + width], "big"), at + width


def make_layout(
    kind: str, fields: Sequence[Field], scopes: int, scope_types: Mapping[int, str] | None
) -> Layout:
    """Prepare the reading of records.

    ``scope_types`` names the scope types that the first ``scopes`` fields are; None says that
    these are information elements like the others.
    """
    typed = 0 if scope_types is None else scopes
    types = scope_types or {}
    names = [types.get(field.element, f"scope{field.element}") for field in fields[:typed]]
    names += map(name_field, fields[typed:])
    conversions = [read_number] * typed + list(map(choose_conversion, fields[typed:]))
    columns = tuple(
        Column(name, field.length, convert)
        for name, field, convert in zip(_distinct(names), fields, conversions, strict=True)
    )
    least = sum(1 if field.length == VARIABLE else field.length for field in fields)
    return Layout(kind, tuple(fields), scopes, columns, least)


def _distinct(names: Sequence[str]) -> list[str]:
    """Give names that a template has more than once a number."""
    seen: dict[str, int] = {}
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    return result
