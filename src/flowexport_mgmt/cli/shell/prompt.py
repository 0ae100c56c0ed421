"""The prompt: who and where, the place in the tree, what is not committed, the seconds left."""

from __future__ import annotations

import getpass
import socket

from flowexport_mgmt.cli.grammar.paths import spelled
from flowexport_mgmt.cli.operator import Operator


def prompt_text(operator: Operator) -> str:
    """Write the prompt."""
    who = f"{_user()}@{socket.gethostname().partition('.')[0]}"
    if operator.editing is None:
        return f"{who}{_left(operator)}> "
    place = spelled(operator.level)
    star = "*" if operator.editing.modified else ""
    path = f" [{place}]" if place else ""
    return f"{who}{path}{_left(operator)}{star}# "


def _left(operator: Operator) -> str:
    left = operator.remaining
    return "" if left is None else f" (confirm: {left} s)"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "?"
