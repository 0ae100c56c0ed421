"""Datastores as XML: what get and get-config answer from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Protocol

from lxml import etree

from flowexport_mgmt.datastore import Datastore, Store
from flowexport_mgmt.north.netconf.selection import Keys, Selection, prune
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.nodes import Kind, SchemaNode
from flowexport_mgmt.schema.tree import Defaults, Format, Tree

_TRUSTED: Final = etree.XMLParser(huge_tree=True, resolve_entities=False, no_network=True)


class Filter(Protocol):
    """A filter of either kind, ready to be matched."""

    @property
    def paths(self) -> Sequence[str]:
        """The schema paths, without prefixes, below which it may choose something."""

    def select(self, data: etree._Element) -> Selection | None:
        """Choose among the children of ``data``; None chooses all."""


@dataclass(frozen=True)
class Document:
    """A tree as it was printed; parsed when the first filter needs it."""

    xml: bytes
    keys: Keys

    @cached_property
    def data(self) -> etree._Element:
        """The tree below an element that stands for its root."""
        return etree.fromstring(b"<data>%b</data>" % self.xml, _TRUSTED)

    def filtered(self, chosen: Filter | None) -> bytes:
        """Give what a filter chooses, or all, as XML elements."""
        if chosen is None:
            return self.xml
        selection = chosen.select(self.data)
        if selection is None:
            return self.xml
        return print_all(prune(self.data, selection, self.keys))


class Reader:
    """Prints datastores; the running configuration only once after each commit."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore
        self._keys = list_keys(datastore.schema)
        self._running: tuple[int, Document] | None = None

    def configuration(self, store: Store, defaults: Defaults = Defaults.EXPLICIT) -> Document:
        """Print a configuration datastore."""
        if defaults is not Defaults.EXPLICIT or store is not Store.RUNNING:
            return self._printed(self._with_defaults(store, defaults), defaults)
        commit = self._datastore.record.id
        if self._running is None or self._running[0] != commit:
            self._running = (commit, self._printed(self._datastore.read(store)))
        return self._running[1]

    async def operational(
        self, paths: Sequence[str], defaults: Defaults = Defaults.EXPLICIT
    ) -> Document:
        """Print the configuration with the state at, above and below the given schema paths."""
        return self._printed(await self._datastore.operational(paths), defaults)

    def _with_defaults(self, store: Store, defaults: Defaults) -> Tree:
        """Give a datastore with the values of the schema; only running has them all the time."""
        tree = self._datastore.read(store)
        if store is Store.RUNNING or defaults in (Defaults.EXPLICIT, Defaults.TRIM):
            return tree
        with tree:  # what an edit left of old defaults need not hold any more
            explicit = Tree.parse(self._datastore.schema, tree.print(Format.XML), Format.XML)
        explicit.add_defaults()
        return explicit

    def _printed(self, tree: Tree, defaults: Defaults = Defaults.EXPLICIT) -> Document:
        with tree:
            return Document(tree.print(Format.XML, defaults), self._keys)


def list_keys(schema: SchemaContext) -> Keys:
    """Collect the keys of every list."""
    return dict(_list_keys((), schema.top_nodes.values()))


def _list_keys(
    path: tuple[str, ...], nodes: Iterable[SchemaNode]
) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    for node in nodes:
        here = (*path, _tag(node))
        if node.kind is Kind.LIST:
            yield here, tuple(_tag(key) for key in node.keys)
        if node.kind in (Kind.LIST, Kind.CONTAINER):
            yield from _list_keys(here, node.children.values())


def _tag(node: SchemaNode) -> str:
    return f"{{{node.namespace}}}{node.name}"


def print_all(elements: Iterable[etree._Element]) -> bytes:
    """Print elements one after the other."""
    return b"".join(etree.tostring(e, encoding="UTF-8", with_tail=False) for e in elements)
