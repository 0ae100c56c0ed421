"""``compare``: what the candidate changes, against what runs or against the history."""

from __future__ import annotations

from flowexport_mgmt.cli.config.difference import difference_lines
from flowexport_mgmt.cli.config.document import filter_of
from flowexport_mgmt.cli.grammar.paths import Step
from flowexport_mgmt.cli.grammar.words import UsageError
from flowexport_mgmt.cli.operator import Operator, node_at
from flowexport_mgmt.cli.pipes.answer import Answer


def compared(operator: Operator, _: Answer, back: int) -> Answer:
    """Show what differs from the Nth configuration before the running one; 0 is that itself."""
    new = "candidate" if operator.editing is not None else "running"
    old = "running" if back == 0 else str(commit_before(operator, back))
    reply = operator.session.compare(old, new)
    return Answer(lines=tuple(difference_lines(reply, operator.grammar)))


def commit_before(operator: Operator, back: int) -> int:
    """Give the number of the Nth commit before the latest.

    Raises:
        UsageError: the history does not go back that far.
    """
    nodes = node_at(operator.grammar, "server/history/commit")
    data = operator.session.get([filter_of(tuple(Step(node) for node in nodes))])
    numbers = sorted(int(found.text or 0) for found in data.iterfind(".//{*}commit/{*}id"))
    if not 0 <= back < len(numbers):
        raise UsageError(f"there is no commit {back} back: the history has {len(numbers)}")
    return numbers[-1 - back]
