"""Datastores as XML: what get and get-config answer from."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from typing import Final, Protocol

from flowexport_mgmt.datastore import Datastore, Session, Store
from flowexport_mgmt.north.netconf.evaluation import Evaluator, Printed
from flowexport_mgmt.north.netconf.selection import Keys, Selection, print_selection
from flowexport_mgmt.schema.context import SchemaContext
from flowexport_mgmt.schema.nodes import Kind, SchemaNode
from flowexport_mgmt.schema.on_request import common_paths, special_paths
from flowexport_mgmt.schema.tree import Defaults, Format, Tree

_VIEWS: Final = 16
"""Views of running that are kept; there are as many as groups of users with rights of their own."""


class Filter(Protocol):
    """A filter of either kind, ready to be matched."""

    @property
    def paths(self) -> Sequence[str]:
        """The schema paths, without prefixes, below which it may choose something."""

    def requests(self, lists: Collection[str]) -> tuple[str, ...]:
        """List what is asked of lists that are told only to who names them."""

    async def select(self, document: Printed, evaluator: Evaluator) -> Selection | None:
        """Choose among the top nodes of a document; None chooses all."""

    async def matches(self, document: Printed, evaluator: Evaluator) -> bool:
        """Tell whether it chooses anything."""


class Reader:
    """Prints what a session may see; running once after each commit for those who see alike."""

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore
        self._keys = list_keys(datastore.schema)
        self._commit = -1
        self._running: dict[Hashable, Printed] = {}
        self.evaluator = Evaluator()

    async def filtered(self, document: Printed, chosen: Filter | None) -> bytes:
        """Give what a filter chooses, or all, as XML elements."""
        selection = await self.select(document, chosen)
        if selection is None:
            return document.xml
        return print_selection(document.data, selection, self._keys)

    async def select(self, document: Printed, chosen: Filter | None) -> Selection | None:
        """Tell what a filter chooses; None for everything."""
        return None if chosen is None else await chosen.select(document, self.evaluator)

    def paths_of(self, chosen: Filter | None) -> tuple[str, ...]:
        """Give the paths of the state that a filter may choose from."""
        if chosen is None:
            return ("/",)
        lists = self._datastore.schema.on_request
        return common_paths(chosen.paths, lists) + chosen.requests(lists)

    def special(self, paths: Iterable[str]) -> Hashable:
        """Give those paths whose state is not for who asked for other paths."""
        return special_paths(paths, self._datastore.schema.on_request)

    def view(self, session: Session) -> Hashable:
        """Give a key of what a session may see: equal keys see the same."""
        return self._datastore.access.view(session)

    def configuration(
        self, session: Session, store: Store, defaults: Defaults = Defaults.EXPLICIT
    ) -> Printed:
        """Print what a session may see of a configuration datastore."""
        if defaults is not Defaults.EXPLICIT or store is not Store.RUNNING:
            return self._printed(session, self._with_defaults(store, defaults), defaults)
        view = self.view(session)
        if self._commit != self._datastore.record.id or len(self._running) > _VIEWS:
            self._commit, self._running = self._datastore.record.id, {}
        if view not in self._running:
            self._running[view] = self._printed(session, self._datastore.read(store))
        return self._running[view]

    async def operational(
        self, session: Session, paths: Sequence[str], defaults: Defaults = Defaults.EXPLICIT
    ) -> Printed:
        """Print the configuration with the state at, above and below the given schema paths."""
        return self._printed(session, await self._datastore.operational(paths), defaults)

    def _with_defaults(self, store: Store, defaults: Defaults) -> Tree:
        """Give a datastore with the values of the schema; only running has them all the time."""
        tree = self._datastore.read(store)
        if store is Store.RUNNING or defaults in (Defaults.EXPLICIT, Defaults.TRIM):
            return tree
        with tree:  # what an edit left of old defaults need not hold any more
            explicit = Tree.parse(self._datastore.schema, tree.print(Format.XML), Format.XML)
        explicit.add_defaults()
        return explicit

    def _printed(
        self, session: Session, tree: Tree, defaults: Defaults = Defaults.EXPLICIT
    ) -> Printed:
        with tree:
            self._datastore.access.readable(session, tree)
            return Printed(tree.print(Format.XML, defaults))


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
