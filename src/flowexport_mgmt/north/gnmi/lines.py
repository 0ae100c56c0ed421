"""Configuration as lines of text, for the origin ``cli``: ``set flow-export collector a port 1``.

A line names the nodes from the top, the keys of a list entry after the name of the list, and then
the value of a leaf, if it has one. Words with white space or quotes stand in quotes as a shell has
them. ``delete`` takes the same words without the value.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from _libyang import lib

from flowexport_mgmt.north.gnmi.paths import Element, Pattern, below, is_named, keys_of, text_of
from flowexport_mgmt.north.gnmi.status import RpcError, invalid
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.nodes import Kind, SchemaNode
from flowexport_mgmt.schema.values import identity_names

_MAX_LINES: Final = 200_000
_BOOLEANS: Final = {"true": True, "false": False}


# -- writing


def write(schema: SchemaContext, data: Mapping[str, Any]) -> str:
    """Write a configuration in the form of RFC 7951 as ``set`` lines."""
    tops = schema.top_by_json_name
    made = (_member(tops[name], value, "set") for name, value in data.items())
    return "".join(f"{line}\n" for lines in made for line in lines)


def _member(node: SchemaNode, value: Any, before: str) -> Iterator[str]:
    here = f"{before} {node.name}"
    if node.kind is Kind.LIST:
        for entry in value:
            keys = " ".join(map(shlex.quote, keys_of(node, entry)))
            yield from _object(node, entry, f"{here} {keys}")
    elif node.kind is Kind.LEAF_LIST:
        yield from (f"{here} {shlex.quote(text_of(one))}" for one in value)
    elif node.kind is Kind.LEAF:
        yield here if value == [None] else f"{here} {shlex.quote(text_of(value))}"
    elif node.kind is Kind.CONTAINER:
        yield from _object(node, value, here)


def _object(node: SchemaNode, value: Mapping[str, Any], here: str) -> Iterator[str]:
    names = node.by_json_name
    inner = [(names[name], data) for name, data in value.items() if not names[name].is_key]
    if not inner and (node.kind is Kind.LIST or node.presence):
        yield here
    for child, data in inner:
        yield from _member(child, data, here)


# -- reading


@dataclass(slots=True)
class Sets:
    """Lines that set something, put together to one object in the form of RFC 7951."""

    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deletes:
    """A line that deletes something."""

    pattern: Pattern


def read(schema: SchemaContext, text: str) -> list[Sets | Deletes]:
    """Read lines, in their order.

    Raises:
        RpcError: a line is none; the message tells which.
    """
    lines = text.splitlines()
    if len(lines) > _MAX_LINES:
        raise invalid(f"there are at most {_MAX_LINES} lines")
    found: list[Sets | Deletes] = []
    for number, line in enumerate(lines, 1):
        try:
            _read_line(schema, line, found)
        except (RpcError, ValueError) as error:
            raise invalid(f"line {number}: {error}") from None
    return found


def _read_line(schema: SchemaContext, line: str, found: list[Sets | Deletes]) -> None:
    words = shlex.split(line, comments=True)
    if not words:
        return
    verb, rest = words[0], words[1:]
    if verb == "set":
        if not found or not isinstance(found[-1], Sets):
            found.append(Sets())
        sets = found[-1]
        if isinstance(sets, Sets):
            _set(schema, rest, sets.data)
    elif verb == "delete":
        found.append(Deletes(_pattern(schema, rest)))
    else:
        raise invalid(f"{verb}: a line begins with set or delete")


def _next(schema: SchemaContext, above: SchemaNode | None, word: str) -> SchemaNode:
    name = word.rpartition(":")[2]
    module = word.rpartition(":")[0]
    for node in below(schema, above):
        if is_named(node, Element(name)) and module in ("", node.module, node.prefix):
            return node
    where = above.schema_path if above is not None else "/"
    raise invalid(f"there is no node {word} in {where}")


def _set(schema: SchemaContext, words: Sequence[str], data: dict[str, Any]) -> None:
    node: SchemaNode | None = None
    queue = list(words)
    if not queue:
        raise invalid("nothing is set")
    while queue:
        node = _next(schema, node, queue.pop(0))
        name = f"{node.module}:{node.name}"
        if node.kind is Kind.LIST:
            data = _entry(data.setdefault(name, []), node, _take(queue, node))
        elif node.kind is Kind.CONTAINER:
            data = data.setdefault(name, {})
        else:
            _set_term(node, name, queue, data)
            return


def _set_term(node: SchemaNode, name: str, queue: Sequence[str], data: dict[str, Any]) -> None:
    if node.base_types == {lib.LY_TYPE_EMPTY} and not queue:
        data[name] = [None]
    elif len(queue) != 1:
        raise invalid(f"{node.name} has one value, and this line {len(queue)}")
    elif node.kind is Kind.LEAF_LIST:
        values = data.setdefault(name, [])
        values.append(typed(node, queue[0]))
    else:
        data[name] = typed(node, queue[0])


def typed(node: SchemaNode, text: str) -> Any:
    """Give the value of a leaf, written as YANG does, in the form of RFC 7951 as it is read."""
    if lib.LY_TYPE_BOOL in node.base_types and text in _BOOLEANS:
        return _BOOLEANS[text]
    if node.base_types == {lib.LY_TYPE_EMPTY} and not text:
        return [None]
    return identity_names(node).get(text, text)


def _take(queue: list[str], node: SchemaNode) -> tuple[str, ...]:
    count = len(node.keys)
    if len(queue) < count:
        raise invalid(f"an entry of {node.name} has {count} keys")
    keys = tuple(queue[:count])
    del queue[:count]
    return keys


def _entry(entries: list[Any], node: SchemaNode, keys: tuple[str, ...]) -> dict[str, Any]:
    wanted = {key.name: typed(key, text) for key, text in zip(node.keys, keys, strict=True)}
    last: dict[str, Any] | None = entries[-1] if entries else None
    if last is not None and _is(last, wanted):
        return last
    for entry in entries:
        if _is(entry, wanted):
            found: dict[str, Any] = entry
            return found
    entries.append(wanted)
    return wanted


def _is(entry: Mapping[str, Any], keys: Mapping[str, Any]) -> bool:
    return all(entry.get(name) == value for name, value in keys.items())


def _pattern(schema: SchemaContext, words: Sequence[str]) -> Pattern:
    node: SchemaNode | None = None
    queue, elements = list(words), []
    while queue:
        node = _next(schema, node, queue.pop(0))
        keys: tuple[tuple[str, str], ...] = ()
        if node.kind is Kind.LIST and queue:
            names = (key.name for key in node.keys)
            keys = tuple(zip(names, _take(queue, node), strict=True))
        elements.append(Element(node.name, node.module, keys))
        if node.is_term and queue:
            raise invalid(f"a value is not deleted by itself: {' '.join(queue)}")
    return Pattern(tuple(elements))
