"""Texts as documents: brace blocks, set lines, JSON or XML, whichever a text is."""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Iterable, Sequence
from typing import Final

from lxml import etree

from flowexport_mgmt.cli.config.braces import Statement, located, read_braces
from flowexport_mgmt.cli.config.document import Document, entry_keys
from flowexport_mgmt.cli.config.names import typed_name
from flowexport_mgmt.cli.grammar.paths import Path, Step, Walker, match, offered
from flowexport_mgmt.cli.grammar.words import UsageError, Word, WordError, split
from flowexport_mgmt.cli.values import below, children, local_name
from flowexport_mgmt.schema.grammar import Grammar, Node

LARGEST: Final = 64 * 1024 * 1024
_SET_LINE: Final = re.compile(r"\s*(?:#[^\n]*\n\s*)*(?:set|delete)\s")
_TRUE: Final = ("true", "enable", "enabled", "yes", "on")
_FALSE: Final = ("false", "disable", "disabled", "no", "off")


class Form(enum.StrEnum):
    """How a configuration is written."""

    BRACES = "brace text"
    LINES = "set lines"
    JSON = "JSON"
    XML = "XML"


def form_of(text: str) -> Form:
    """Tell how a text is written, by how it begins."""
    start = text.lstrip()
    if start.startswith("<"):
        return Form.XML
    if re.match(r"\{\s*[\"}]", start):
        return Form.JSON
    return Form.LINES if _SET_LINE.match(text) else Form.BRACES


def read(text: str, grammar: Grammar, start: Path = ()) -> Document:
    """Read a configuration that stands below a place in the tree.

    Raises:
        UsageError: it is wrong; with the line and a caret where there are lines.
    """
    document = Document(grammar.modules)
    form = form_of(text)
    if form is Form.LINES:
        _read_lines(text, document, grammar, start)
    elif form is Form.BRACES:
        _read_braces(text, document, grammar, start)
    elif form is Form.JSON:
        _read_json(text, document, grammar, start)
    else:
        _read_xml(text, document, grammar, start)
    return document


def walker(grammar: Grammar, start: Path, *, values: bool) -> Walker:
    """Make what reads the paths of configuration that a file holds."""
    return Walker(grammar.nodes, start, config=True, values=values)


def _read_lines(text: str, document: Document, grammar: Grammar, start: Path) -> None:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            _read_line(line, document, grammar, start)
        except WordError as error:
            place = " " * error.column
            raise UsageError(f"line {number}: {error.message}\n{line}\n{place}^") from error


def _read_line(line: str, document: Document, grammar: Grammar, start: Path) -> None:
    verb, *words = (word for part in split(line) for word in part)
    end = len(line.rstrip()) + 1
    if verb.text == "delete":
        walk = walker(grammar, start, values=False)
        walk.feed(words)
        walk.finish(end)
        document.delete(walk.path)
    elif verb.text == "set":
        walk = walker(grammar, start, values=True)
        walk.feed(words)
        walk.finish(end)
        for setting in walk.settings:
            document.apply(setting)
    else:
        raise WordError(verb.column, f"unknown word '{verb.text}', expected set, delete")


def _read_braces(text: str, document: Document, grammar: Grammar, start: Path) -> None:
    try:
        for statement in read_braces(text):
            _enter(statement, document, grammar, start)
    except WordError as error:
        raise located(text, error.column, error.message) from error


def _enter(statement: Statement, document: Document, grammar: Grammar, above: Path) -> None:
    """Enter a statement: words that lead to a place, then values or a block."""
    words = _with_booleans(statement, grammar, above)
    last = statement.words[-1]
    end = last.column + len(last.text)
    if statement.block is None:
        walk = walker(grammar, above, values=True)
        walk.feed(words)
        if not walk.settings and walk.path[-1:] and walk.path[-1].node.is_parent:
            _enter_place(walk, document)
            return
        walk.finish(end)
        for setting in walk.settings:
            document.apply(setting)
        return
    if _is_list_without_keys(words, grammar, above):
        _enter_entries(statement, document, grammar, above)
        return
    walk = walker(grammar, above, values=False)
    walk.feed(words)
    walk.finish(end)
    if walk.path[-1].node.is_term:
        raise WordError(last.column, f"{walk.path[-1].node.name} is a leaf and has no block")
    _enter_place(walk, document)
    for inner in statement.block:
        _enter(inner, document, grammar, walk.path)


def _enter_place(walk: Walker, document: Document) -> None:
    """Enter an empty container or entry; one that means nothing by itself leaves nothing."""
    walk.finish(0) if walk.expected().is_key else None
    node = walk.path[-1].node
    if node.presence or node.kind == "list":
        document.place(walk.path)


def _with_booleans(statement: Statement, grammar: Grammar, above: Path) -> list[Word]:
    """Read ``enabled;`` as ``enabled true;`` and words such as enable as truth values."""
    words = list(statement.words)
    if statement.block is not None or len(words) > 2:
        return words
    nodes = above[-1].node.children if above else grammar.nodes
    try:
        node = match(offered(nodes, config=True), words[0])[-1].node
    except WordError:
        return words
    if node.type is None or node.type.base != "boolean":
        return words
    said = words[1] if len(words) == 2 else Word("true", words[0].column)
    value = "true" if said.text in _TRUE else "false" if said.text in _FALSE else said.text
    return [words[0], Word(value, said.column)]


