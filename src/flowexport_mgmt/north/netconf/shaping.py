"""What of the chosen data is sent: configuration or state, by origin, to a depth (RFC 8526)."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import quoteattr

from lxml import etree

from flowexport_mgmt.north.netconf import names
from flowexport_mgmt.north.netconf.printing import default_within, print_around, print_within
from flowexport_mgmt.north.netconf.selection import Selection
from flowexport_mgmt.schema.nodes import Kind, SchemaNode

DEFAULT_TAG: Final = f"{{{names.WITH_DEFAULTS}}}default"
_TAG_DECLARED: Final = f' xmlns:ncwd="{names.WITH_DEFAULTS}"'.encode()
_TAG: Final = b' ncwd:default="true"'
"""The tag as libyang prints it."""


class Origin(enum.StrEnum):
    """Where a configuration node comes from (RFC 8342, section 5.3.4); ANY is the base of all."""

    ANY = "origin"
    INTENDED = "intended"
    DYNAMIC = "dynamic"
    SYSTEM = "system"
    LEARNED = "learned"
    DEFAULT = "default"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class OriginFilter:
    """Origins that are wanted or, negated, that are not."""

    origins: frozenset[Origin]
    negated: bool = False

    def accepts(self, origin: Origin) -> bool:
        """Tell whether a node of this origin is wanted."""
        named = origin in self.origins or Origin.ANY in self.origins
        return named is not self.negated


@dataclass(frozen=True, slots=True)
class Shape:
    """The parameters of get-data that come after its filter.

    ``config``: only configuration (True) or only state (False). ``depth``: levels from each chosen
    node on, itself counted; 0 for all. ``tags``: leave the tags of default values in.
    ``only``: which nodes are wanted for themselves.
    """

    config: bool | None = None
    depth: int = 0
    origins: OriginFilter | None = None
    with_origin: bool = False
    tags: bool = False
    only: Callable[[SchemaNode], bool] | None = None

    @property
    def is_plain(self) -> bool:
        """Whether all that was chosen is sent as it is; no tags are in it then unless wanted."""
        limited = self.config is not None or self.depth or self.only is not None
        return not (limited or self.origins is not None or self.with_origin)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the walk is: what is chosen, and what lies around it."""

    selection: Selection | None
    depth: int
    origin: Origin | None = None
    default: str = ""


def print_shaped(
    data: etree._Element,
    selection: Selection | None,
    shape: Shape,
    schemas: Mapping[str, SchemaNode],
) -> bytes:
    """Print what is chosen below ``data`` in the shape that is wanted.

    Ancestors and keys of what is sent are sent too. ``data`` holds in-use values, with those of
    the schema tagged as such wherever origins are asked for.
    """
    start = _Place(selection, shape.depth)
    return b"".join(_Printer(shape).below(data, schemas, start))


class _Printer:
    def __init__(self, shape: Shape) -> None:
        self._shape = shape

    def below(
        self, data: etree._Element, schemas: Mapping[str, SchemaNode], place: _Place
    ) -> Iterator[bytes]:
        """Print the children of an element, as far as they are wanted."""
        for child in data:
            schema = schemas.get(str(child.tag))
            if schema is not None and _chosen(child, place.selection):
                yield self._print(child, schema, place)

    def _print(self, element: etree._Element, schema: SchemaNode, place: _Place) -> bytes:
        """Print an element; nothing when it is not wanted."""
        origin = _origin(element, schema)
        wanted = self._wants(schema, origin)
        if schema.is_term or schema.is_any:
            return self._leaf(element, schema, origin, place) if wanted else b""
        content = self._content(element, schema, origin, place)
        if not wanted and not content:
            return b""
        if schema.kind is Kind.LIST:
            content = self._keys(element, schema, origin, place) + content
        return print_around(
            element, content, place.default, self._told(schema, origin, place.origin)
        )

    def _content(
        self, element: etree._Element, schema: SchemaNode, origin: Origin | None, place: _Place
    ) -> bytes:
        """Print what is in an element, the keys of an entry left out."""
        selection = None if place.selection is None else place.selection[element]
        if selection is None and place.depth == 1:
            return b""
        depth = self._shape.depth if selection is not None else max(place.depth - 1, 0)
        inside = default_within(element, place.default)
        inner = _Place(selection, depth, origin or place.origin, inside)
        rest = {tag: child for tag, child in schema.children.items() if not child.is_key}
        return b"".join(self.below(element, rest, inner))

    def _keys(
        self, element: etree._Element, schema: SchemaNode, origin: Origin | None, place: _Place
    ) -> bytes:
        """Print the keys of an entry, which stand first in it."""
        inner = _Place(None, 0, origin or place.origin, default_within(element, place.default))
        keys = ((key, element.find(key.tag)) for key in schema.keys)
        return b"".join(
            self._leaf(leaf, key, _origin(leaf, key), inner)
            for key, leaf in keys
            if leaf is not None
        )

    def _wants(self, schema: SchemaNode, origin: Origin | None) -> bool:
        """Tell whether a node is wanted for itself, not only for what is below it."""
        if self._shape.config not in (None, schema.config):
            return False
        if self._shape.only is not None and not self._shape.only(schema):
            return False
        if self._shape.origins is None or not schema.config:
            return True
        return origin is not None and self._shape.origins.accepts(origin)

    def _leaf(
        self, element: etree._Element, schema: SchemaNode, origin: Origin | None, place: _Place
    ) -> bytes:
        """Print an element with all that is in it."""
        xml = print_within(element, place.default)
        if not self._shape.tags and element.get(DEFAULT_TAG) is not None:
            xml = xml.replace(_TAG_DECLARED, b"", 1).replace(_TAG, b"", 1)
        told = self._told(schema, origin, place.origin)
        if not told:
            return xml
        end = len(names.local_name(str(element.tag)).encode()) + 1
        return xml[:end] + told.encode() + xml[end:]

    def _told(self, schema: SchemaNode, origin: Origin | None, above: Origin | None) -> str:
        """Write the origin of a node where it is not the one of the node above."""
        if not self._shape.with_origin or not schema.config:
            return ""
        told = origin or above or Origin.INTENDED
        if told is above:
            return ""
        declared = "" if above else f" xmlns:or={quoteattr(names.ORIGIN)}"
        return f'{declared} or:origin="or:{told}"'


def _chosen(element: etree._Element, selection: Selection | None) -> bool:
    return selection is None or element in selection


def _origin(element: etree._Element, schema: SchemaNode) -> Origin | None:
    """Give the origin of a node of its own; state and structural containers have none."""
    if not schema.config or (schema.kind is Kind.CONTAINER and not schema.presence):
        return None
    return Origin.DEFAULT if element.get(DEFAULT_TAG) == "true" else Origin.INTENDED
