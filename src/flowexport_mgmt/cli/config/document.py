"""An edit that is put together setting by setting: the config element of an edit-config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lxml import etree

from flowexport_mgmt.cli.config.names import declarations
from flowexport_mgmt.cli.grammar.paths import Path, Setting, Step
from flowexport_mgmt.cli.session.replies import NETCONF, nc
from flowexport_mgmt.cli.values import MASK
from flowexport_mgmt.schema.grammar import Node

OPERATION: Final = nc("operation")


class Document:
    """Elements by their place, so that a thousand lines about one list need no search.

    ``masked`` are the places whose value stands for a secret that was not shown.
    """

    def __init__(self, modules: Mapping[str, str]) -> None:
        self.root = etree.Element(nc("config"), nsmap={"nc": NETCONF})
        self.masked: list[Path] = []
        self._namespaces = {name: namespace for namespace, name in modules.items()}
        self._known: dict[Path, etree._Element] = {}

    def apply(self, setting: Setting) -> None:
        """Enter what a line says.

        Raises:
            WordError: a value is an identity that nobody defines.
        """
        if not setting.path[-1].node.is_term:
            self.place(setting.path)
        for value in setting.values:
            self.set(setting.path, value.text, value.column)

    def set(self, path: Path, text: str, column: int = 0) -> None:
        """Give a leaf a value, or a leaf-list one more.

        Raises:
            WordError: as :meth:`apply`.
        """
        *above, step = path
        node = step.node
        if node.hints.secret and text == MASK:
            self.masked.append(path)
            return
        place = (*above, Step(node, (text,) if node.kind == "leaf-list" else ()))
        assert node.type is not None  # noqa: S101 - a leaf has one
        value, declared = declarations(text, node.type, self._namespaces, column)
        element = self._known.get(place)
        if element is None:
            parent = self.place(tuple(above))
            element = etree.SubElement(parent, node.tag, None, declared)
            self._known[place] = element
        element.text = value

    def delete(self, path: Path) -> None:
        """Delete a node that has to be there."""
        step = path[-1]
        element = self.place(path[:-1])
        if step.node.is_term:
            element = etree.SubElement(element, step.node.tag)
            if step.keys:
                element.text = step.keys[0]
        else:
            element = self.place(path)
        element.set(OPERATION, "delete")

    def place(self, path: Path) -> etree._Element:
        """Give the element of a container or list entry; those above it are made too."""
        if not path:
            return self.root
        known = self._known.get(path)
        if known is not None:
            return known
        step = path[-1]
        element = etree.SubElement(self.place(path[:-1]), step.node.tag)
        for name, value in zip(step.node.keys, step.keys, strict=False):
            etree.SubElement(element, f"{{{step.node.namespace}}}{name}").text = value
        self._known[path] = element
        return element


def find(data: etree._Element, path: Path) -> etree._Element | None:
    """Find the element of a path below a config or data element."""
    element: etree._Element | None = data
    for step in path:
        if element is None:
            return None
        element = _find_step(element, step)
    return element


def _find_step(element: etree._Element, step: Step) -> etree._Element | None:
    for found in element.iterchildren(step.node.tag):
        if step.node.kind == "leaf-list":
            if not step.keys or found.text == step.keys[0]:
                return found
        elif not step.keys or entry_keys(found, step.node) == step.keys:
            return found
    return None


def entry_keys(element: etree._Element, node: Node) -> tuple[str, ...]:
    """Read the keys of a list entry."""
    return tuple(element.findtext(f"{{{node.namespace}}}{key}") or "" for key in node.keys)


def filter_of(path: Path) -> etree._Element:
    """Make the subtree filter that chooses a path of one step or more."""
    holder = etree.Element("filter")
    parent = holder
    for step in path:
        parent = etree.SubElement(parent, step.node.tag)
        for name, value in zip(step.node.keys, step.keys, strict=False):
            etree.SubElement(parent, f"{{{step.node.namespace}}}{name}").text = value
    return holder[0]
