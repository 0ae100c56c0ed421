"""Instance paths: parsed and rendered, with module names as in RFC 7951 or with prefixes as in XML.

``/flow-export:flow-export/collector[name='b']/port`` names modules, where they change, as RFC 7951
(section 6.11) does; ``/fe:flow-export/fe:collector[fe:name='b']/fe:port`` is the same node for an
XML door that declares the prefixes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_NAME = r"[A-Za-z_][A-Za-z0-9_.\-]*"
_STEP = re.compile(rf"/(?:({_NAME}):)?({_NAME})")
_PREDICATE = re.compile(
    rf"\[\s*(?:(?:{_NAME}):)?({_NAME}|\.)\s*=\s*(?:'([^']*)'|\"([^\"]*)\"|concat\("
    rf"((?:'[^']*'|\"[^\"]*\"|[\s,])*)\)"
    rf"|\$({_NAME}))\s*\]"
)
_POSITION = re.compile(r"\[(\d+)\]")
_LITERAL = re.compile(r"'([^']*)'|\"([^\"]*)\"")


class Variable(str):
    """The name of a variable in the place of a value, as in ``[name=$USER]`` (RFC 8341)."""

    __slots__ = ()


class Step(NamedTuple):
    """One node of an instance path; a predicate is (key name or ``.``, value)."""

    module: str
    prefix: str
    name: str
    predicates: tuple[tuple[str, str], ...] = ()


class PathStep(NamedTuple):
    """A step as it was written: the module or prefix may be empty."""

    module: str
    name: str
    predicates: tuple[tuple[str, str], ...] = ()


def quote(value: str) -> str:
    """Write a string as an XPath literal; with both kinds of quotes in it, as a ``concat``."""
    if isinstance(value, Variable):
        return f"${value}"
    if "'" not in value:
        return f"'{value}'"
    if '"' not in value:
        return f'"{value}"'
    parts = ', "\'", '.join(f"'{part}'" for part in value.split("'"))
    return f"concat({parts})"


def render_path(steps: Iterable[Step]) -> str:
    """Render a path with a prefix at every name."""
    return "".join(render_step(step) for step in steps)


def render_step(step: Step) -> str:
    """Render one step with its slash and with a prefix at every name."""
    text = f"/{step.prefix}:{step.name}"
    for name, value in step.predicates:
        label = name if name == "." else f"{step.prefix}:{name}"
        text += f"[{label}={quote(value)}]"
    return text


def render_json_path(steps: Iterable[Step]) -> str:
    """Render a path with module names where the module changes (RFC 7951, section 6.11)."""
    text, module = "", ""
    for step in steps:
        name = step.name if step.module == module else f"{step.module}:{step.name}"
        module = step.module
        text += f"/{name}"
        text += "".join(f"[{key}={quote(value)}]" for key, value in step.predicates)
    return text


def parse_path(path: str) -> tuple[PathStep, ...]:
    """Parse an absolute instance path of either form.

    Raises:
        ValueError: the text is no instance path.
    """
    return tuple(_parse_steps(path))


def parse_predicates(text: str) -> tuple[tuple[str, str], ...]:
    """Parse predicates alone (``[name='a'][port='1']``), as the ``key`` attribute holds them.

    Raises:
        ValueError: the text is something else.
    """
    found, end = _parse_predicates(text, 0)
    if end != len(text):
        raise ValueError(f"not key predicates at character {end + 1}: {text!r}")
    return found


def predicates_at(text: str, position: int) -> tuple[tuple[str, str], ...]:
    """Parse the predicates that begin at a position, as many as there are."""
    return _parse_predicates(text, position)[0]


def _parse_steps(path: str) -> Iterator[PathStep]:
    position = 0
    while position < len(path):
        match = _STEP.match(path, position)
        if match is None:
            raise ValueError(f"not an instance path at character {position + 1}: {path!r}")
        predicates, position = _parse_predicates(path, match.end())
        yield PathStep(match[1] or "", match[2], predicates)


def _parse_predicates(path: str, position: int) -> tuple[tuple[tuple[str, str], ...], int]:
    found: list[tuple[str, str]] = []
    while True:
        skipped = _POSITION.match(path, position)
        if skipped is not None:
            position = skipped.end()
            continue
        match = _PREDICATE.match(path, position)
        if match is None:
            return tuple(found), position
        found.append((match[1], _literal(match)))
        position = match.end()


def _literal(match: re.Match[str]) -> str:
    if match[5] is not None:
        return Variable(match[5])
    if match[4] is not None:
        return "".join(part[1] or part[2] or "" for part in _LITERAL.finditer(match[4]))
    return match[2] if match[2] is not None else match[3]
