"""Differences as routers show them: what goes with a minus, what comes with a plus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote

from lxml import etree

from flowexport_mgmt.cli.config.render import Tree, brace_lines
from flowexport_mgmt.cli.grammar.paths import Path, Step, spelled
from flowexport_mgmt.cli.session.session import MANAGEMENT
from flowexport_mgmt.cli.values import children
from flowexport_mgmt.schema.grammar import Grammar, Node

_PATCH: Final = f"{{{MANAGEMENT}}}"


def difference_lines(reply: etree._Element, grammar: Grammar) -> Iterator[str]:
    """Render the edits of a YANG patch (RFC 8072) that a comparison gave; nothing for none."""
    shown = None
    for edit in reply.iterfind(f"{_PATCH}differences/{_PATCH}yang-patch/{_PATCH}edit"):
        path = _target(edit.findtext(f"{_PATCH}target") or "", grammar)
        place = spelled(path[:-1])
        if place != shown:
            yield f"[edit {place}]" if place else "[edit]"
            shown = place
        yield from _edit(edit, path, grammar)


def _edit(edit: etree._Element, path: Path, grammar: Grammar) -> Iterator[str]:
    source, value = (edit.find(f"{_PATCH}{name}") for name in ("source-value", "value"))
    for sign, holder in (("-", source), ("+", value)):
        if holder is not None:
            for line in brace_lines(_tree(holder, path, grammar)):
                yield f"{sign}   {line}"
    if source is None and value is None:
        where = edit.findtext(f"{_PATCH}where") or ""
        point = edit.findtext(f"{_PATCH}point") or ""
        after = f" {spelled(_target(point, grammar)[-1:])}" if point else ""
        yield f"!   {path[-1].text}: {where}{after}"


def _tree(holder: etree._Element, path: Path, grammar: Grammar) -> Tree:
    node = path[-1].node
    return Tree(tuple(children(holder)), {node.tag: node}, grammar.modules)


def _target(target: str, grammar: Grammar) -> Path:
    """Read a path of RFC 8040, section 3.5.3."""
    steps: list[Step] = []
    nodes: tuple[Node, ...] = grammar.nodes
    for part in target.strip("/").split("/"):
        name, _, values = part.partition("=")
        module, _, local = name.rpartition(":")
        node = next(n for n in nodes if n.name == local and module in ("", n.module))
        keys = tuple(unquote(value) for value in values.split(",")) if values else ()
        steps.append(Step(node, keys))
        nodes = node.children
    return tuple(steps)
