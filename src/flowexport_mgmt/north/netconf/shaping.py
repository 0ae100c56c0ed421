"""What of the chosen data is sent: configuration or state, by origin, to a depth (RFC 8526)."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, cast

from lxml import etree

from flowexport_mgmt.north.netconf import names
from flowexport_mgmt.north.netconf.selection import Selection
from flowexport_mgmt.schema.nodes import Kind, SchemaNode

DEFAULT_TAG: Final = f"{{{names.WITH_DEFAULTS}}}default"
_ORIGIN_TAG: Final = f"{{{names.ORIGIN}}}origin"
_PREFIX: Final = "or"


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
    """Where the walk is: what is chosen, what lies around it."""

    selection: Selection | None
    depth: int
    origin: Origin | None


def shaped(
    data: etree._Element,
    selection: Selection | None,
    shape: Shape,
    schemas: Mapping[str, SchemaNode],
) -> list[etree._Element]:
    """Copy what is chosen below ``data`` in the shape that is wanted.

    Ancestors and keys of what is sent are sent too. ``data`` holds in-use values, with those of
    the schema tagged as such wherever origins are asked for.
    """
    start = _Place(selection, shape.depth, None)
    return list(_Shaper(shape).below(data, schemas, start))


class _Shaper:
    def __init__(self, shape: Shape) -> None:
        self._shape = shape

    def below(
        self, data: etree._Element, schemas: Mapping[str, SchemaNode], place: _Place
    ) -> Iterator[etree._Element]:
        """Copy the children of an element, as far as they are wanted."""
        for child in data:
            schema = schemas.get(str(child.tag))
            if schema is None or not _chosen(child, place.selection):
                continue
            copy = self._copy(child, schema, place)
            if copy is not None:
                yield copy

    def _copy(
        self, element: etree._Element, schema: SchemaNode, place: _Place
    ) -> etree._Element | None:
        origin = _origin(element, schema)
        wanted = self._wants(schema, origin)
        if schema.is_term and not wanted:
            return None
        copy = self._shell(element, schema, origin, place.origin)
        if schema.is_term or schema.is_any:
            copy.text = element.text
            copy.extend(element)
            return copy
        selection = None if place.selection is None else place.selection[element]
        inner = _Place(selection, max(place.depth - 1, 0), origin or place.origin)
        if selection is not None:
            inner = _Place(selection, self._shape.depth, inner.origin)
        at_bottom = selection is None and place.depth == 1
        copy.extend(() if at_bottom else self.below(element, schema.children, inner))
        if not wanted and not len(copy):
            return None
        if schema.kind is Kind.LIST:
            self._add_keys(element, schema, copy, inner.origin)
        return copy

    def _wants(self, schema: SchemaNode, origin: Origin | None) -> bool:
        """Tell whether a node is wanted for itself, not only for what is below it."""
        if self._shape.config not in (None, schema.config):
            return False
        if self._shape.only is not None and not self._shape.only(schema):
            return False
        if self._shape.origins is None or not schema.config:
            return True
        return origin is not None and self._shape.origins.accepts(origin)

    def _shell(
        self,
        element: etree._Element,
        schema: SchemaNode,
        origin: Origin | None,
        above: Origin | None,
    ) -> etree._Element:
        """Copy an element without what is in it."""
        attributes = names.attributes_of(element)
        if not self._shape.tags:
            attributes.pop(DEFAULT_TAG, None)
        shell = etree.Element(element.tag, attributes, dict(self._namespaces(element)))
        if self._shape.with_origin and schema.config:
            told = origin or (above or Origin.INTENDED)
            if told is not above:
                shell.set(_ORIGIN_TAG, f"{_PREFIX}:{told}")
        return shell

    def _namespaces(self, element: etree._Element) -> Iterator[tuple[str, str]]:
        for prefix, namespace in cast(dict[str, str], element.nsmap).items():
            if namespace != names.WITH_DEFAULTS or self._shape.tags:
                yield prefix, namespace
        if self._shape.with_origin:
            yield _PREFIX, names.ORIGIN

    def _add_keys(
        self,
        element: etree._Element,
        schema: SchemaNode,
        copy: etree._Element,
        origin: Origin | None,
    ) -> None:
        """Put in front the keys that were not chosen."""
        for index, key in enumerate(schema.keys):
            if copy.find(key.tag) is None and (leaf := element.find(key.tag)) is not None:
                twin = self._shell(leaf, key, origin, origin)
                twin.text = leaf.text
                copy.insert(index, twin)


def _chosen(element: etree._Element, selection: Selection | None) -> bool:
    return selection is None or element in selection


def _origin(element: etree._Element, schema: SchemaNode) -> Origin | None:
    """Give the origin of a node of its own; state and structural containers have none."""
    if not schema.config or (schema.kind is Kind.CONTAINER and not schema.presence):
        return None
    return Origin.DEFAULT if element.get(DEFAULT_TAG) == "true" else Origin.INTENDED
