"""The candidate becomes what runs: commits, confirmed ones, and ways back."""

from __future__ import annotations

import time
from typing import Final

from flowexport_mgmt.cli.commands.command import Invocation
from flowexport_mgmt.cli.config.difference import difference_lines
from flowexport_mgmt.cli.configure.comparing import commit_before
from flowexport_mgmt.cli.configure.mode import note_pending
from flowexport_mgmt.cli.grammar.words import UsageError
from flowexport_mgmt.cli.operator import Operator
from flowexport_mgmt.cli.pipes.answer import Answer
from flowexport_mgmt.cli.session.session import Commit

DEFAULT_CONFIRM: Final = 600


def validate(operator: Operator, _: Invocation) -> Answer:
    """Check the candidate."""
    operator.session.validate()
    return Answer(lines=("The configuration is valid.",))


def commit(operator: Operator, invocation: Invocation) -> Answer:
    """Make the candidate what runs, or try whether that is possible."""
    confirmed = None
    if invocation.has("confirmed"):
        confirmed = invocation.number("confirmed", DEFAULT_CONFIRM)
    how = Commit(
        comment=invocation.text("comment"),
        confirmed=confirmed,
        persist=invocation.text("persist"),
        dry_run=invocation.has("check"),
    )
    reply = operator.session.commit(how)
    if how.dry_run:
        lines = tuple(difference_lines(reply, operator.grammar))
        return Answer(lines=("The commit would be accepted.", *lines))
    operator.changed(modified=False)
    operator.deadline = None if confirmed is None else time.monotonic() + confirmed
    if confirmed is None:
        return Answer(lines=("The commit is complete.",))
    words = f"The commit is rolled back in {confirmed} seconds unless 'confirm' comes before."
    return Answer(lines=(words,))


def confirm(operator: Operator, invocation: Invocation) -> Answer:
    """Keep what a confirmed commit made."""
    note_pending(operator)
    if operator.remaining is None:
        raise UsageError("no commit waits to be confirmed")
    operator.session.commit(Commit(persist_id=invocation.text("TOKEN")))
    operator.deadline = None
    operator.changed(modified=False)
    return Answer(lines=("The commit is confirmed.",))


def abort(operator: Operator, invocation: Invocation) -> Answer:
    """Go back from a confirmed commit at once."""
    operator.session.cancel_commit(invocation.text("TOKEN"))
    operator.deadline = None
    operator.changed(modified=False)
    return Answer(lines=("The commit is rolled back.",))


def rollback(operator: Operator, invocation: Invocation) -> Answer:
    """Make the candidate what ran N commits ago; 0 is what runs."""
    back = invocation.number("N", 0)
    if back == 0:
        return discard(operator, invocation)
    operator.session.rollback(commit_before(operator, back))
    operator.changed(modified=True)
    return Answer(lines=())


def discard(operator: Operator, _: Invocation) -> Answer:
    """Forget what was not committed."""
    operator.session.discard()
    operator.changed(modified=False)
    return Answer(lines=())
