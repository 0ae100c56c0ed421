"""Refusals with a caret: which word of the line a fault is about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from flowexport_mgmt.cli.commands.command import Invocation
from flowexport_mgmt.cli.grammar.paths import Path
from flowexport_mgmt.cli.grammar.words import Word, caret
from flowexport_mgmt.errors import Fault, ManagementError
from flowexport_mgmt.schema.paths import PathStep, parse_path


def refused(error: ManagementError, invocation: Invocation) -> ManagementError:
    """Give the error with a caret in each fault that is about a word of the line."""
    return ManagementError(_placed(fault, invocation) for fault in error.faults)


def _placed(fault: Fault, invocation: Invocation) -> Fault:
    word = _blamed(fault.path, dict(_places(invocation)))
    if word is None:
        return fault
    line = invocation.line.rstrip()
    message = f"{line}\n{caret(line, word.column)} {fault.message}"
    return replace(fault, path="", message=message)


_Place = tuple[tuple[str, tuple[str, ...]], ...]


def _places(invocation: Invocation) -> Iterator[tuple[_Place, Word]]:
    """Give the places that the words of a line lead to; the last word of each."""
    for path in [invocation.path, *(setting.path for setting in invocation.settings)]:
        for length in range(1, len(path) + 1):
            yield _place(path[:length]), path[length - 1].word
    for setting in invocation.settings:
        if setting.values:
            yield _place(setting.path), setting.values[-1]
            for value in setting.values:
                if setting.path[-1].node.kind == "leaf-list":
                    *above, (name, _) = _place(setting.path)
                    yield (*above, (name, (value.text,))), value


def _place(path: Path) -> _Place:
    return tuple((step.node.name, step.keys) for step in path)


def _blamed(path: str, places: Mapping[_Place, Word]) -> Word | None:
    """Find the word that leads nearest to what a fault is about."""
    try:
        steps = parse_path(path)
    except ValueError:
        return None
    place = tuple((step.name, _values(step)) for step in steps)
    while place:
        if place in places:
            return places[place]
        place = place[:-1]
    return None


def _values(step: PathStep) -> tuple[str, ...]:
    return tuple(value for _, value in step.predicates)


def described(fault: Fault) -> str:
    """Say where and what, the path as it is typed."""
    try:
        steps = parse_path(fault.path)
    except ValueError:
        return str(fault)
    words = [" ".join([step.name, *_values(step)]) for step in steps]
    return f"{' '.join(words)}: {fault.message}" if words else fault.message
