"""Crash points: places where a test can end the process as if its power had been cut.

A module declares its points when it is imported and passes them where a crash would hurt most::

    _BEFORE_RENAME = crash.declare("datastore.running.before-rename")
    ...
    crash.point(_BEFORE_RENAME)

With ``FLOWEXPORT_CRASH_AT=datastore.running.before-rename`` in the environment the process ends
there without unwinding, flushing or cleaning up; ``NAME:3`` lets it pass twice and ends it the
third time. Without the variable a point costs one comparison.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

VARIABLE = "FLOWEXPORT_CRASH_AT"
EXIT_STATUS = 137
"""What a shell reports for a process that was ended by SIGKILL."""

_declared: dict[str, None] = {}


def _read(environment: Mapping[str, str]) -> tuple[str, int]:
    """Take the point and how many passes end the process; an unreadable count means the first."""
    name, _, count = environment.get(VARIABLE, "").partition(":")
    return name, int(count) if count.isdecimal() else 1


_armed, _passes_left = _read(os.environ)


def declare(name: str) -> str:
    """Register a point and return its name, ``room.subject.moment``.

    Raises:
        ValueError: the name is taken.
    """
    if name in _declared:
        raise ValueError(f"crash point {name} is declared twice")
    _declared[name] = None
    return name


def names() -> tuple[str, ...]:
    """List the points of all modules that were imported so far, in order of declaration."""
    return tuple(_declared)


def point(name: str) -> None:
    """End the process here when the environment says so.

    Raises:
        ValueError: the name was not declared, which would hide it from the tests.
    """
    if name not in _declared:
        raise ValueError(f"crash point {name} is not declared")
    if name == _armed:
        _pass_armed()


def _pass_armed() -> None:
    global _passes_left  # noqa: PLW0603 - one countdown per process is the point of it
    _passes_left -= 1
    if _passes_left == 0:
        os._exit(EXIT_STATUS)


def without(environment: Mapping[str, str]) -> dict[str, str]:
    """Copy an environment without the armed point, so that a restarted process survives."""
    return {name: value for name, value in environment.items() if name != VARIABLE}
