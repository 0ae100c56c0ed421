"""The candidate: edited by lines and by files, shown, saved."""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from flowexport_mgmt.cli.commands.command import Invocation
from flowexport_mgmt.cli.commands.reading import configuration
from flowexport_mgmt.cli.config.document import Document, filter_of
from flowexport_mgmt.cli.config.load import read
from flowexport_mgmt.cli.config.render import Tree, brace_lines, json_object, set_lines, xml_text
from flowexport_mgmt.cli.configure.faults import refused
from flowexport_mgmt.cli.configure.files import read_file
from flowexport_mgmt.cli.configure.secrets import fill_in
from flowexport_mgmt.cli.formats.structured import pretty_json
from flowexport_mgmt.cli.grammar.paths import Path, Step
from flowexport_mgmt.cli.grammar.words import UsageError
from flowexport_mgmt.cli.operator import Operator
from flowexport_mgmt.cli.pipes.answer import Answer
from flowexport_mgmt.cli.pipes.pipes import write_file
from flowexport_mgmt.cli.session.replies import nc
from flowexport_mgmt.errors import ManagementError


def set_(operator: Operator, invocation: Invocation) -> Answer:
    """Change the candidate."""
    document = Document(operator.grammar.modules)
    for setting in invocation.settings:
        document.apply(setting)
    send(operator, document, invocation)
    return Answer(lines=())


def delete(operator: Operator, invocation: Invocation) -> Answer:
    """Delete a part of the candidate."""
    document = Document(operator.grammar.modules)
    for path in _deletable(operator, invocation.path):
        document.delete(path)
    send(operator, document, invocation)
    return Answer(lines=())


def _deletable(operator: Operator, path: Path) -> Iterator[Path]:
    """Give a path as it is; for a whole leaf-list those of its values."""
    *above, step = path
    if step.node.kind != "leaf-list" or step.keys:
        yield path
        return
    data = operator.session.get_config("candidate", [filter_of(path)])
    found = list(data.iter(step.node.tag))
    for element in found:
        yield (*above, Step(step.node, (element.text or "",)))
    if not found:
        yield path


def send(operator: Operator, document: Document, invocation: Invocation) -> None:
    """Send an edit.

    Raises:
        ManagementError: it was refused; a fault of a word of the line has a caret.
    """
    fill_in(document, operator, command=invocation.command.words[0])
    try:
        operator.session.edit(document.root)
    except ManagementError as error:
        raise refused(error, invocation) from error
    operator.changed(modified=True)


def show(operator: Operator, invocation: Invocation) -> Answer:
    """Show the candidate at this level or below."""
    return configuration(operator, "candidate", invocation.path or operator.level)


def load(operator: Operator, invocation: Invocation) -> Answer:
    """Read a file into the candidate: on top of it, in place of what it names, or instead of all.

    Raises:
        UsageError: the file cannot be read, or what it holds is no configuration.
    """
    text = read_file(invocation.text("FILE"))
    document = read(text, operator.grammar, operator.level)
    how = next((word for word in ("replace", "override") if invocation.has(word)), "merge")
    if how == "override" and operator.level:
        raise UsageError("override is for the whole configuration: go to the top first")
    if how == "replace":
        for element in document.root:
            _replaced(element, len(operator.level))
    fill_in(document, operator, command="load")
    operator.session.edit(document.root, "replace" if how == "override" else "merge")
    operator.changed(modified=True)
    return Answer(lines=())


def _replaced(element: etree._Element, depth: int) -> None:
    """Mark what is named at the level of the load to take the place of what is there."""
    if depth == 0:
        element.set(nc("operation"), "replace")
        return
    for child in element:
        if len(child) or depth == 1:
            _replaced(child, depth - 1)


def save(operator: Operator, invocation: Invocation) -> Answer:
    """Write the candidate to a file that can be loaded, secrets and all; its name says the form."""
    data = operator.session.get_config("candidate")
    tree = Tree.whole(data, operator.grammar, masked=False)
    name = invocation.text("FILE")
    write_file(name, "\n".join([*_saved(tree, name.rpartition(".")[2]), ""]))
    return Answer(lines=())


def _saved(tree: Tree, form: str) -> list[str]:
    if form == "json":
        return pretty_json(json_object(tree))
    if form == "xml":
        return xml_text(tree.elements, tree).split("\n")
    return list(set_lines(tree) if form == "set" else brace_lines(tree))
