"""Lines carried out one after the other: by scripts word for word, by people in short."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final

from flowexport_mgmt.cli.commands.command import Mode
from flowexport_mgmt.cli.commands.expecting import expanded
from flowexport_mgmt.cli.commands.lines import Scene, read_line
from flowexport_mgmt.cli.configure.faults import described
from flowexport_mgmt.cli.grammar.words import UsageError
from flowexport_mgmt.cli.operator import Operator
from flowexport_mgmt.cli.output import show
from flowexport_mgmt.cli.session.replies import NotReachedError
from flowexport_mgmt.errors import ManagementError


class Exit(enum.IntEnum):
    """How the program ends."""

    OK = 0
    USAGE = 1
    REFUSED = 2
    NOT_REACHED = 3
    UNWELL = 4
    INTERRUPTED = 130


FAILURES: Final = (UsageError, ManagementError, NotReachedError)
_EXITS: Final[Mapping[type[Exception], Exit]] = {
    ManagementError: Exit.REFUSED,
    NotReachedError: Exit.NOT_REACHED,
}


def exit_of(error: Exception) -> Exit:
    """Give the exit code of a failure."""
    return next((code for kind, code in _EXITS.items() if isinstance(error, kind)), Exit.USAGE)


def words_of(error: Exception) -> str:
    """Say what went wrong; every fault of a refusal on a line of its own."""
    if isinstance(error, ManagementError):
        return "\n".join(described(fault) for fault in error.faults)
    return str(error)


def scene_of(operator: Operator) -> Scene:
    """Tell what the next line is read in."""
    if operator.editing is None:
        return Scene(operator.grammar)
    return Scene(operator.grammar, Mode.CONFIGURE, operator.level)


def is_empty(line: str) -> bool:
    """Tell whether a line says nothing: it is empty, or a comment."""
    return not line.strip() or line.lstrip().startswith("#")


def execute(operator: Operator, line: str) -> int:
    """Carry out a line and print its answer; return its exit code.

    Raises:
        UsageError: it is no command, or names what does not exist.
        ManagementError: the daemon refused.
        NotReachedError: there is no daemon.
    """
    scene = scene_of(operator)
    if not operator.strict:
        line = expanded(line, scene)
    invocation = read_line(line, scene)
    answer = invocation.command.run(operator, invocation)
    if answer is None:
        return Exit.OK
    show(operator, invocation, answer)
    return answer.code
