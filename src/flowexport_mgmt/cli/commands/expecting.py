"""What may come next in a line: for completion, for ``?``, and to spell out what is short."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from flowexport_mgmt.cli.commands.command import Argument, Kind, Mode
from flowexport_mgmt.cli.commands.lines import Reading, Scene, prefixes
from flowexport_mgmt.cli.commands.table import RUN
from flowexport_mgmt.cli.grammar.paths import Expected, Path
from flowexport_mgmt.cli.grammar.words import Word, WordError, listed, placed, split
from flowexport_mgmt.cli.pipes.pipes import Kind as PipeKind
from flowexport_mgmt.cli.pipes.pipes import Pipe, suited


@dataclass(frozen=True, slots=True)
class Choice:
    """A word that may come next, and what it is for."""

    text: str
    help: str = ""


@dataclass(frozen=True, slots=True)
class Expectation:
    """All that may come next.

    ``leaves`` are values of the schema, ``arguments`` values of commands; ``complete`` says that
    the line may also end here. ``silent`` are further words that are understood, but not offered.
    """

    choices: tuple[Choice, ...] = ()
    leaves: tuple[Expected, ...] = ()
    arguments: tuple[Argument, ...] = ()
    complete: bool = False
    silent: frozenset[str] = frozenset()

    @property
    def is_free(self) -> bool:
        """Whether a word may be something that is not listed."""
        return bool(self.leaves or self.arguments)


def expect(parts: Sequence[Sequence[Word]], scene: Scene) -> Expectation:
    """Tell what may follow the words of a line, given part by part as its pipes divide it."""
    words, *pipes = parts
    if scene.mode is Mode.CONFIGURE and words and words[0].text == RUN:
        return expect([words[1:], *pipes], scene.operational())
    if pipes:
        return _expect_pipe(words, pipes, scene)
    return _expect_word(words, scene)


def _expect_word(words: Sequence[Word], scene: Scene) -> Expectation:
    choices = dict(_next_words(words, scene))
    leaves: list[Expected] = []
    arguments: list[Argument] = []
    complete = False
    silent: set[str] = set()
    for reading in prefixes(words, scene):
        complete = complete or _may_end(reading)
        for argument in reading.arguments():
            if argument.word and argument is not reading.pending:
                choices.setdefault(argument.word, argument.help)
            elif reading.walker is None or argument is reading.pending:
                arguments.append(argument)
        expected = None if reading.pending else reading.expected()
        if expected is not None and expected.leaf is not None:
            leaves.append(expected)
        elif expected is not None:
            for name, help_ in _children(expected.children):
                choices.setdefault(name, help_)
            silent.update(_silent(expected.children))
    return Expectation(
        tuple(Choice(text, help_) for text, help_ in choices.items()),
        tuple(leaves),
        tuple(arguments),
        complete,
        frozenset(silent),
    )


def _next_words(words: Sequence[Word], scene: Scene) -> Iterator[tuple[str, str]]:
    """Give the words of commands that come next."""
    typed = tuple(word.text for word in words)
    depth = len(typed)
    for command in scene.commands():
        if len(command.words) > depth and command.words[:depth] == typed:
            last = len(command.words) == depth + 1
            yield command.words[depth], command.help if last else ""
    if not words and scene.mode is Mode.CONFIGURE:
        yield RUN, "carry out an operational command"


def _children(paths: Iterable[Path]) -> Iterator[tuple[str, str]]:
    for path in paths:
        node = path[-1].node
        if node.hints.is_offered:
            yield node.name, node.description


def _silent(paths: Iterable[Path]) -> Iterator[str]:
    for path in paths:
        node = path[-1].node
        yield from node.hints.alias.split()
        if not node.hints.is_offered:
            yield node.name


def _may_end(reading: Reading) -> bool:
    if reading.pending is not None and not reading.pending.value_optional:
        return False
    places = [a for a in reading.command.arguments if not a.word][reading.positional :]
    if reading.walker is None:
        return not any(argument.required for argument in places)
    if not reading.walker.begun:
        return not any(argument.required for argument in places)
    return reading.walker.expected().complete or reading.walker.makes_place


def _expect_pipe(
    words: Sequence[Word], pipes: Sequence[Sequence[Word]], scene: Scene
) -> Expectation:
    found = [reading.command for reading in prefixes(words, scene)]
    known = [command for command in found if command.pipes]
    if not known:
        return Expectation()
    only = scene.suiting(max(known, key=lambda command: len(command.words)))
    *before, current = pipes
    formatted = any(_kind(part, only) is PipeKind.FORMAT for part in before)
    offered = [p for p in suited(only) if not (formatted and p.kind is PipeKind.FORMAT)]
    if not current:
        return Expectation(tuple(Choice(pipe.name, pipe.help) for pipe in offered))
    pipe = next((p for p in offered if p.name == current[0].text), None)
    return _expect_argument(pipe, current[1:])


def _kind(part: Sequence[Word], only: frozenset[str]) -> PipeKind | None:
    name = part[0].text if part else ""
    return next((pipe.kind for pipe in suited(only) if pipe.name == name), None)


def _expect_argument(pipe: Pipe | None, given: Sequence[Word]) -> Expectation:
    if pipe is None:
        return Expectation()
    if pipe.name == "compare":
        return _expect_rollback(given)
    if given or not pipe.value:
        return Expectation(complete=True)
    if pipe.choices:
        return Expectation(tuple(map(Choice, pipe.choices)), complete=True)
    kind = Kind.FILE if pipe.value == "FILE" else Kind.TEXT
    return Expectation(arguments=(Argument(value=pipe.value, kind=kind, help=pipe.help),))


def _expect_rollback(given: Sequence[Word]) -> Expectation:
    if not given:
        choice = Choice("rollback", "another configuration than what runs")
        return Expectation((choice,), complete=True)
    if len(given) == 1:
        return Expectation(arguments=(Argument(value="N", kind=Kind.NUMBER, help="how many back"),))
    return Expectation(complete=True)


def expanded(line: str, scene: Scene) -> str:
    """Spell out the words of a line that are the beginnings of one word each.

    Raises:
        UsageError: a word is the beginning of several.
    """
    try:
        parts = split(line)
        replaced = list(_replacements(parts, scene))
    except WordError as error:
        raise placed(line, error) from error
    for word, full in reversed(replaced):
        line = line[: word.column] + full + line[word.column + len(word.text) :]
    return line


def spelled_out(parts: list[list[Word]], scene: Scene) -> list[list[Word]]:
    """Give the words of a line with those spelled out that are the beginnings of one word each.

    Raises:
        WordError: a word is the beginning of several.
    """
    full = {id(word): text for word, text in _replacements(parts, scene)}
    return [
        [Word(full.get(id(word), word.text), word.column, word.quoted) for word in part]
        for part in parts
    ]


def _replacements(parts: list[list[Word]], scene: Scene) -> Iterator[tuple[Word, str]]:
    done: list[list[Word]] = []
    for part in parts:
        done.append([])
        for word in part:
            full = _full(word, expect(done, scene))
            done[-1].append(Word(full, word.column, word.quoted))
            if full != word.text:
                yield word, full


def _full(word: Word, expectation: Expectation) -> str:
    known = [choice.text for choice in expectation.choices]
    if word.quoted or not word.text or word.text in known or word.text in expectation.silent:
        return word.text
    found = [text for text in known if text.startswith(word.text)]
    if len(found) > 1 and not expectation.is_free:
        raise WordError(word.column, f"'{word.text}' is ambiguous: {listed(found)}")
    return found[0] if len(found) == 1 and not expectation.is_free else word.text
