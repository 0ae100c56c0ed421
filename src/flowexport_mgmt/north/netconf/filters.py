"""Subtree filters (RFC 6241, section 6), matched against the printed tree."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Self

from lxml import etree

from flowexport_mgmt.north.netconf import names
from flowexport_mgmt.north.netconf.evaluation import Evaluator, Printed
from flowexport_mgmt.north.netconf.selection import Selection, merge
from flowexport_mgmt.schema.on_request import write_request

_ANY_NAMESPACE: Final = frozenset(
    {"", names.BASE, names.NMDA, names.NOTIFICATION, names.SUBSCRIBED, names.PUSH}
)
"""A filter element in no namespace, or in one that it inherits from the rpc, matches in all."""


@dataclass(frozen=True, slots=True)
class FilterNode:
    """One element of a filter, read once and then matched against many siblings.

    ``value`` makes it a content match node; with neither value nor children it is a selection
    node, else a containment node. ``prefixes`` are the namespaces in scope of its value.
    """

    name: str
    tag: str
    attributes: Mapping[str, str]
    value: str
    prefixes: Mapping[str | None, str]
    contents: tuple[Self, ...]
    others: tuple[Self, ...]

    @classmethod
    def read(cls, element: etree._Element) -> Self:
        """Read a filter element, or the ``filter`` parameter around the uppermost ones."""
        tag = str(element.tag)
        name = names.local_name(tag)
        children = tuple(cls.read(child) for child in element)
        return cls(
            name=name,
            tag=f"{{*}}{name}" if names.namespace_of(tag) in _ANY_NAMESPACE else tag,
            attributes=names.attributes_of(element),
            value="" if children else (element.text or "").strip(),
            prefixes=element.nsmap,
            contents=tuple(child for child in children if child.value),
            others=tuple(child for child in children if not child.value),
        )

    def select(self, data: etree._Element) -> Selection | None:
        """Match the children of this node against the children of ``data``.

        Returns:
            None for everything below ``data``, else what is chosen, which may be nothing.
        """
        selected: Selection = {}
        for node in self.contents:
            matching = dict.fromkeys(c for c in node._named_in(data) if node._has_value_of(c))
            if not matching:
                return {}
            selected.update(matching)
        if self.contents and not self.others:
            return None
        for node in self.others:
            merge(selected, node._chosen_in(data))
        return selected

    def _chosen_in(self, data: etree._Element) -> Iterator[tuple[etree._Element, Selection | None]]:
        contains = self.contents or self.others
        for child in self._named_in(data):
            below = self.select(child) if contains else None
            if below is None or below:
                yield child, below

    def _named_in(self, data: etree._Element) -> Iterable[etree._Element]:
        children = data.iterchildren(self.tag)
        if not self.attributes:
            return children
        wanted = self.attributes.items()
        return (c for c in children if wanted <= names.attributes_of(c).items())

    def _has_value_of(self, leaf: etree._Element) -> bool:
        have = (leaf.text or "").strip()
        if ":" not in self.value:
            return have == self.value
        theirs, ours = _resolve(self.value, self.prefixes), _resolve(have, leaf.nsmap)
        if theirs is None or ours is None:
            return have == self.value
        return theirs == ours

    @property
    def paths(self) -> tuple[str, ...]:
        """List the schema paths, without prefixes, below which something may be chosen."""
        return tuple(dict.fromkeys(self._paths(""))) if self.contents or self.others else ()

    def _paths(self, path: str) -> Iterator[str]:
        if not self.others:
            yield path or "/"
        for node in self.others:
            yield from node._paths(f"{path}/{node.name}")

    def requests(self, lists: Collection[str], path: str = "") -> Iterator[str]:
        """List what is asked of lists that are told only to who names them."""
        for node in self.others:
            here = f"{path}/{node.name}"
            if here in lists:
                yield write_request(here, ((leaf.name, leaf.value) for leaf in node.contents))
            else:
                yield from node.requests(lists, here)


class SubtreeFilter:
    """A whole subtree filter; ``paths`` are the schema paths below which it may choose."""

    def __init__(self, element: etree._Element) -> None:
        self._root = FilterNode.read(element)
        self.paths = self._root.paths

    async def select(self, document: Printed, _: Evaluator) -> Selection | None:
        """Choose among the top nodes of a document; None chooses everything."""
        return self._root.select(document.data)

    def requests(self, lists: Collection[str]) -> tuple[str, ...]:
        """List what is asked of lists that are told only to who names them."""
        return tuple(dict.fromkeys(self._root.requests(lists)))

    async def matches(self, document: Printed, _: Evaluator) -> bool:
        """Tell whether anything is chosen."""
        found = self._root.select(document.data)
        return found is None or bool(found)


def _resolve(value: str, prefixes: Mapping[str | None, str]) -> tuple[str, str] | None:
    """Read a value as the name of an identity: two prefixes may stand for the same module."""
    prefix, colon, name = value.partition(":")
    namespace = prefixes.get(prefix) if colon else None
    return None if namespace is None else (namespace, name)
