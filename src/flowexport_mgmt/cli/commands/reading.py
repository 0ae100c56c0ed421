"""Commands that read: any part of the data, configurations, recent flows, doctor's findings."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from lxml import etree

from flowexport_mgmt.cli.commands.command import Invocation
from flowexport_mgmt.cli.config.document import filter_of, find
from flowexport_mgmt.cli.config.render import Tree, xml_text
from flowexport_mgmt.cli.grammar.paths import Path, spelled
from flowexport_mgmt.cli.grammar.words import UsageError
from flowexport_mgmt.cli.operator import Operator, operation
from flowexport_mgmt.cli.pipes.answer import Answer
from flowexport_mgmt.cli.values import Value, by_tag, children, leaf_value, pick, typed
from flowexport_mgmt.schema.grammar import Grammar, Node

_UNWELL: Final = 4


def raw_text(data: etree._Element, grammar: Grammar) -> str:
    """Write what a server sent, secrets masked."""
    return xml_text(children(data), Tree.whole(data, grammar))


def show_data(operator: Operator, invocation: Invocation) -> Answer:
    """Read configuration and state below a path.

    Raises:
        UsageError: there is nothing.
    """
    data = operator.session.get([filter_of(invocation.path)])
    value = value_at(data, invocation.path)
    if value is None:
        raise UsageError(f"{spelled(invocation.path)}: there is nothing")
    return Answer(value=value, raw=raw_text(data, operator.grammar))


def value_at(data: etree._Element, path: Path) -> Value:
    """Read what stands at a path; None for nothing."""
    *_, step = path
    node = step.node
    if node.kind == "leaf-list" or (node.kind == "list" and not step.keys):
        holder = find(data, path[:-1])
        found = typed(holder, _parent(path)) if holder is not None else {}
        return found.get(node.name)
    element = find(data, path)
    if element is None:
        return None
    if node.is_term and node.type is not None:
        return leaf_value(element, node.type) if not node.hints.secret else "********"
    return typed(element, node)


def _parent(path: Path) -> Node | None:
    return path[-2].node if len(path) > 1 else None


def show_configuration(operator: Operator, invocation: Invocation) -> Answer:
    """Read the running configuration, or a part of it."""
    return configuration(operator, "running", invocation.path)


def configuration(operator: Operator, store: str, path: Path) -> Answer:
    """Read a configuration datastore as a tree.

    Raises:
        UsageError: there is nothing at the path.
    """
    filters = [filter_of(path)] if path else None
    data = operator.session.get_config(store, filters)
    tree = Tree.whole(data, operator.grammar)
    if path:
        tree = below(data, path, operator.grammar)
    place = tree.place[len(operator.level) :] if operator.editing is not None else tree.place
    return Answer(tree=replace(tree, place=place))


def below(data: etree._Element, path: Path, grammar: Grammar) -> Tree:
    """Give what is configured inside of a place, or the leaf itself.

    Raises:
        UsageError: there is nothing.
    """
    element = find(data, path)
    *above, step = path
    if element is None:
        return Tree((), {}, grammar.modules)
    nodes = by_tag(above[-1].node.children if above else grammar.nodes)
    siblings = Tree((element,), nodes, grammar.modules)
    if step.node.is_term or (step.node.kind == "list" and not step.keys):
        parent = element.getparent()
        same = () if parent is None else tuple(parent.iterchildren(step.node.tag))
        return Tree(same, nodes, grammar.modules, place=path[:-1])
    inner = siblings.inside(element, step.node)
    keys = {f"{{{step.node.namespace}}}{key}" for key in step.node.keys}
    kept = tuple(e for e in inner.elements if e.tag not in keys)
    return Tree(kept, inner.nodes, inner.modules, parent=step.node.module, place=path)


def show_recent_flows(operator: Operator, invocation: Invocation) -> Answer:
    """Read the latest flow records."""
    given = {"destination-prefix": invocation.text("dst")} if invocation.has("dst") else {}
    return call(operator, "recent-flows", given)


def call(operator: Operator, name: str, given: dict[str, str]) -> Answer:
    """Have an rpc carried out and give its output: of one list the entries."""
    rpc = operation(operator.grammar, name)
    if rpc is None:
        raise UsageError(f"the daemon has no {name}")
    reply = operator.session.call(rpc.namespace, name, given)
    output = next((part for part in rpc.children if part.kind == "output"), None)
    value: Value = typed(reply, output)
    data = [node for node in (output.children if output else ()) if node.is_parent or node.is_term]
    if len(data) == 1 and data[0].kind == "list" and isinstance(value, dict):
        value = value.get(data[0].name, [])
    written = etree.tostring(reply, encoding="unicode", pretty_print=True)
    return Answer(value=value, raw=str(written).rstrip())


def doctor(operator: Operator, _: Invocation) -> Answer:
    """Have the daemon examine itself; a finding that is an error makes the exit code 4.

    People get lines, scripts JSON.
    """
    answer = call(operator, "doctor", {})
    findings = answer.value if isinstance(answer.value, list) else []
    unwell = any(pick(finding, "status") == "error" for finding in findings)
    plain = None if operator.strict else findings_text
    return replace(answer, plain=plain, code=_UNWELL if unwell else 0)


def findings_text(value: Value) -> list[str]:
    """Write findings for people: how it stands, what was looked at, what it is, what mends it."""
    lines: list[str] = []
    for finding in value if isinstance(value, list) else []:
        known = {name: str(pick(finding, name) or "") for name in _FINDING}
        place = f"{known['check']} {known['subject']}".rstrip()
        lines.append(f"{known['status']:8} {place}: {known['message']}")
        if known["remedy"]:
            lines.append(f"{'':8} > {known['remedy']}")
    return lines


_FINDING: Final = ("check", "subject", "status", "message", "remedy")
