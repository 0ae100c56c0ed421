"""The pipes, declared as data; read and checked before a command runs, then applied in order."""

from __future__ import annotations

import enum
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from flowexport_mgmt.cli.config.render import json_object, set_lines, xml_text
from flowexport_mgmt.cli.formats import structured, tables
from flowexport_mgmt.cli.grammar.words import UsageError, Word, WordError, listed
from flowexport_mgmt.cli.pipes.addresses import addresses_in, annotated
from flowexport_mgmt.cli.pipes.answer import Answer
from flowexport_mgmt.cli.values import Value


class Kind(enum.Enum):
    """What a pipe does; a line has one format at most."""

    FILTER = "filter"
    FORMAT = "format"
    OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class Pipe:
    """A pipe: its name, its help, the word that follows, if any, and which commands it suits."""

    name: str
    help: str
    kind: Kind
    value: str = ""
    choices: tuple[str, ...] = ()
    optional: bool = False
    only: str = ""


ROUTES: Final = "routes"
"""What suits `origin`: a daemon that can be asked for routes."""

PIPES: Final = (
    Pipe("match", "keep what matches a regular expression, in any case", Kind.FILTER, "PATTERN"),
    Pipe("except", "drop what matches a regular expression, in any case", Kind.FILTER, "PATTERN"),
    Pipe("count", "tell how many entries or lines there are", Kind.FILTER),
    Pipe("first", "keep the first entries or lines", Kind.FILTER, "N"),
    Pipe("last", "keep the last entries or lines", Kind.FILTER, "N"),
    Pipe("resolve", "add the names of addresses", Kind.FILTER),
    Pipe("origin", "add the autonomous systems that addresses belong to", Kind.FILTER, only=ROUTES),
    Pipe(
        "compare",
        "show the differences to what runs, or to the Nth configuration before it",
        Kind.FILTER,
        "rollback N",
        optional=True,
        only="configuration",
    ),
    Pipe("json", "write JSON", Kind.FORMAT, "pretty|compact", ("pretty", "compact"), optional=True),
    Pipe("ndjson", "write JSON, each entry on a line", Kind.FORMAT),
    Pipe("table", "write columns", Kind.FORMAT),
    Pipe("text", "write names and values, one a line", Kind.FORMAT),
    Pipe("yaml", "write YAML", Kind.FORMAT),
    Pipe("xml", "write XML", Kind.FORMAT),
    Pipe("set", "write set lines", Kind.FORMAT, only="configuration"),
    Pipe("csv", "write comma-separated values", Kind.FORMAT),
    Pipe("raw", "write what the daemon sent", Kind.FORMAT),
    Pipe("log", "write one answer after the other", Kind.OUTPUT, only="monitor"),
    Pipe("save", "write to a file", Kind.OUTPUT, "FILE"),
    Pipe("no-more", "do not stop at each page", Kind.OUTPUT),
)
_BY_NAME: Final = {pipe.name: pipe for pipe in PIPES}


@dataclass(frozen=True, slots=True)
class Stage:
    """A pipe with what it was given."""

    pipe: Pipe
    argument: str = ""
    column: int = 0

    @property
    def name(self) -> str:
        """The pipe's name."""
        return self.pipe.name


class Origins(Protocol):
    """Tells the autonomous systems of addresses."""

    def __call__(self, addresses: Iterable[str]) -> dict[str, Value]:
        """Give what is known, by address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What pipes need to know: the terminal's width, whom to ask, how to compare."""

    width: int | None = None
    origins: Origins | None = None
    compare: Callable[[Answer, int], Answer] | None = None


def suited(only: frozenset[str]) -> list[Pipe]:
    """List the pipes that suit a command of such properties."""
    return [pipe for pipe in PIPES if not pipe.only or pipe.only in only]


