"""Paths: from the messages of a request to patterns over the schema, and back to messages.

An element is the name of a node, with or without the name of its module (or its prefix) before a
colon; ``*`` is any one element and ``...`` any number of them. A key that is left out, or ``*``,
stands for all entries. The origin is empty, ``rfc7951``, or the name of a module, which then is
that of the first element.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from flowexport_mgmt.north.gnmi.messages import Path, PathElem
from flowexport_mgmt.north.gnmi.status import Code, RpcError, invalid, unimplemented
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.library import LibraryError
from flowexport_mgmt.schema.nodes import Kind, SchemaNode
from flowexport_mgmt.schema.on_request import list_of, write_request
from flowexport_mgmt.schema.values import canonical_value, identity_names

CLI: Final = "cli"
"""The origin of configuration as lines of text."""
DEEP: Final = "..."
_ANY: Final = "*"
_MAX_ELEMENTS: Final = 64
_ELEMENT: Final = re.compile(r"(?P<name>[^\[\]]+)(?P<keys>(?:\[[^\]=]+=(?:\\.|[^\]\\])*\])*)")
_KEY: Final = re.compile(r"\[([^\]=]+)=((?:\\.|[^\]\\])*)\]")


@dataclass(frozen=True, slots=True)
class Element:
    """An element of a pattern: ``module`` is empty where any will do; keys that count.

    ``any_key`` says that a key was given as ``*``, which chooses like one that is left out.
    """

    name: str
    module: str = ""
    keys: tuple[tuple[str, str], ...] = ()
    any_key: bool = False

    def __str__(self) -> str:
        """Write the element as people do."""
        name = f"{self.module}:{self.name}" if self.module else self.name
        return name + "".join(f"[{key}={value}]" for key, value in self.keys)


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a path of a request chooses; the root when it has no elements."""

    elements: tuple[Element, ...] = ()
    origin: str = ""

    def __str__(self) -> str:
        """Write the path as people do."""
        return "/" + "/".join(map(str, self.elements))

    @property
    def has_wildcard(self) -> bool:
        """Whether an element may be more than one node of the schema."""
        return any(element.name in (_ANY, DEEP) for element in self.elements)


class Place(NamedTuple):
    """An instance of a node: its schema node and, of a list entry, its keys."""

    schema: SchemaNode
    keys: tuple[str, ...] = ()


Instance = tuple[Place, ...]
"""The nodes from the top to an instance."""


def read_path(schema: SchemaContext, prefix: Any, path: Any) -> Pattern:
    """Read a path of a request below its prefix.

    Raises:
        RpcError: it is no path.
    """
    origin = _origin(prefix, path)
    written = [*_elements(prefix), *_elements(path)]
    if len(written) > _MAX_ELEMENTS:
        raise invalid(f"a path has at most {_MAX_ELEMENTS} elements, and this one {len(written)}")
    modules = _modules(schema)
    elements = [_element(modules, name, keys) for name, keys in written]
    if origin in modules and elements and elements[0].name not in (_ANY, DEEP):
        elements[0] = replace(elements[0], module=elements[0].module or origin)
    elif origin not in ("", "rfc7951", CLI) and origin not in modules:
        raise unimplemented(f"origin {origin!r} is not served here")
    return Pattern(tuple(elements), origin)


def _origin(prefix: Any, path: Any) -> str:
    if prefix.origin and path.origin and prefix.origin != path.origin:
        raise invalid(f"origin {path.origin!r} is not that of the prefix, {prefix.origin!r}")
    return str(prefix.origin or path.origin)


