"""What a configuration lacks or has too much of, found everywhere in one walk.

The library stops at the first such fault and names only its schema node. Nodes with a ``when`` are
left to it, because whether they are wanted depends on the data.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from flowexport_mgmt.errors import ErrorTag, Fault
from flowexport_mgmt.schema.data import Node
from flowexport_mgmt.schema.nodes import Choice, Kind, SchemaNode
from flowexport_mgmt.schema.paths import render_step
from flowexport_mgmt.schema.tree import Tree


@dataclass(frozen=True, slots=True)
class Shortage:
    """A structural fault; ``surplus`` or else ``parent`` is what to leave out to look further."""

    fault: Fault
    parent: Node | None
    surplus: tuple[Node, ...] = ()


def find_shortages(tree: Tree) -> Iterator[Shortage]:
    """Find missing mandatory nodes and choices, and lists with too few or too many entries."""
    schemas = tree.schema.top_nodes.values()
    yield from _below(None, "", tree.top(), schemas, tree.schema.mandatory_choices)


def _below(
    parent: Node | None,
    path: str,
    nodes: Iterable[Node],
    schemas: Iterable[SchemaNode],
    choices: Sequence[Choice],
) -> Iterator[Shortage]:
    """Look below one node, which may be a container without presence that is not there."""
    present: dict[SchemaNode, list[Node]] = defaultdict(list)
    for node in nodes:
        present[node.schema].append(node)
    chosen = {pair for schema in present for pair in schema.cases}
    for schema in schemas:
        if schema.config and not schema.has_when and chosen.issuperset(schema.cases):
            yield from _check(parent, path, schema, present.get(schema, []))
    begun = {identity for identity, _ in chosen}
    for choice in choices:
        if choice.identity not in begun and chosen.issuperset(choice.cases):
            yield Shortage(_missing_choice(choice, path), parent)


def _check(
    parent: Node | None, path: str, schema: SchemaNode, found: list[Node]
) -> Iterator[Shortage]:
    if schema.kind is Kind.LEAF:
        if schema.mandatory and not found:
            yield Shortage(_missing_leaf(schema, path), parent)
        return
    if schema.is_list:
        yield from _check_limits(parent, path, schema, found)
    elif schema.kind is Kind.CONTAINER and not schema.presence and not found:
        inner = schema.place(path)
        yield from _below(parent, inner, (), schema.children.values(), schema.mandatory_choices)
    if schema.is_term:
        return
    for node in found:
        inner = path + render_step(node.step())
        yield from _below(
            node, inner, node.children(), schema.children.values(), schema.mandatory_choices
        )


def _check_limits(
    parent: Node | None, path: str, schema: SchemaNode, found: list[Node]
) -> Iterator[Shortage]:
    least, most = schema.limits
    path = schema.place(path)
    if len(found) < least:
        message = f"{schema.name}: at least {least} are needed and there are {len(found)}"
        yield Shortage(_miscounted("too-few-elements", message, path), parent)
    if most and len(found) > most:
        message = f"{schema.name}: at most {most} are allowed and there are {len(found)}"
        surplus = tuple(found[most:])
        yield Shortage(_miscounted("too-many-elements", message, path), parent, surplus)


def _miscounted(app_tag: str, message: str, path: str) -> Fault:
    return Fault(tag=ErrorTag.OPERATION_FAILED, message=message, app_tag=app_tag, path=path)


def _missing_leaf(schema: SchemaNode, path: str) -> Fault:
    return Fault(
        tag=ErrorTag.DATA_MISSING,
        message=f"the mandatory leaf {schema.name} is missing",
        app_tag="missing-mandatory",
        path=schema.place(path),
    )


def _missing_choice(choice: Choice, path: str) -> Fault:
    return Fault(
        tag=ErrorTag.DATA_MISSING,
        message=f"nothing of the mandatory choice {choice.name} is given",
        app_tag="missing-choice",
        path=path,
        info={"missing-choice": choice.name},
    )