def read_pipes(
    parts: Sequence[Sequence[Word]], only: frozenset[str], end: int
) -> tuple[Stage, ...]:
    """Read the pipes of a line.

    Raises:
        WordError: one is unknown, does not suit the command or lacks its word, or there are two
            formats.
    """
    stages: list[Stage] = []
    for words in parts:
        if words and words[0].text == "display":  # as Junos spells it
            words = words[1:]  # noqa: PLW2901 - the same pipe without a word that means nothing
        if not words:
            raise WordError(end, f"a pipe is missing: {listed(p.name for p in suited(only))}")
        stages.append(_stage(words, only, end))
    formats = [stage for stage in stages if stage.pipe.kind is Kind.FORMAT]
    if len(formats) > 1:
        raise WordError(formats[1].column, f"there is a format already: {formats[0].name}")
    return tuple(stages)


def _stage(words: Sequence[Word], only: frozenset[str], end: int) -> Stage:
    pipe = _BY_NAME.get(words[0].text)
    if pipe is None:
        names = listed((p.name for p in suited(only)), 30)
        raise WordError(words[0].column, f"unknown pipe '{words[0].text}', expected {names}")
    if pipe.only and pipe.only not in only:
        raise WordError(words[0].column, _UNSUITED[pipe.only].format(pipe.name))
    rest = list(words[1:])
    if pipe.name == "compare" and rest and rest[0].text == "rollback":
        if len(rest) == 1:
            raise WordError(end, "a number is missing")
        rest = rest[1:]
    argument = _argument(pipe, rest, end)
    if len(rest) > 1 or (rest and not pipe.value):
        raise WordError(rest[1 if pipe.value else 0].column, "nothing is expected here")
    return Stage(pipe, argument, words[0].column)


_UNSUITED: Final = {
    "configuration": "{} is for configurations",
    "monitor": "{} is for monitor",
    ROUTES: "{} needs a daemon that looks up routes of BGP",
}


def _argument(pipe: Pipe, rest: Sequence[Word], end: int) -> str:
    if not pipe.value:
        return ""
    if not rest:
        if not pipe.optional:
            raise WordError(end, f"a {pipe.value} is missing")
        return ""
    word = rest[0]
    if pipe.choices and word.text not in pipe.choices:
        raise WordError(word.column, f"expected {' or '.join(pipe.choices)}")
    if pipe.value in ("N", "rollback N") and not (word.text.isascii() and word.text.isdecimal()):
        raise WordError(word.column, f"'{word.text}' is no number")
    if pipe.value == "PATTERN":
        _compiled(word)
    return word.text


def _compiled(word: Word) -> re.Pattern[str]:
    try:
        return re.compile(word.text, re.IGNORECASE)
    except re.error as error:
        raise WordError(word.column, f"no regular expression: {error}") from error


def apply(answer: Answer, stages: Iterable[Stage], around: Surroundings) -> Answer:
    """Send an answer through the pipes; what is left to do is to print it.

    Raises:
        UsageError: a file cannot be written.
    """
    for stage in stages:
        answer = _APPLIED[stage.name](answer, stage, around)
    return answer


def _kept(answer: Answer, keep: Callable[[list[Value]], list[Value]]) -> Answer:
    """Keep some entries of a list, or else some lines."""
    if answer.is_data and isinstance(answer.value, list):
        return replace(answer, value=keep(answer.value))
    lines = keep(list(answer.written()))
    return replace(answer, lines=tuple(str(line) for line in lines))


def _match(answer: Answer, stage: Stage, _: Surroundings) -> Answer:
    pattern = re.compile(stage.argument, re.IGNORECASE)
    wanted = stage.name == "match"

    def keep(entries: list[Value]) -> list[Value]:
        return [entry for entry in entries if bool(pattern.search(_searched(entry))) is wanted]

    return _kept(answer, keep)


def _searched(entry: Value) -> str:
    """Give what a pattern is searched in: a line, or an entry as JSON."""
    return entry if isinstance(entry, str) else structured.compact_json(entry)[0]


def _count(answer: Answer, _: Stage, __: Surroundings) -> Answer:
    if answer.is_data:
        value = len(answer.value) if isinstance(answer.value, list) else 1
        return replace(answer, value=value, plain=None)
    return replace(answer, value=len(answer.written()), lines=None, tree=None, plain=None)