def _is_list_without_keys(words: Sequence[Word], grammar: Grammar, above: Path) -> bool:
    walk = walker(grammar, above, values=False)
    walk.feed(words)
    expected = walk.expected()
    return expected.is_key and not expected.above[-1].keys


def _enter_entries(statement: Statement, document: Document, grammar: Grammar, above: Path) -> None:
    """Enter ``collector { name X; ... }``, or ``collector { X { ... } Y { ... } }``."""
    walk = walker(grammar, above, values=False)
    walk.feed(statement.words)
    place = walk.expected().above
    node, block = place[-1].node, statement.block or ()
    given = {s.words[0].text: s.words[1] for s in block if len(s.words) == 2 and s.block is None}
    if not any(key in given for key in node.keys):
        for inner in block:
            entry = Statement((*statement.words, *inner.words), inner.block)
            _enter(entry, document, grammar, above)
        return
    for key in node.keys:
        if key not in given:
            raise WordError(statement.words[-1].column, f"the entry has no {key}")
    path = (*place[:-1], Step(node, tuple(given[key].text for key in node.keys)))
    document.place(path)
    for inner in block:
        if inner.words[0].text not in node.keys:
            _enter(inner, document, grammar, path)


def _read_json(text: str, document: Document, grammar: Grammar, start: Path) -> None:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UsageError(f"no JSON: {error}") from error
    if not isinstance(found, dict):
        raise UsageError("no configuration: the JSON is no object")
    _enter_object(found, document, start, start[-1].node.children if start else grammar.nodes)


def _enter_object(
    found: dict[str, object], document: Document, above: Path, nodes: Iterable[Node]
) -> None:
    nodes = tuple(nodes)
    for name, value in found.items():
        try:
            steps = match(offered(nodes, config=True), Word(name, 0))
            _enter_json(value, document, above + steps)
        except UsageError as error:
            raise UsageError(f"{name}: {error}") from error


def _enter_json(value: object, document: Document, path: Path) -> None:
    node = path[-1].node
    if node.kind in ("list", "leaf-list"):
        if not isinstance(value, list):
            raise WordError(0, "an array is expected")
        for entry in value:
            _enter_entry(entry, document, path)
    elif node.is_term:
        document.set(path, _json_text(value))
    else:
        _enter_members(value, document, path)


def _enter_entry(entry: object, document: Document, path: Path) -> None:
    node = path[-1].node
    if node.kind == "leaf-list":
        document.set(path, _json_text(entry))
        return
    if not isinstance(entry, dict):
        raise WordError(0, "an object is expected")
    named = {str(name).rpartition(":")[2]: value for name, value in entry.items()}
    for key in node.keys:
        if key not in named:
            raise WordError(0, f"an entry has no {key}")
    place = (*path[:-1], Step(node, tuple(_json_text(named[key]) for key in node.keys)))
    rest = {n: v for n, v in entry.items() if str(n).rpartition(":")[2] not in node.keys}
    document.place(place)
    _enter_object(rest, document, place, node.children)


def _enter_members(value: object, document: Document, path: Path) -> None:
    if not isinstance(value, dict):
        raise WordError(0, "an object is expected")
    if path[-1].node.presence:
        document.place(path)
    _enter_object(value, document, path, path[-1].node.children)


def _json_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | str):
        return str(value)
    if value == [None]:
        return ""
    raise WordError(0, "a value is expected")


def _read_xml(text: str, document: Document, grammar: Grammar, start: Path) -> None:
    secure = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True)
    declaration = re.match(r"\s*<\?xml[^>]*\?>", text)
    body = text[declaration.end() :] if declaration else text
    try:
        root = etree.fromstring(f"<wrapped>{body}</wrapped>".encode(), secure)
    except etree.XMLSyntaxError as error:
        raise UsageError(f"no XML: {error}") from error
    inner = list(children(root))
    while len(inner) == 1 and local_name(inner[0]) in ("config", "data", "rpc-reply"):
        inner = list(children(inner[0]))
    nodes = start[-1].node.children if start else grammar.nodes
    _enter_elements(inner, document, start, {node.tag: node for node in nodes}, grammar)


def _enter_elements(
    elements: Iterable[etree._Element],
    document: Document,
    above: Path,
    nodes: dict[str, Node],
    grammar: Grammar,
) -> None:
    bare = {node.name: node for node in nodes.values()}
    for element in elements:
        node = nodes.get(str(element.tag)) or bare.get(str(element.tag))
        if node is None or not node.config:
            raise UsageError(f"{local_name(element)}: unknown, or no configuration")
        _enter_element(element, node, document, above, grammar)


def _enter_element(
    element: etree._Element, node: Node, document: Document, above: Path, grammar: Grammar
) -> None:
    if node.is_term:
        assert node.type is not None  # noqa: S101 - a leaf has one
        text = typed_name(element, node.type, grammar.modules)
        document.set((*above, Step(node)), text)
        return
    keys = entry_keys(element, node) if node.kind == "list" else ()
    path = (*above, Step(node, keys))
    if node.presence or node.kind == "list":
        document.place(path)
    inner = [e for e in children(element) if local_name(e) not in node.keys]
    _enter_elements(inner, document, path, dict(below(node)), grammar)
