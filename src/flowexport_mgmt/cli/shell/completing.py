"""Completion: from the grammar, and from what is configured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path as FilePath
from typing import Final

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from flowexport_mgmt.cli.commands.command import Argument, Kind
from flowexport_mgmt.cli.commands.expecting import Choice, Expectation, expect, spelled_out
from flowexport_mgmt.cli.grammar.paths import Expected
from flowexport_mgmt.cli.grammar.words import Word, WordError, quote, split
from flowexport_mgmt.cli.interpreter import FAILURES, scene_of
from flowexport_mgmt.cli.operator import Operator
from flowexport_mgmt.cli.shell.describing import first_sentence, values_of
from flowexport_mgmt.cli.shell.known import Known

_SHOWN: Final = 200
"""Completions that are offered at once."""


def unfinished(line: str) -> tuple[list[list[Word]], Word]:
    """Take a line apart into whole words and the one that is being typed, which may be empty.

    Raises:
        WordError: a quote is not closed.
    """
    parts = split(line)
    if parts[-1] and not line[-1:].isspace() and line[-1:] != "|":
        return parts, parts[-1].pop()
    return parts, Word("", len(line))


class LineCompleter(Completer):
    """Offers the words that may come next."""

    def __init__(self, operator: Operator, known: Known) -> None:
        self._operator = operator
        self._known = known

    def get_completions(self, document: Document, _: CompleteEvent) -> Iterable[Completion]:
        """Complete what stands before the cursor."""
        try:
            for position, choice in enumerate(self.choices(document.text_before_cursor)):
                if position >= _SHOWN:
                    return
                yield self._completion(document.text_before_cursor, choice)
        except FAILURES:
            return

    def _completion(self, line: str, choice: Choice) -> Completion:
        _, word = unfinished(line)
        text = choice.text if choice.text.endswith("/") else f"{quote(choice.text)} "
        return Completion(
            text,
            start_position=word.column - len(line),
            display=choice.text,
            display_meta=first_sentence(choice.help)[:60],
        )

    def choices(self, line: str) -> Iterator[Choice]:
        """List what the word that is being typed may become."""
        parts, word = unfinished(line)
        scene = scene_of(self._operator)
        expectation = expect(self._spelled(parts), scene)
        seen: set[str] = set()
        for choice in self._all(expectation, word):
            if choice.text.startswith(word.text) and choice.text not in seen:
                seen.add(choice.text)
                yield choice

    def _spelled(self, parts: list[list[Word]]) -> list[list[Word]]:
        """Spell out words that were typed short, so that what follows them is known."""
        try:
            return spelled_out(parts, scene_of(self._operator))
        except WordError:
            return parts

    def _all(self, expectation: Expectation, word: Word) -> Iterator[Choice]:
        yield from expectation.choices
        for expected in expectation.leaves:
            yield from self._values(expected)
        for argument in expectation.arguments:
            yield from self._arguments(argument, word)

    def _values(self, expected: Expected) -> Iterator[Choice]:
        node = expected.leaf
        if node is None or node.type is None:
            return
        yield from values_of(node)
        if expected.is_key:
            yield from map(Choice, self._known.keys(expected.above))
        elif node.hints.secret:
            return
        elif node.type.target:
            yield from map(Choice, self._known.targets(node.type.target))
        elif node.kind == "leaf-list" and expected.complete:
            yield from map(Choice, self._known.values(expected.above))

    def _arguments(self, argument: Argument, word: Word) -> Iterator[Choice]:
        if argument.entries:
            yield from map(Choice, self._known.entries(argument.entries))
        elif argument.kind is Kind.FILE:
            yield from _files(word.text)


def _files(typed: str) -> Iterator[Choice]:
    """List the files that a name may become."""
    folder, slash, _ = typed.rpartition("/")
    place = FilePath(f"{folder}{slash}" or ".").expanduser()
    try:
        found = sorted(place.iterdir())
    except OSError:
        return
    for path in found:
        name = f"{folder}{slash}{path.name}"
        yield Choice(f"{name}/" if path.is_dir() else name)