def _first(answer: Answer, stage: Stage, _: Surroundings) -> Answer:
    return _kept(answer, lambda entries: entries[: int(stage.argument)])


def _last(answer: Answer, stage: Stage, _: Surroundings) -> Answer:
    return _kept(answer, lambda entries: entries[max(0, len(entries) - int(stage.argument)) :])


def _resolve(answer: Answer, _: Stage, __: Surroundings) -> Answer:
    from flowexport_mgmt.cli.pipes.names import names_of  # noqa: PLC0415 - threads, for it alone

    value = _data(answer)
    return replace(
        answer, value=annotated(value, names_of(addresses_in(value)), "host-name"), tree=None
    )


def _origin(answer: Answer, _: Stage, around: Surroundings) -> Answer:
    assert around.origins is not None  # noqa: S101 - the pipe was checked
    value = _data(answer)
    return replace(
        answer, value=annotated(value, around.origins(addresses_in(value)), "origin-as"), tree=None
    )


def _compare(answer: Answer, stage: Stage, around: Surroundings) -> Answer:
    assert around.compare is not None  # noqa: S101 - the pipe was checked
    return around.compare(answer, int(stage.argument or 0))


def _data(answer: Answer) -> Value:
    """Give data to be written in some format: configuration as RFC 7951 has it, text as lines."""
    if answer.lines is not None:
        return list(answer.lines)
    return json_object(answer.tree) if answer.tree is not None else answer.value


def _format(write: Callable[[Value, int | None], list[str]]) -> _Apply:
    def applied(answer: Answer, _: Stage, around: Surroundings) -> Answer:
        return replace(answer, lines=tuple(write(_data(answer), around.width)))

    return applied


def _json(answer: Answer, stage: Stage, _: Surroundings) -> Answer:
    compact = stage.argument == "compact"
    write = structured.compact_json if compact else structured.pretty_json
    return replace(answer, lines=tuple(write(_data(answer))))


def _set(answer: Answer, _: Stage, __: Surroundings) -> Answer:
    assert answer.tree is not None  # noqa: S101 - the pipe was checked
    return replace(answer, lines=tuple(set_lines(answer.tree, answer.tree.place)))


def _xml(answer: Answer, _: Stage, __: Surroundings) -> Answer:
    if answer.tree is None:
        return _raw(answer, _, __)
    return replace(answer, lines=tuple(xml_text(answer.tree.elements, answer.tree).split("\n")))


def _raw(answer: Answer, _: Stage, __: Surroundings) -> Answer:
    if answer.tree is not None:
        compact = xml_text(answer.tree.elements, answer.tree)
        return replace(answer, lines=tuple(compact.split("\n")))
    return replace(answer, lines=tuple(answer.raw.split("\n")) if answer.raw else answer.written())


def _save(answer: Answer, stage: Stage, _: Surroundings) -> Answer:
    write_file(stage.argument, "\n".join([*answer.written(), ""]))
    return replace(answer, lines=(), value=None, tree=None)


def write_file(name: str, text: str) -> None:
    """Write a file that only its owner can read.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        handle = os.open(Path(name).expanduser(), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror}") from error


def _same(answer: Answer, _: Stage, __: Surroundings) -> Answer:
    return answer


_Apply = Callable[[Answer, Stage, Surroundings], Answer]
_APPLIED: Final[dict[str, _Apply]] = {
    "match": _match,
    "except": _match,
    "count": _count,
    "first": _first,
    "last": _last,
    "resolve": _resolve,
    "origin": _origin,
    "compare": _compare,
    "json": _json,
    "ndjson": _format(lambda value, _: structured.json_lines(value)),
    "table": _format(tables.table),
    "text": _format(lambda value, _: list(tables.text(value))),
    "yaml": _format(lambda value, _: structured.yaml(value)),
    "xml": _xml,
    "set": _set,
    "csv": _format(lambda value, _: tables.comma_separated(value)),
    "raw": _raw,
    "log": _same,
    "save": _save,
    "no-more": _same,
}
