"""Configure mode: entering and leaving it, and the place in the tree where paths begin."""

from __future__ import annotations

import time
from collections.abc import Iterator

from lxml import etree

from flowexport_mgmt.cli.commands.command import Invocation
from flowexport_mgmt.cli.config.document import filter_of
from flowexport_mgmt.cli.grammar.paths import Step
from flowexport_mgmt.cli.grammar.words import UsageError
from flowexport_mgmt.cli.operator import Editing, Operator, node_at
from flowexport_mgmt.cli.pipes.answer import Answer


def configure(operator: Operator, invocation: Invocation) -> Answer:
    """Enter configure mode; say who else is there and what waits to be committed."""
    exclusive = invocation.has("exclusive")
    if exclusive:
        operator.session.lock("candidate")
    operator.editing = Editing(exclusive=exclusive)
    note_pending(operator)
    if operator.strict:
        return Answer(lines=())
    return Answer(lines=tuple(_banner(operator)))


def _banner(operator: Operator) -> Iterator[str]:
    yield "Entering configuration mode" + (", exclusively" if _exclusive(operator) else "")
    yield from (f"Also here: {who}" for who in others(operator))
    if operator.session.compare("running", "candidate").find("{*}differences") is not None:
        operator.changed(modified=True)
        yield "The candidate has changes that nobody has committed: see 'show | compare'"
    if operator.remaining is not None:
        yield f"A commit waits to be confirmed: {operator.remaining} seconds are left"


def _exclusive(operator: Operator) -> bool:
    return operator.editing is not None and operator.editing.exclusive


def others(operator: Operator) -> Iterator[str]:
    """Tell of the other sessions that may edit."""
    nodes = node_at(operator.grammar, "server/sessions/session")
    if not nodes:
        return
    data = operator.session.get([filter_of(tuple(Step(node) for node in nodes))])
    for entry in data.iterfind(".//{*}session"):
        known = {etree.QName(leaf).localname: leaf.text or "" for leaf in entry}
        if known.get("id") == operator.session.identity:
            continue
        locks = [leaf.text or "" for leaf in entry.iterfind("{*}lock")]
        held = f", has locked {' and '.join(locks)}" if locks else ""
        since = known.get("since", "")[:19].replace("T", " ")
        source = known.get("source", "")
        yield f"{known.get('user')} by {known.get('door')} from {source} since {since}{held}"


def note_pending(operator: Operator) -> None:
    """Learn whether a commit waits to be confirmed, and for how long still."""
    nodes = node_at(operator.grammar, "server/pending-confirm/remaining")
    operator.deadline = None
    if nodes:
        data = operator.session.get([filter_of(tuple(Step(node) for node in nodes))])
        left = data.findtext(".//{*}remaining")
        if left:
            operator.deadline = time.monotonic() + int(left)


def leave(operator: Operator, _: Invocation) -> Answer:
    """Go up to the level above, at the top out of configure mode, from there out of the program."""
    editing = operator.editing
    if editing is None:
        operator.ended = True
    elif editing.level:
        editing.level = ()
    else:
        return _leave_mode(operator, editing)
    return Answer(lines=())


def _leave_mode(operator: Operator, editing: Editing) -> Answer:
    if editing.exclusive:
        if editing.modified and not operator.terminal.ask("Discard the changes and leave?"):
            return Answer(lines=())
        if editing.modified:
            operator.session.discard()
        operator.session.unlock("candidate")
    operator.editing = None
    if editing.modified and not editing.exclusive:
        return Answer(lines=("The candidate keeps changes that are not committed.",))
    return Answer(lines=())


def edit(operator: Operator, invocation: Invocation) -> Answer:
    """Go to a place in the tree.

    Raises:
        UsageError: the path leads to a leaf.
    """
    if invocation.path and invocation.path[-1].node.is_term:
        raise UsageError(f"{invocation.path[-1].node.name} is a leaf")
    _editing(operator).level = invocation.path
    return Answer(lines=())


def up(operator: Operator, invocation: Invocation) -> Answer:
    """Go up some levels."""
    editing = _editing(operator)
    for _ in range(invocation.number("N", 1)):
        editing.level = editing.level[:-1]
        while editing.level and editing.level[-1].node.hints.compress:
            editing.level = editing.level[:-1]
    return Answer(lines=())


def top(operator: Operator, _: Invocation) -> Answer:
    """Go to the top."""
    _editing(operator).level = ()
    return Answer(lines=())


def _editing(operator: Operator) -> Editing:
    assert operator.editing is not None  # noqa: S101 - the command exists in configure mode only
    return operator.editing
