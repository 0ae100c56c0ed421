"""What a filter chose from a tree, and the copy of it that is sent.

A *selection* maps each chosen element of a sibling set to what is chosen below it. Several filters
over the same data add up, and the answer keeps the order of the data.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import cast

from lxml import etree

from flowexport_mgmt.north.netconf import names

Keys = Mapping[tuple[str, ...], tuple[str, ...]]
"""The key leafs of each list, both as names in Clark notation; a list is given by its path."""

Selection = dict[etree._Element, "Selection | None"]
"""What is chosen among siblings; None means all that lies below the element."""


def merge(into: Selection, more: Iterable[tuple[etree._Element, Selection | None]]) -> None:
    """Add to a selection what another filter chose among the same siblings."""
    for element, below in more:
        have = into.get(element, {})
        if below is None or have is None:
            into[element] = None
        else:
            into[element] = have
            merge(have, below.items())


def select_subtrees(data: etree._Element, roots: Iterable[etree._Element]) -> Selection | None:
    """Choose whole subtrees of ``data``, given by the elements at their tops."""
    selected: Selection = {}
    for root in roots:
        if root is data:
            return None
        way: Selection = {root: None}
        for ancestor in root.iterancestors():
            if ancestor is data:
                break
            way = {ancestor: way}
        merge(selected, way.items())
    return selected


def prune(data: etree._Element, selection: Selection | None, keys: Keys) -> list[etree._Element]:
    """Copy what is chosen below ``data``.

    The keys of the list entries on the way are added, as RFC 6241 (section 6.2.5) allows: without
    them the entries could not be told apart.
    """
    return list(data) if selection is None else _copies(data, selection, keys, ())


def _copies(
    data: etree._Element, selection: Selection, keys: Keys, path: tuple[str, ...]
) -> list[etree._Element]:
    wanted: Selection = dict.fromkeys(_key_leafs(data, keys.get(path, ())))
    merge(wanted, selection.items())
    chosen = [child for child in data if child in wanted] if len(wanted) > 1 else list(wanted)
    return [_copy(child, wanted[child], keys, path) for child in chosen]


def _copy(
    element: etree._Element, selection: Selection | None, keys: Keys, path: tuple[str, ...]
) -> etree._Element:
    if selection is None:
        return copy.deepcopy(element)
    shell = etree.Element(element.tag, names.attributes_of(element), _declared(element))
    shell.extend(_copies(element, selection, keys, (*path, str(element.tag))))
    return shell


def _declared(element: etree._Element) -> dict[str, str]:
    return cast(dict[str, str], element.nsmap)  # the default namespace has the key None


def _key_leafs(entry: etree._Element, tags: Iterable[str]) -> Iterator[etree._Element]:
    for tag in tags:
        yield from entry.iterchildren(tag)
