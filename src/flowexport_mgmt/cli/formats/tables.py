"""Lists of objects as columns: aligned for people, separated by commas for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from flowexport_mgmt.cli.values import Value

_GAP: Final = 2
_NARROWEST: Final = 8
_MORE: Final = "~"


def flat(value: Value, prefix: str = "") -> dict[str, Value]:
    """Give the members of an object with those of inner objects as ``outer/inner``."""
    if not isinstance(value, dict):
        return {prefix.rstrip("/") or "value": value}
    result: dict[str, Value] = {}
    for name, inner in value.items():
        if isinstance(inner, dict):
            result |= flat(inner, f"{prefix}{name}/")
        else:
            result[prefix + name] = inner
    return result


def rows_of(value: Value) -> tuple[list[str], list[list[str]]]:
    """Give the columns of a list of objects, and a row of texts for each of them."""
    entries = [flat(entry) for entry in (value if isinstance(value, list) else [value])]
    columns = list(dict.fromkeys(name for entry in entries for name in entry))
    rows = [[_cell(entry[name]) if name in entry else "" for name in columns] for entry in entries]
    return columns, rows


def _cell(value: Value) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and not any(isinstance(inner, dict | list) for inner in value):
        return " ".join(map(_cell, value))
    return msgspec.json.encode(value).decode()


def comma_separated(value: Value) -> list[str]:
    """Write CSV (RFC 4180) with a head line."""
    columns, rows = rows_of(value)
    if not columns:
        return []
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows([columns, *rows])
    return written.getvalue().rstrip("\n").split("\n")


def table(value: Value, width: int | None) -> list[str]:
    """Write aligned columns, not wider than ``width``; heads are broken at their hyphens.

    Where even the narrowest columns have no room, entries are written one below the other.
    """
    columns, rows = rows_of(value)
    if not columns:
        return []
    heads = [_broken(name) for name in columns]
    widths = [
        max([len(part) for part in head] + [len(row[i]) for row in rows])
        for i, head in enumerate(heads)
    ]
    if width is not None and not _shrink(widths, width):
        return list(text(value))
    numeric = [all(_is_number(row[i]) for row in rows) for i in range(len(columns))]
    height = max(map(len, heads))
    head_rows = [
        [([""] * (height - len(head)) + head)[line] for head in heads] for line in range(height)
    ]
    rule = ["-" * size for size in widths]
    return [_line(row, widths, numeric) for row in [*head_rows, rule, *rows]]


def _broken(name: str) -> list[str]:
    parts = name.replace("/", "/-").split("-")
    return [f"{part}-" if not part.endswith("/") else part for part in parts[:-1]] + parts[-1:]


def _shrink(widths: list[int], width: int) -> bool:
    """Take room from the widest columns until all fit; say whether they do."""
    room = width - _GAP * (len(widths) - 1)
    while sum(widths) > room:
        widest = max(range(len(widths)), key=widths.__getitem__)
        if widths[widest] <= _NARROWEST:
            return False
        widths[widest] -= 1
    return True


def _line(row: Sequence[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    cells = [
        _fitted(cell, size).rjust(size) if right else _fitted(cell, size).ljust(size)
        for cell, size, right in zip(row, widths, numeric, strict=True)
    ]
    return (" " * _GAP).join(cells).rstrip()


def _fitted(cell: str, size: int) -> str:
    return cell if len(cell) <= size else cell[: size - 1] + _MORE


def _is_number(cell: str) -> bool:
    return not cell or cell.lstrip("-").replace(".", "", 1).isdecimal()


def text(value: Value, indent: str = "") -> Iterator[str]:
    """Write names and values, one a line; entries of a list are set apart by empty lines."""
    if isinstance(value, list):
        for position, entry in enumerate(value):
            if position and isinstance(entry, dict):
                yield ""
            yield from text(entry, indent)
    elif isinstance(value, dict):
        width = max((len(name) for name in value), default=0)
        for name, inner in value.items():
            if isinstance(inner, dict) or (isinstance(inner, list) and _has_objects(inner)):
                yield f"{indent}{name}"
                yield from text(inner, indent + "  ")
            else:
                yield f"{indent}{name:{width}}  {_cell(inner)}".rstrip()
    else:
        yield indent + _cell(value)


def _has_objects(values: Sequence[Value]) -> bool:
    return any(isinstance(value, dict) for value in values)
