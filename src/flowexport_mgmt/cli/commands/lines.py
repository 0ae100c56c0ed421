"""Lines as invocations, and what may follow a line that is not complete.

Both come from one function that follows a command word by word, :func:`_follow`, so that whatever
is completed can be carried out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from flowexport_mgmt.cli.commands.command import Argument, Command, Invocation, Kind, Mode
from flowexport_mgmt.cli.commands.origins import LOOKUP
from flowexport_mgmt.cli.commands.table import COMMANDS, RUN
from flowexport_mgmt.cli.grammar.paths import Expected, Path, Setting, Walker
from flowexport_mgmt.cli.grammar.words import Word, WordError, listed, placed, split
from flowexport_mgmt.cli.operator import node_at, operation
from flowexport_mgmt.cli.pipes.pipes import ROUTES, Stage, read_pipes
from flowexport_mgmt.schema.grammar import Grammar

_PATHS: Final = {Kind.DATA: False, Kind.CONFIG: True, Kind.SETTINGS: True}
"""Arguments that are paths, and whether only configuration may be in them."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What a line is read in: the grammar, the mode, and the level that paths begin at."""

    grammar: Grammar
    mode: Mode = Mode.OPERATIONAL
    level: Path = ()

    def commands(self) -> list[Command]:
        """List the commands that there are: in this mode, with this schema; remembered."""
        known: dict[Mode, list[Command]] = self.grammar.__dict__.setdefault("_commands", {})
        if self.mode not in known:
            known[self.mode] = [c for c in COMMANDS if c.mode & self.mode and self._has(c.needs)]
        return known[self.mode]

    def _has(self, needs: str) -> bool:
        if needs.startswith("rpc "):
            return operation(self.grammar, needs.removeprefix("rpc ")) is not None
        return not needs or bool(node_at(self.grammar, needs))

    def suiting(self, command: Command) -> frozenset[str]:
        """Say what pipes may be for: what suits the command, and what the daemon can do."""
        has_routes = operation(self.grammar, LOOKUP) is not None
        return command.only | {ROUTES} if has_routes else command.only

    def operational(self) -> Scene:
        """Give the scene of a command after ``run``."""
        return Scene(self.grammar)


@dataclass(slots=True)
class Reading:
    """How far a command was followed: what it was given, and what may come next."""

    command: Command
    given: dict[str, Word] = field(default_factory=dict)
    walker: Walker | None = None
    pending: Argument | None = None
    positional: int = 0

    def arguments(self) -> list[Argument]:
        """List the arguments that may come now."""
        if self.pending is not None and not self.pending.value_optional:
            return [self.pending]
        keywords = [a for a in self.command.arguments if a.word and a.name not in self.given]
        places = [a for a in self.command.arguments if not a.word][self.positional :][:1]
        optional = [self.pending] if self.pending is not None else []
        return optional + _without_rivals(keywords, self.given) + places

    def expected(self) -> Expected | None:
        """Tell what the path of the command expects; None when there is none."""
        return self.walker.expected() if self.walker is not None else None


_RIVALS: Final = ("merge", "replace", "override")
"""Keywords that exclude each other."""


def _without_rivals(keywords: list[Argument], given: dict[str, Word]) -> list[Argument]:
    if any(rival in given for rival in _RIVALS):
        return [argument for argument in keywords if argument.word not in _RIVALS]
    return keywords


def read_line(line: str, scene: Scene) -> Invocation:
    """Read a line.

    Raises:
        UsageError: with the line and a caret under the word that is wrong.
    """
    try:
        words, *pipes = split(line)
        return _read(line, words, pipes, scene)
    except WordError as error:
        raise placed(line, error) from error


def _read(
    line: str, words: Sequence[Word], pipes: Sequence[Sequence[Word]], scene: Scene
) -> Invocation:
    end = len(line.rstrip()) + 1
    if scene.mode is Mode.CONFIGURE and words and words[0].text == RUN:
        return _read(line, words[1:], pipes, scene.operational())
    candidates = [c for c in scene.commands() if _begins(words, c)]
    if not candidates:
        raise _unknown(words, scene, end)
    failures: list[WordError] = []
    for command in sorted(candidates, key=lambda c: -len(c.words)):
        try:
            found = _complete(follow(command, words[len(command.words) :], scene), end)
        except WordError as error:
            failures.append(error)
            continue
        stages = _stages(command, pipes, scene, end)
        return Invocation(command, line, found.given, _path(found), _settings(found), stages)
    raise _farthest(max(failures, key=lambda error: error.column), _unknown(words, scene, end))


def _stages(
    command: Command, pipes: Sequence[Sequence[Word]], scene: Scene, end: int
) -> tuple[Stage, ...]:
    if pipes and not command.pipes:
        raise WordError(end, f"{' '.join(command.words)} has no output for a pipe")
    return read_pipes(pipes, scene.suiting(command), end)


def _path(reading: Reading) -> Path:
    return reading.walker.path if reading.walker is not None else ()


