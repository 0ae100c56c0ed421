"""Brace blocks as routers write them, taken apart into statements.

Tolerant of what differs between them: a statement ends with a semicolon, or at the end of its line;
comments are ``#``, ``//`` and ``/* */``; strings stand in double or single quotes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from flowexport_mgmt.cli.grammar.words import UsageError, Word, unquoted

_DEEPEST: Final = 64
_COMMENT: Final = re.compile(r"#[^\n]*|//[^\n]*|/\*.*?\*/", re.DOTALL)
_PLAIN: Final = re.compile(r"""[^\s"'{};\[\]]+""")


@dataclass(frozen=True, slots=True)
class Statement:
    """Words, and what stands in braces after them; ``block`` is None without braces."""

    words: tuple[Word, ...]
    block: tuple[Statement, ...] | None = None


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    offset: int
    quoted: bool = False
    first: bool = False
    """Whether it is the first of its line."""

    @property
    def mark(self) -> str:
        """The token as a mark of punctuation; empty when it is a word."""
        return self.text if not self.quoted and self.text in ("{", "}", ";") else ""


def read_braces(text: str) -> tuple[Statement, ...]:
    """Take a text apart; the columns of the words are offsets in the text.

    Raises:
        UsageError: a brace or a quote is missing or one too many, with its line.
    """
    tokens = _tokens(text)
    statements, end = _statements(text, tokens, 0, 0)
    if end < len(tokens):
        raise located(text, tokens[end].offset, "there is no block that this brace ends")
    return statements


def located(text: str, offset: int, message: str) -> UsageError:
    """Give an error with the line of a text that it is in, and a caret."""
    start = text.rfind("\n", 0, offset) + 1
    line = text[start:].partition("\n")[0]
    number = text.count("\n", 0, start) + 1
    place = " " * (offset - start)
    return UsageError(f"line {number}: {message}\n{line.expandtabs(1)}\n{place}^")


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    position, first = 0, True
    while position < len(text):
        character = text[position]
        if character.isspace():
            first = first or character == "\n"
            position += 1
            continue
        comment = _COMMENT.match(text, position)
        if comment is not None:
            first = first or "\n" in comment[0]
            position = comment.end()
            continue
        token, position = _token(text, position, first=first)
        found.append(token)
        first = False
    return found


def _token(text: str, start: int, *, first: bool) -> tuple[_Token, int]:
    if text[start] in "\"'":
        try:
            value, end = unquoted(text, start)
        except UsageError as error:
            raise located(text, start, str(error)) from error
        return _Token(value, start, quoted=True, first=first), end
    plain = _PLAIN.match(text, start)
    if plain is None:
        return _Token(text[start], start, first=first), start + 1
    return _Token(plain[0], start, first=first), plain.end()


def _statements(
    text: str, tokens: Sequence[_Token], position: int, depth: int
) -> tuple[tuple[Statement, ...], int]:
    """Read statements up to the brace that ends them; return where that is."""
    if depth > _DEEPEST:
        message = f"more than {_DEEPEST} blocks in each other"
        raise located(text, tokens[position - 1].offset, message)
    found: list[Statement] = []
    while position < len(tokens) and tokens[position].mark != "}":
        words, position = _words(tokens, position)
        mark = tokens[position].mark if position < len(tokens) else ""
        if mark == "{":
            if not words:
                raise located(text, tokens[position].offset, "a block without a name")
            block, end = _statements(text, tokens, position + 1, depth + 1)
            if end >= len(tokens):
                raise located(text, tokens[position].offset, "this block does not end")
            found.append(Statement(words, block))
            position = end + 1
            continue
        if words:
            found.append(Statement(words))
        if mark == ";":
            position += 1
    return tuple(found), position


def _words(tokens: Sequence[_Token], position: int) -> tuple[tuple[Word, ...], int]:
    """Read the words of a statement: to a mark, or to the end of the line outside of brackets."""
    words: list[Word] = []
    inside = False
    while position < len(tokens) and not tokens[position].mark:
        token = tokens[position]
        if words and token.first and not inside:
            break
        if not token.quoted and token.text in ("[", "]"):
            inside = token.text == "["
        words.append(Word(token.text, token.offset, token.quoted))
        position += 1
    return tuple(words), position
