"""What is configured, as far as completion needs it: keys of lists and values of leaves.

The candidate is read once and kept until a command may have changed it, or for some seconds at
most, since others edit it too. A key stroke therefore costs no request.
"""

from __future__ import annotations

import time
from typing import Final

from lxml import etree

from flowexport_mgmt.cli.config.document import entry_keys, filter_of, find
from flowexport_mgmt.cli.grammar.paths import Path, Step
from flowexport_mgmt.cli.interpreter import FAILURES
from flowexport_mgmt.cli.operator import Operator, node_at
from flowexport_mgmt.schema.grammar import Node

_FRESH: Final = 10.0
_MOST: Final = 5000


class Known:
    """The candidate as it was last read, and state lists that were asked for."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator
        self._data: etree._Element | None = None
        self._edits = -1
        self._read = 0.0
        self._entries: dict[Path, list[tuple[str, ...]]] = {}
        self._state: dict[str, tuple[float, list[str]]] = {}

    def keys(self, path: Path) -> list[str]:
        """List what the next key of a list may be; ``path`` ends at it with the keys before."""
        *above, step = path
        if not step.node.config:
            return self._state_keys(path)
        given = len(step.keys)
        found = self._keys_of((*above, Step(step.node)))
        matching = [keys[given] for keys in found if keys[:given] == step.keys]
        return list(dict.fromkeys(matching))[:_MOST]

    def _keys_of(self, path: Path) -> list[tuple[str, ...]]:
        """Give the keys of all entries of a list; kept as long as what they were read from."""
        holder = self._element(path[:-1])
        known = self._entries.get(path)
        if known is None:
            node = path[-1].node
            entries = () if holder is None else holder.iterchildren(node.tag)
            known = self._entries[path] = [entry_keys(entry, node) for entry in entries]
        return known

    def values(self, path: Path) -> list[str]:
        """List the values that a leaf or leaf-list has."""
        holder = self._element(path[:-1])
        if holder is None:
            return []
        return [e.text or "" for e in holder.iterchildren(path[-1].node.tag)][:_MOST]

    def targets(self, path: str) -> list[str]:
        """List the values of a leaf, everywhere, by its schema path with or without prefixes."""
        names = [name.rpartition(":")[2] for name in path.split("/") if name not in ("", "..", ".")]
        data = self._element(())
        if data is None or not names:
            return []
        found = data.iterfind(".//" + "/".join(f"{{*}}{name}" for name in names))
        return list(dict.fromkeys(e.text or "" for e in found))[:_MOST]

    def entries(self, names: str) -> list[str]:
        """List the first keys of a list at a path of names, such as ``flow-export/collector``."""
        nodes = node_at(self._operator.grammar, names)
        return self.keys(tuple(Step(node) for node in nodes)) if nodes else []

    def _element(self, path: Path) -> etree._Element | None:
        data = self._candidate()
        return None if data is None else find(data, path)

    def _candidate(self) -> etree._Element | None:
        now = time.monotonic()
        if self._edits != self._operator.edits or now - self._read > _FRESH:
            try:
                self._data = self._operator.session.get_config("candidate")
            except FAILURES:
                self._data = None
            self._entries.clear()
            self._edits, self._read = self._operator.edits, now
        return self._data

    def _state_keys(self, path: Path) -> list[str]:
        """List the keys of a list of state, which is asked for when somebody wants it."""
        place = "/".join(step.node.name for step in path)
        when, known = self._state.get(place, (0.0, []))
        if time.monotonic() - when > _FRESH or not when:
            known = self._read_state(path)
            self._state[place] = (time.monotonic(), known)
        return known

    def _read_state(self, path: Path) -> list[str]:
        step = path[-1]
        asked = filter_of(path)
        _add_key(asked, path, step.node)
        try:
            data = self._operator.session.get([asked])
        except FAILURES:
            return []
        tag = f"{{{step.node.namespace}}}{step.node.keys[len(step.keys)]}"
        entries = data.iter(step.node.tag)
        return list(dict.fromkeys(e.findtext(tag) or "" for e in entries))[:_MOST]


def _add_key(asked: etree._Element, path: Path, node: Node) -> None:
    """Ask for the keys only."""
    holder = asked
    for _ in path[1:]:
        holder = holder[-1]
    for key in node.keys[len(path[-1].keys) :]:
        etree.SubElement(holder, f"{{{node.namespace}}}{key}")