def _settings(reading: Reading) -> tuple[Setting, ...]:
    return tuple(reading.walker.settings) if reading.walker is not None else ()


def _begins(words: Sequence[Word], command: Command) -> bool:
    return tuple(word.text for word in words[: len(command.words)]) == command.words


def _farthest(failure: WordError, unknown: WordError) -> WordError:
    """Choose the error that understood more of a line; of the same place both say what fits."""
    if unknown.column != failure.column:
        return max(failure, unknown, key=lambda error: error.column)
    for head in ("more is needed: ", "expected "):
        before, _, first = unknown.message.partition(head)
        same, _, further = failure.message.partition(head)
        if first and further and before == same:
            names = dict.fromkeys((*first.split(", "), *further.split(", ")))
            return WordError(failure.column, f"{before}{head}{listed(names, 30)}")
    return failure


def _unknown(words: Sequence[Word], scene: Scene, end: int) -> WordError:
    """Tell at which word a line ceases to be a command."""
    depth, known = 0, scene.commands()
    while depth < len(words):
        matching = [c for c in known if c.words[depth : depth + 1] == (words[depth].text,)]
        if not matching:
            break
        known, depth = matching, depth + 1
    names = listed(dict.fromkeys(c.words[depth] for c in known if len(c.words) > depth), 30)
    if depth == len(words):
        return WordError(end, f"more is needed: {names}")
    return WordError(words[depth].column, f"unknown word '{words[depth].text}', expected {names}")


def follow(command: Command, words: Sequence[Word], scene: Scene) -> Reading:
    """Give a command its arguments, as far as they go.

    Raises:
        WordError: a word is none of what was expected.
    """
    reading = Reading(command)
    _open_path(reading, scene)
    for word in words:
        _take(reading, word)
    return reading


def _open_path(reading: Reading, scene: Scene) -> None:
    """Begin a path where that is the next argument."""
    places = [a for a in reading.command.arguments if not a.word]
    argument = places[reading.positional] if reading.positional < len(places) else None
    if argument is None or argument.kind not in _PATHS:
        return
    config = _PATHS[argument.kind]
    start = scene.level if config and scene.mode is Mode.CONFIGURE else ()
    values = argument.kind is Kind.SETTINGS
    whole = reading.command.reads
    nodes = scene.grammar.nodes
    reading.walker = Walker(nodes, start, config=config, values=values, whole=whole)


def _take(reading: Reading, word: Word) -> None:
    if reading.pending is not None:
        argument = reading.pending
        reading.pending = None
        if _fits(argument, word):
            reading.given[argument.name] = word
            return
        if not argument.value_optional:
            raise WordError(word.column, f"'{word.text}' is no {argument.value}")
    keyword = next((a for a in reading.arguments() if a.word and a.word == word.text), None)
    if keyword is not None and _is_free(reading):
        reading.given[keyword.name] = Word("", word.column)
        reading.pending = keyword if keyword.kind is not Kind.FLAG else None
    elif reading.walker is not None:
        reading.walker.feed([word])
    else:
        _take_place(reading, word)


def _is_free(reading: Reading) -> bool:
    """Tell whether a keyword may stand here: not in the middle of a path."""
    expected = reading.expected()
    return expected is None or expected.leaf is None or expected.complete


def _fits(argument: Argument, word: Word) -> bool:
    return argument.kind is not Kind.NUMBER or (word.text.isascii() and word.text.isdecimal())


def _take_place(reading: Reading, word: Word) -> None:
    places = [a for a in reading.command.arguments if not a.word]
    if reading.positional >= len(places):
        usage = reading.command.usage
        raise WordError(word.column, f"unexpected; the command is: {usage}")
    argument = places[reading.positional]
    if not _fits(argument, word):
        raise WordError(word.column, f"'{word.text}' is no number")
    reading.given[argument.name] = word
    reading.positional += 1


def _complete(reading: Reading, end: int) -> Reading:
    """Check that nothing is missing.

    Raises:
        WordError: something is.
    """
    if reading.pending is not None and not reading.pending.value_optional:
        raise WordError(end, f"a {reading.pending.value} is missing")
    places = [a for a in reading.command.arguments if not a.word]
    missing = next((a for a in places[reading.positional :] if a.required), None)
    if reading.walker is not None:
        required = missing is not None and missing.kind is not Kind.SETTINGS
        if required and not reading.walker.begun:
            raise WordError(end, f"more is needed: {reading.walker.wanted()}")
        reading.walker.finish(end)
    elif missing is not None:
        raise WordError(end, f"a {missing.value} is missing")
    return reading


def prefixes(words: Sequence[Word], scene: Scene) -> Iterator[Reading]:
    """Give each command that the words may be the beginning of, followed as far as they go."""
    for command in scene.commands():
        if _begins(words, command):
            try:
                yield follow(command, words[len(command.words) :], scene)
            except WordError:
                continue
