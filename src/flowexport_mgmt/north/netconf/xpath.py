"""XPath filters (RFC 6241, section 8.9): XPath 1.0 with the core function library.

The root node of an expression has the top-level data nodes as its children. libxml2 knows one
element at the top only, so that the data hangs below a wrapper, and each path that starts at the
root is made to start at a variable that holds the wrapper.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final

from lxml import etree

from flowexport_mgmt.schema.on_request import write_request
from flowexport_mgmt.schema.paths import predicates_at

MAX_LENGTH: Final = 4096
"""The longest expression, in characters."""

_ROOT: Final = "data-root"
_NAME: Final = r"[^\W\d][\w.-]*"
_TOKEN: Final = re.compile(
    rf"""
    "[^"]*" | '[^']*'               # literal
    | \d+(?:\.\d*)? | \.\d+         # number
    | {_NAME}(?::(?:{_NAME}|\*))?   # name, function, axis, operator in letters
    | // | :: | \.\. | [!<>]=
    | \S
    """,
    re.VERBOSE,
)
_SYMBOLS: Final = frozenset(["|", "+", "-", "=", "!=", "<", "<=", ">", ">="])
_OPERATORS: Final = _SYMBOLS | {"and", "or", "mod", "div", "*"}
"""Operators; the words among them, and the star, are names where an operand is due."""
_OPENING: Final = frozenset(["(", "[", ","])
_CLOSING: Final = frozenset([")", "]"])
_SLASHES: Final = frozenset(["/", "//"])
_COSTLY: Final = frozenset(["(", "//", "..", "::", "*", "@"])
_LITERAL: Final = re.compile(r"[\"'\d.]")
_QUICK_TOKENS: Final = 64
_EVERYTHING: Final = ("/",)


class ExpressionError(Exception):
    """What is wrong with an expression, in words."""


class Expression:
    """An expression that is ready to be evaluated.

    ``paths`` are the top nodes that it may reach, as schema paths without prefixes; ``is_quick``
    says that its evaluation takes no longer than a few walks over the data.

    Raises:
        ExpressionError: it is too long or not XPath.
    """

    def __init__(self, text: str, prefixes: Mapping[str, str]) -> None:
        if len(text) > MAX_LENGTH:
            raise ExpressionError(f"the expression is longer than {MAX_LENGTH} characters")
        tokens = list(_read(text))
        if any(token.text == "$" for token in tokens):
            raise ExpressionError("no variables are bound here")
        self.text = text
        self.prefixes = dict(prefixes)
        self.paths = _top_nodes(tokens)
        self.is_quick = _is_quick(tokens)
        try:
            self._evaluate = etree.XPath(_rooted(tokens), namespaces=self.prefixes, regexp=False)
        except etree.XPathSyntaxError as error:
            raise ExpressionError(str(error)) from error

    def in_modules(self, modules: Mapping[str, str]) -> str | None:
        """Write it with module names for prefixes; ``modules`` gives them by namespace.

        Returns:
            None where a prefix stands for no module.
        """
        parts = []
        for text in _TOKEN.findall(self.text):
            prefix, colon, name = text.partition(":")
            if not colon or not name or text[0] in "\"'":
                parts.append(text)
                continue
            module = modules.get(self.prefixes.get(prefix, ""))
            if module is None:
                return None
            parts.append(f"{module}:{name}")
        return " ".join(parts)

    def requests(self, lists: Collection[str]) -> tuple[str, ...]:
        """List what is asked of lists that are told only to who names them.

        A name that is a list's is taken for it wherever it stands. The predicates after it count
        where they are keys of an instance path; others ask for any entries.
        """
        return tuple(dict.fromkeys(_requests(self.text, lists)))

    def evaluate(self, data: etree._Element) -> list[etree._Element] | bool:
        """Evaluate against the children of ``data``.

        An attribute or text stands for the element that it belongs to, ``data`` for its children.

        Returns:
            The elements found; for what is no set of nodes its boolean value.

        Raises:
            ExpressionError: a prefix is not declared, or there is no such function or variable.
        """
        variables: dict[str, Any] = {_ROOT: [data]}
        try:
            found = self._evaluate(data, **variables)
        except etree.XPathError as error:
            raise ExpressionError(str(error)) from error
        if not isinstance(found, list):
            return bool(found) and found == found  # noqa: PLR0124 - a NaN is false in XPath
        elements = map(_element, found)
        return [element for element in elements if element is not None]


@dataclass(frozen=True, slots=True)
class _Token:
    """A token; ``starts`` is set on the first one of a location path or other operand.

    ``depth`` counts the predicates around it: only outside of them is the root the context node.
    """

    text: str
    depth: int
    starts: bool


def _read(expression: str) -> Iterator[_Token]:
    operand_next, in_path, depth = True, False, 0
    for text in _TOKEN.findall(expression):
        if operand_next and text not in _SYMBOLS | _OPENING | _CLOSING:
            yield _Token(text, depth, starts=not in_path)
            in_path = text in _SLASHES or text == "@"
            operand_next = in_path
            continue
        depth += (text == "[") - (text == "]")
        yield _Token(text, depth, starts=False)
        in_path = text in _SLASHES or text == "::"
        operand_next = in_path or text in _OPERATORS or text in _OPENING


def _rooted(tokens: list[_Token]) -> str:
    """Write the expression with each absolute path starting at the variable."""
    parts = []
    for token, following in zip_longest(tokens, tokens[1:]):
        if token.starts and token.text in _SLASHES:
            alone = token.text == "/" and (not following or not _starts_step(following.text))
            parts.append(f"${_ROOT}" if alone else f"${_ROOT}{token.text}")
        else:
            parts.append(token.text)
    return " ".join(parts)


def _is_quick(tokens: list[_Token]) -> bool:
    """Tell whether each step goes to children only and predicates compare with literals only.

    The work is then at most the number of steps times the number of nodes.
    """
    if len(tokens) > _QUICK_TOKENS:
        return False
    for token, before in zip(tokens, [None, *tokens], strict=False):
        if token.text in _COSTLY or token.depth > 1:
            return False
        inside = token.depth == 1 and token.text != "["
        if inside and before is not None and before.text == "=":
            if not _LITERAL.match(token.text):
                return False
        elif inside and (token.text in _SYMBOLS - {"="} or token.text in _SLASHES):
            return False
    return True


def _starts_step(text: str) -> bool:
    return text in {"*", ".", "..", "@"} or re.match(_NAME, text) is not None


def _top_nodes(tokens: list[_Token]) -> tuple[str, ...]:
    if any(token.text in {"..", "::"} for token in tokens):
        return _EVERYTHING
    tops: dict[str, None] = {}
    for index, token in enumerate(tokens):
        if not token.starts:
            continue
        absolute = token.text == "/"
        step = tokens[index + 1].text if absolute and index + 1 < len(tokens) else token.text
        call = not absolute and index + 1 < len(tokens) and tokens[index + 1].text == "("
        if call or (token.depth and not absolute) or re.match(r"""["'\d]|\.\d""", step):
            continue
        name = step.rpartition(":")[2]
        if not re.fullmatch(_NAME, name):
            return _EVERYTHING
        tops[f"/{name}"] = None
    return tuple(tops)


def _requests(text: str, lists: Collection[str]) -> Iterator[str]:
    names = {listed.rpartition("/")[2]: listed for listed in lists}
    for token in _TOKEN.finditer(text):
        listed = names.get(token[0].rpartition(":")[2])
        if listed is not None:
            yield write_request(listed, predicates_at(text, token.end()))


def _element(found: object) -> etree._Element | None:
    """Take the element of a node; an attribute or text stands for the one that it belongs to."""
    if isinstance(found, etree._Element):
        return found
    parent = getattr(found, "getparent", lambda: None)()
    return parent if isinstance(parent, etree._Element) else None
