"""Hints for nodes of modules that are not our own: the statements `annotate` of flow-export-cli."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from flowexport_mgmt.schema.grammar import Hints, Node

_LAST: Final = 1 << 31


@dataclass(frozen=True, slots=True)
class _Annotation:
    """A hint for the node at a path of names, which begins in a module."""

    module: str
    names: tuple[str, ...]
    hint: str
    argument: str

    def added_to(self, hints: Hints) -> Hints:
        """Give hints with this one; one that nobody knows is none."""
        match self.hint:
            case "hide" | "compress" | "secret":
                return msgspec.structs.replace(hints, **{self.hint: True})
            case "order":
                return msgspec.structs.replace(hints, order=int(self.argument))
            case "alias":
                return msgspec.structs.replace(hints, alias=self.argument)
        return hints


def annotated(nodes: tuple[Node, ...], statements: Iterable[str]) -> tuple[Node, ...]:
    """Give the nodes of the top with the hints of statements such as ``/module:top/leaf hide``.

    Nodes that do not exist are passed over: a server need not have every module.

    Raises:
        ValueError: a statement says no path and hint, or an order that is no number.
    """
    for statement in statements:
        annotation = _read(statement)
        nodes = _entered(nodes, annotation, annotation.names)
    return nodes


def _read(statement: str) -> _Annotation:
    path, hint, *argument = statement.split(maxsplit=2)
    module, _, names = path.removeprefix("/").partition(":")
    return _Annotation(module, tuple(names.split("/")), hint, " ".join(argument))


def _entered(
    nodes: tuple[Node, ...], annotation: _Annotation, names: Sequence[str]
) -> tuple[Node, ...]:
    """Replace the node that the names lead to, and those above it."""
    is_top = len(names) == len(annotation.names)
    return tuple(
        _changed(node, annotation, names[1:])
        if node.name == names[0] and (not is_top or node.module == annotation.module)
        else node
        for node in nodes
    )


def _changed(node: Node, annotation: _Annotation, names: Sequence[str]) -> Node:
    if not names:
        return msgspec.structs.replace(node, hints=annotation.added_to(node.hints))
    children = ordered(_entered(node.children, annotation, names))
    return msgspec.structs.replace(node, children=children)


def ordered(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """Sort by the hint; what has none keeps its place after what has one."""
    return tuple(sorted(nodes, key=lambda node: node.hints.order or _LAST))