def _elements(path: Any) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Give names and keys; the deprecated form counts where there is no other."""
    if path.elem:
        for element in path.elem:
            yield element.name, dict(element.key)
        return
    for text in path.element:
        match = _ELEMENT.fullmatch(text)
        if match is None:
            raise invalid(f"{text!r} is no element of a path")
        yield match["name"], {key: _unescape(value) for key, value in _KEY.findall(match["keys"])}


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


@functools.lru_cache(maxsize=8)
def _modules(schema: SchemaContext) -> Mapping[str, str]:
    """Give the name of each module by its name and by its prefix."""
    served = [module for module in schema.modules if module.implemented]
    names = {module.prefix: module.name for module in served}
    return names | {module.name: module.name for module in served}


def _element(modules: Mapping[str, str], written: str, keys: Mapping[str, str]) -> Element:
    module, _, name = written.rpartition(":")
    if not name:
        raise invalid("an element of the path has no name")
    if module and module not in modules:
        raise unimplemented(f"{written}: there is no module {module} here")
    found = {key.rpartition(":")[2]: value for key, value in keys.items()}
    kept = tuple((key, value) for key, value in sorted(found.items()) if value != _ANY)
    return Element(name, modules[module] if module else "", kept, len(kept) < len(found))


# -- against the schema


def resolve(schema: SchemaContext, pattern: Pattern) -> tuple[Pattern, tuple[SchemaNode, ...]]:
    """Find the schema nodes that a pattern can lead to, and make its keys canonical.

    Raises:
        RpcError: UNIMPLEMENTED for a first element that no module here has, INVALID_ARGUMENT for
            one further down, for keys that the list does not have, and for values that are none.
    """
    elements: list[Element] = []
    level: tuple[SchemaNode | None, ...] = (None,)
    for index, element in enumerate(pattern.elements):
        level = tuple(dict.fromkeys(_step(schema, level, element)))
        if not level:
            where = Pattern(pattern.elements[: index + 1])
            code = Code.INVALID_ARGUMENT if index else Code.UNIMPLEMENTED
            raise RpcError(code, f"{where}: there is no such node in the schema")
        elements.append(_with_keys(schema, level, element, pattern))
    nodes = tuple(node for node in level if node is not None)
    return Pattern(tuple(elements), pattern.origin), nodes


def _step(
    schema: SchemaContext, level: Iterable[SchemaNode | None], element: Element
) -> Iterator[SchemaNode | None]:
    for node in level:
        if element.name == DEEP:
            yield node
            yield from _descendants(schema, node)
        else:
            yield from (c for c in below(schema, node) if is_named(c, element))


def _descendants(schema: SchemaContext, node: SchemaNode | None) -> Iterator[SchemaNode]:
    for child in below(schema, node):
        yield child
        yield from _descendants(schema, child)


def below(schema: SchemaContext, node: SchemaNode | None) -> Iterable[SchemaNode]:
    """Give the schema nodes below one, or the top ones."""
    if node is None:
        return schema.top_nodes.values()
    return () if node.is_term else node.children.values()


def is_named(node: SchemaNode, element: Element) -> bool:
    """Tell whether an element that is no ``...`` can be a node."""
    if element.name not in (_ANY, node.name):
        return False
    return element.module in ("", node.module)


def _with_keys(
    schema: SchemaContext,
    level: Iterable[SchemaNode | None],
    element: Element,
    pattern: Pattern,
) -> Element:
    if not element.keys:
        return element
    lists = [node for node in level if node is not None and node.kind is Kind.LIST]
    fitting = [n for n in lists if {k.name for k in n.keys} >= {name for name, _ in element.keys}]
    if not fitting:
        raise invalid(f"{pattern}: {element.name} has no such keys")
    if len(fitting) > 1:
        return element
    keys = {key.name: key for key in fitting[0].keys}
    made = [(name, _key(schema, keys[name], value, pattern)) for name, value in element.keys]
    return replace(element, keys=tuple(made))


def _key(schema: SchemaContext, key: SchemaNode, value: str, pattern: Pattern) -> str:
    try:
        return canonical_value(schema, key, identity_names(key).get(value, value))
    except LibraryError as error:
        said = error.items[0].message if error.items else str(error)
        raise invalid(f"{pattern}: key {key.name}: {said}") from None


def asked_paths(
    schema: SchemaContext, pattern: Pattern, nodes: Iterable[SchemaNode]
) -> tuple[str, ...]:
    """Give the schema paths of what a pattern leads to; none leads to the root.

    Lists that are told only to who names them are asked for with the keys of the pattern.
    """
    return tuple(dict.fromkeys(_asked(schema, pattern, node) for node in nodes)) or ("/",)


def _asked(schema: SchemaContext, pattern: Pattern, node: SchemaNode) -> str:
    listed = list_of(node.schema_path, schema.on_request)
    if listed is None:
        return node.schema_path
    way = pattern.elements[: listed.count("/")]
    keys = () if any(element.name == DEEP for element in way) else way[-1].keys
    return write_request(listed, keys)


# -- against data


Object = Mapping[str, Any]
"""An object in the form of RFC 7951."""


Index = dict[int, Mapping[tuple[str, ...], Any]]
"""The entries of lists by their keys; the lists, which have to live on, by their identity."""


def select(
    schema: SchemaContext, pattern: Pattern, document: Object, index: Index
) -> Iterator[tuple[Instance, Any]]:
    """Give the instances of a document that a pattern chooses, each once, with their values.

    The root is the empty instance. ``...`` at the end chooses what is chosen without it. An entry
    whose keys are all given is looked up in ``index``, which is filled as needed: a thousand paths
    do not each go through a thousand entries.
    """
    elements = list(pattern.elements)
    while elements and elements[-1].name == DEEP:
        elements.pop()
    seen: set[Instance] | None = set() if any(e.name == DEEP for e in elements) else None
    for found in _Selection(schema, index).below(tuple(elements), (), document):
        if seen is not None:
            if found[0] in seen:
                continue
            seen.add(found[0])
        yield found


class _Selection:
    """Goes down a document along the elements of a pattern."""

    def __init__(self, schema: SchemaContext, index: Index) -> None:
        self._schema = schema
        self._index = index

    def below(
        self, elements: Sequence[Element], instance: Instance, value: Any
    ) -> Iterator[tuple[Instance, Any]]:
        """Give what the elements choose below an instance."""
        if not elements:
            yield instance, value
            return
        element, rest = elements[0], elements[1:]
        if element.name == DEEP:
            yield from self.below(rest, instance, value)
            for place, child in children(self._schema, instance, value):
                yield from self.below(elements, (*instance, place), child)
            return
        for place, child in self._named(instance, value, element):
            yield from self.below(rest, (*instance, place), child)

    def _named(
        self, instance: Instance, value: Any, element: Element
    ) -> Iterator[tuple[Place, Any]]:
        for node, data in _members(self._schema, instance, value):
            if not is_named(node, element):
                continue
            if node.kind is not Kind.LIST:
                if not element.keys:
                    yield _place(node), data
            elif element.keys and len(element.keys) == len(node.keys):
                yield from self._entry(node, data, element)
            else:
                yield from (
                    (place, entry)
                    for place, entry in _entries(node, data)
                    if _has_keys(node, place.keys, element)
                )

    def _entry(self, node: SchemaNode, data: Any, element: Element) -> Iterator[tuple[Place, Any]]:
        found = self._index.get(id(data))
        if found is None:
            found = self._index[id(data)] = {keys_of(node, entry): entry for entry in data}
        given = dict(element.keys)
        keys = tuple(given.get(key.name, "") for key in node.keys)
        if keys in found:
            yield Place(node, keys), found[keys]


def children(schema: SchemaContext, instance: Instance, value: Any) -> Iterator[tuple[Place, Any]]:
    """Give the instances directly below one, those of a list one by one."""
    for node, data in _members(schema, instance, value):
        if node.kind is Kind.LIST:
            yield from _entries(node, data)
        else:
            yield _place(node), data


def _members(
    schema: SchemaContext, instance: Instance, value: Any
) -> Iterator[tuple[SchemaNode, Any]]:
    if not isinstance(value, dict):  # as it was decoded; an abstract type takes longer to ask
        return
    names = instance[-1].schema.by_json_name if instance else schema.top_by_json_name
    for name, data in value.items():
        node = names.get(name)
        if node is not None:
            yield node, data


def _entries(node: SchemaNode, data: Any) -> Iterator[tuple[Place, Any]]:
    return ((Place(node, keys_of(node, entry)), entry) for entry in data)


@functools.lru_cache(maxsize=4096)
def _place(node: SchemaNode) -> Place:
    """Give the one place of a node that has no keys."""
    return Place(node)


def keys_of(node: SchemaNode, entry: Object) -> tuple[str, ...]:
    """Give the keys of a list entry, in canonical form."""
    return tuple(text_of(entry.get(key.name, "")) for key in node.keys)


def text_of(value: Any) -> str:
    """Write a value of RFC 7951 as YANG does."""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else str(value)


def _has_keys(node: SchemaNode, keys: Sequence[str], element: Element) -> bool:
    if not element.keys:
        return True
    mine = {key.name: value for key, value in zip(node.keys, keys, strict=True)}
    return all(mine.get(name) == value for name, value in element.keys)


# -- back to messages


def write_path(instance: Instance) -> Any:
    """Give the message of an instance's path."""
    return Path(elem=[_elem(place) for place in instance])


def _elem(place: Place) -> Any:
    names = [key.name for key in place.schema.keys] if place.keys else []
    return PathElem(name=_name(place.schema), key=dict(zip(names, place.keys, strict=True)))


@functools.lru_cache(maxsize=4096)
def _name(node: SchemaNode) -> str:
    """Give the name of a node, with its module only where it would be ambiguous without."""
    alike = sum(sibling.name == node.name for sibling in node.siblings)
    return f"{node.module}:{node.name}" if alike > 1 else node.name


def write_text(instance: Instance) -> str:
    """Write the path of an instance as people do."""
    return "/" + "/".join(
        place.schema.name
        + "".join(f"[{k.name}={v}]" for k, v in zip(place.schema.keys, place.keys, strict=False))
        for place in instance
    )
