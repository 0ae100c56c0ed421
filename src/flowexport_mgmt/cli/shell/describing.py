"""Help for what may come next: descriptions, types, ranges, values, defaults, units."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Final

from flowexport_mgmt.cli.commands.command import Argument
from flowexport_mgmt.cli.commands.expecting import Choice, Expectation
from flowexport_mgmt.cli.grammar.paths import Expected
from flowexport_mgmt.schema.grammar import Node, Type

_ENTER: Final = "<Enter>"
_COLUMN: Final = 26
_LISTED: Final = 40


def help_lines(expectation: Expectation, typed: str, width: int) -> list[str]:
    """Say what may come next, given the beginning of the word that is being typed."""
    lines: list[str] = []
    for expected in expectation.leaves:
        lines += _value_lines(expected, width)
    for argument in expectation.arguments:
        lines += _argument_lines(argument, width)
    for choice in expectation.choices:
        if choice.text.startswith(typed):
            lines += _row(choice.text, first_sentence(choice.help), width)
    if expectation.complete and not typed:
        lines += _row(_ENTER, "carry out the line", width)
    return lines or ["nothing is expected here"]


def _row(name: str, words: str, width: int) -> list[str]:
    room = max(20, width - _COLUMN - 3)
    first, *rest = textwrap.wrap(words, room) or [""]
    lines = [f"  {name:{_COLUMN}} {first}".rstrip()]
    return lines + [f"  {'':{_COLUMN}} {line}" for line in rest]


def first_sentence(words: str) -> str:
    """Cut a description after its first sentence."""
    return words.partition(". ")[0].rstrip(".")


def _argument_lines(argument: Argument, width: int) -> list[str]:
    return _row(f"<{argument.value or argument.word}>", argument.help, width)


def _value_lines(expected: Expected, width: int) -> list[str]:
    node = expected.leaf
    if node is None:
        return []
    lines = _row(f"<{node.name}>", node.description, width)
    for words in facts(node):
        lines += _row("", words, width)
    for value in values_of(node)[:_LISTED]:
        lines += _row(f"  {value.text}", first_sentence(value.help), width)
    return lines


def facts(node: Node) -> Iterator[str]:
    """Say what there is to know of a leaf beside its description."""
    if node.type is not None:
        yield f"type: {type_words(node.type)}"
    if node.units:
        yield f"units: {node.units}"
    if node.defaults:
        yield f"default: {' '.join(node.defaults)}"
    if node.hints.alias:
        yield f"also typed: {node.hints.alias}"
    if node.when:
        yield f"only when: {node.when}"
    if node.mandatory:
        yield "mandatory"


def type_words(kind: Type) -> str:
    """Say what a type is, such as ``uint16 1..65535``."""
    name = kind.name.rpartition(":")[2] or kind.base
    limits = f" {kind.limits}" if kind.limits else ""
    return f"{name}{limits}"


def values_of(node: Node) -> list[Choice]:
    """List the values that a leaf may have, where they can be listed."""
    if node.type is None:
        return []
    found: list[Choice] = []
    for member in node.type.leaves:
        if member.base == "boolean":
            found += [Choice("true"), Choice("false")]
        found += [Choice(_short(member, value), words) for value, words in member.values]
    return found


def _short(kind: Type, value: str) -> str:
    return value.rpartition(":")[2] if kind.base == "identityref" else value
