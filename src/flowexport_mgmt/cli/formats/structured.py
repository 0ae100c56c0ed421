"""Values as JSON, as JSON a line, and as YAML."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from flowexport_mgmt.cli.values import Value

_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./-]+)*")
_UNPRINTABLE: Final = re.compile(r"[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""What YAML does not have as it is, or takes for the end of a line (YAML 1.2, section 5.1)."""
_WORDS: Final = frozenset(("true", "false", "null", "yes", "no", "on", "off", "y", "n", "none"))


def pretty_json(value: Value) -> list[str]:
    """Write JSON with an indent of two."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode().split("\n")


def compact_json(value: Value) -> list[str]:
    """Write JSON on one line."""
    return [msgspec.json.encode(value).decode()]


def json_lines(value: Value) -> list[str]:
    """Write each entry of a list as JSON on a line of its own."""
    entries = value if isinstance(value, list) else [value]
    return [msgspec.json.encode(entry).decode() for entry in entries]


def yaml(value: Value) -> list[str]:
    """Write YAML in block style."""
    if isinstance(value, dict | list) and value:
        return list(_block(value, ""))
    return [_scalar(value)]


def _block(value: Value, indent: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _entry(f"{indent}{_scalar(name)}:", inner, indent + "  ")
    elif isinstance(value, list):
        for inner in value:
            yield from _item(inner, indent)


def _entry(head: str, value: Value, indent: str) -> Iterator[str]:
    if isinstance(value, dict | list) and value:
        yield head
        yield from _block(value, indent)
    else:
        yield f"{head} {_scalar(value)}"


def _item(value: Value, indent: str) -> Iterator[str]:
    """Write an item of a list: its first line stands beside the dash."""
    if not (isinstance(value, dict | list) and value):
        yield f"{indent}- {_scalar(value)}"
        return
    first, *rest = _block(value, indent + "  ")
    yield f"{indent}- {first.strip()}"
    yield from rest


def _scalar(value: Value) -> str:
    """Write a scalar; a text that YAML could take for something else is quoted as JSON is."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    written = msgspec.json.encode(value).decode()
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", written)
