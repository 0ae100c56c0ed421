"""What a filter chose from a tree, and how it is printed.

A *selection* maps each chosen element of a sibling set to what is chosen below it. Several filters
over the same data add up, and the answer keeps the order of the data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from lxml import etree

from flowexport_mgmt.north.netconf.printing import (
    default_within,
    print_all,
    print_around,
    print_within,
)

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


def print_selection(data: etree._Element, selection: Selection | None, keys: Keys) -> bytes:
    """Print what is chosen below ``data``.

    The keys of the list entries on the way are added, as RFC 6241 (section 6.2.5) allows: without
    them the entries could not be told apart.
    """
    return print_all(data) if selection is None else _below(data, selection, keys, (), "")


def _below(
    data: etree._Element, selection: Selection, keys: Keys, path: tuple[str, ...], default: str
) -> bytes:
    wanted: Selection = dict.fromkeys(_key_leafs(data, keys.get(path, ())))
    merge(wanted, selection.items())
    chosen = [child for child in data if child in wanted] if len(wanted) > 1 else list(wanted)
    return b"".join(_print(child, wanted[child], keys, path, default) for child in chosen)


def _print(
    element: etree._Element,
    selection: Selection | None,
    keys: Keys,
    path: tuple[str, ...],
    default: str,
) -> bytes:
    if selection is None:
        return print_within(element, default)
    inside = default_within(element, default)
    content = _below(element, selection, keys, (*path, str(element.tag)), inside)
    return print_around(element, content, default)


def _key_leafs(entry: etree._Element, tags: Iterable[str]) -> Iterator[etree._Element]:
    for tag in tags:
        yield from entry.iterchildren(tag)
