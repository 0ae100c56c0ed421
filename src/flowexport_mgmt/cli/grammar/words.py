"""Lines as words, each with its place; quotes, pipes and what is wrong with a line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from flowexport_mgmt.errors import FlowExportError


class UsageError(FlowExportError):
    """A line that is no command, or a name that does not exist."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word as it is meant: ``text`` without quotes; ``column`` is where it begins in the line."""

    text: str
    column: int
    quoted: bool = False


class WordError(UsageError):
    """A word that is wrong; :func:`placed` adds the line."""

    def __init__(self, column: int, message: str) -> None:
        self.column = column
        self.message = message
        super().__init__(message)


def placed(line: str, error: WordError) -> UsageError:
    """Give the error with the line and a caret under the word."""
    return UsageError(f"{line.rstrip()}\n{caret(line, error.column)} {error.message}")


def caret(line: str, column: int) -> str:
    """Draw a caret under a place of a line."""
    text = line.expandtabs(1)
    return f"{' ' * min(column, len(text.rstrip()) + 1)}^"


_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r"}
_PLAIN: Final = re.compile(r"""[^\s"'|\[\]]+""")
_NEEDS_QUOTES: Final = re.compile(r"""[\s"'|\[\]{};#\\]|^/[/*]|^$""")


def split(line: str) -> list[list[Word]]:
    """Take a line apart at its pipes, and each part into words.

    Raises:
        WordError: a quote is not closed.
    """
    parts: list[list[Word]] = [[]]
    position = 0
    while position < len(line):
        character = line[position]
        if character.isspace():
            position += 1
        elif character == "|":
            parts.append([])
            position += 1
        elif character in "[]":
            parts[-1].append(Word(character, position))
            position += 1
        else:
            word, position = _word(line, position)
            parts[-1].append(word)
    return parts


def _word(line: str, start: int) -> tuple[Word, int]:
    """Read a word, which may be put together of quoted and plain pieces."""
    text, position, quoted = "", start, False
    while position < len(line):
        character = line[position]
        if character in "\"'":
            piece, position = unquoted(line, position)
            quoted = True
        elif (plain := _PLAIN.match(line, position)) is not None:
            piece, position = plain[0], plain.end()
        else:
            break
        text += piece
    return Word(text, start, quoted), position


def unquoted(line: str, start: int) -> tuple[str, int]:
    """Read a quoted string that begins at ``start``; return it and where it ends.

    Raises:
        WordError: it does not end.
    """
    quote, position, text = line[start], start + 1, ""
    while position < len(line):
        character = line[position]
        if character == quote:
            return text, position + 1
        if character == "\\" and quote == '"' and position + 1 < len(line):
            position += 1
            character = _ESCAPES.get(line[position], line[position])
        text += character
        position += 1
    raise WordError(start, "the quote is not closed")


def quote(text: str) -> str:
    """Write a value as one word."""
    if not _NEEDS_QUOTES.search(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    for letter, character in _ESCAPES.items():
        escaped = escaped.replace(character, f"\\{letter}")
    return f'"{escaped}"'


def end_of(words: Sequence[Word], line: str) -> int:
    """Give the column where a further word would stand."""
    return len(line.rstrip()) + 1 if words else 0


def listed(names: Iterable[str], most: int = 12) -> str:
    """Write names one after the other, not more than may be read."""
    known = list(names)
    more = f" and {len(known) - most} more" if len(known) > most else ""
    return ", ".join(known[:most]) + more
