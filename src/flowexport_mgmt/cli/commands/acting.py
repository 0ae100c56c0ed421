"""Commands that make the daemon do something: actions on collectors."""

from __future__ import annotations

from collections.abc import Callable

from lxml import etree

from flowexport_mgmt.cli.commands.command import Invocation
from flowexport_mgmt.cli.config.document import filter_of
from flowexport_mgmt.cli.grammar.paths import Step
from flowexport_mgmt.cli.grammar.words import UsageError
from flowexport_mgmt.cli.operator import Operator, node_at
from flowexport_mgmt.cli.pipes.answer import Answer
from flowexport_mgmt.schema.grammar import Node


def collectors_do(action: str) -> Callable[[Operator, Invocation], Answer]:
    """Make the command that has an action carried out on one collector, or on all of them."""

    def run(operator: Operator, invocation: Invocation) -> Answer:
        top, entry = node_at(operator.grammar, "flow-export/collector")
        if invocation.has("collector"):
            names = [invocation.text("collector")]
        else:
            names = _names(operator, top, entry)
        for name in names:
            _act(operator, (Step(top), Step(entry, (name,))), entry, action)
        return Answer(lines=())

    return run


def _names(operator: Operator, top: Node, entry: Node) -> list[str]:
    wanted = filter_of((Step(top), Step(entry)))
    etree.SubElement(wanted[0], f"{{{entry.namespace}}}name")
    data = operator.session.get_config("running", [wanted])
    return [name.text or "" for name in data.iter(f"{{{entry.namespace}}}name")]


def _act(operator: Operator, path: tuple[Step, ...], entry: Node, action: str) -> None:
    if not any(child.kind == "action" and child.name == action for child in entry.children):
        raise UsageError(f"the daemon has no {action}")
    request = filter_of(path)
    etree.SubElement(request[0], f"{{{entry.namespace}}}{action}")
    operator.session.act(request)
