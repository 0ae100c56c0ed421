"""Paths typed as words, such as ``flow-export collector noc port``, read along the grammar.

One machine serves those who carry a line out and those who complete it: a :class:`Walker` takes
words one by one and tells at any time what it expects next.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from flowexport_mgmt.cli.grammar.words import Word, WordError, listed, quote
from flowexport_mgmt.schema.grammar import Node

_NOWHERE: Final = Word("", 0)


@dataclass(frozen=True, slots=True)
class Step:
    """A data node on a path: for a list entry with its keys, for a leaf-list with its value."""

    node: Node
    keys: tuple[str, ...] = ()
    word: Word = field(default=_NOWHERE, compare=False)

    @property
    def text(self) -> str:
        """The step as it is typed; empty for what is not typed."""
        if self.node.hints.compress:
            return ""
        return " ".join([self.node.name, *map(quote, self.keys)])


Path = tuple[Step, ...]


def spelled(path: Iterable[Step]) -> str:
    """Write a path the way it is typed."""
    return " ".join(text for step in path if (text := step.text))


@dataclass(frozen=True, slots=True)
class Setting:
    """What a line says of one place: the path, and the values when it leads to a leaf."""

    path: Path
    values: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Expected:
    """What may come next: children, or a key of a list, or a value of a leaf."""

    children: tuple[Path, ...] = ()
    leaf: Node | None = None
    above: Path = ()
    is_key: bool = False
    complete: bool = True


class Walker:
    """Follows words from a place in the tree downward.

    Args:
        nodes: the nodes at the top of the tree.
        start: where the words begin.
        config: whether only what can be configured exists.
        values: whether leaves are given values, after which their siblings may follow.
        whole: whether a path may end at a list, and mean all of its entries.
    """

    def __init__(
        self,
        nodes: tuple[Node, ...],
        start: Path = (),
        *,
        config: bool,
        values: bool,
        whole: bool = False,
    ) -> None:
        self._nodes = nodes
        self._config = config
        self._values = values
        self._whole = whole
        self.path = start
        self._start = start
        self._keys: list[Word] = []
        self._list: Path = ()
        self._leaf: Path = ()
        self._open: list[Word] | None = None
        self._ended = False
        self._begun = False
        self.settings: list[Setting] = []

    def feed(self, words: Iterable[Word]) -> None:
        """Take words.

        Raises:
            WordError: a word is none of what was expected.
        """
        for word in words:
            self._take(word)

    @property
    def begun(self) -> bool:
        """Whether a word was taken."""
        return self._begun

    def _take(self, word: Word) -> None:
        self._begun = True
        if self._ended:
            raise WordError(word.column, "nothing is expected here")
        if self._list:
            self._take_key(word)
        elif self._leaf:
            self._take_value(word)
        else:
            self._take_child(word)

    def _take_child(self, word: Word) -> None:
        found = match(self._below(), word)
        steps = tuple(Step(step.node, (), word) for step in found)
        node = steps[-1].node
        if node.kind == "list" and node.keys:
            self._list = self.path + steps
        elif node.is_term:
            self._take_leaf(self.path + steps)
        else:
            self.path += steps

    def _take_leaf(self, path: Path) -> None:
        kind = path[-1].node
        if self._values and kind.type is not None and kind.type.base == "empty":
            self.settings.append(Setting(path, (Word("", path[-1].word.column),)))
        elif self._values or kind.kind == "leaf-list":
            self._leaf = path
        else:
            self.path, self._ended = path, True

    def _take_key(self, word: Word) -> None:
        self._keys.append(word)
        *above, step = self._list
        if len(self._keys) == len(step.node.keys):
            keys = tuple(key.text for key in self._keys)
            self.path = (*above, Step(step.node, keys, self._keys[-1]))
            self._keys, self._list = [], ()

    def _take_value(self, word: Word) -> None:
        if self._leaf[-1].node.kind == "leaf-list" and self._take_bracket(word):
            return
        if self._open is not None:
            self._open.append(word)
            return
        self._set([word])

    def _take_bracket(self, word: Word) -> bool:
        if word.quoted or word.text not in ("[", "]"):
            return False
        if (word.text == "[") is (self._open is not None):
            raise WordError(word.column, "this bracket is one too many")
        if word.text == "[":
            self._open = []
        else:
            self._set(self._open or [])
        return True

    def _set(self, words: Sequence[Word]) -> None:
        if self._values:
            self.settings.append(Setting(self._leaf, tuple(words)))
        else:
            *above, step = self._leaf
            self.path = (*above, Step(step.node, tuple(w.text for w in words), words[-1]))
            self._ended = True
        self._leaf, self._open = (), None

    def finish(self, end: int) -> None:
        """Tell that there are no more words; ``end`` is where a further one would stand.

        Raises:
            WordError: one is missing.
        """
        if self._list and self._whole and not self._keys:
            self.path, self._list = self._list, ()
        if self._list:
            node = self._list[-1].node
            key = node.keys[len(self._keys)]
            raise WordError(end, f"a {key} is missing")
        if self._leaf and (self._values or self._open is not None):
            raise WordError(end, f"a value of {self._leaf[-1].node.name} is missing")
        if self._leaf:
            self.path, self._leaf = self._leaf, ()
        if self._values and not self.settings:
            self._set_place(end)

    @property
    def makes_place(self) -> bool:
        """Whether the words lead to a list entry or a container that may be made as it is."""
        node = self.path[-1].node if len(self.path) > len(self._start) else None
        return node is not None and (node.presence or node.kind == "list")

    def _set_place(self, end: int) -> None:
        """Let a line that ends at a list entry or a container with presence make that."""
        if not self.makes_place:
            raise WordError(end, f"more is needed: {self.wanted()}")
        self.settings.append(Setting(self.path))

    def wanted(self) -> str:
        """Say in words what may come next."""
        expected = self.expected()
        if expected.leaf is not None:
            return f"a {expected.leaf.name}"
        nodes = [path[-1].node for path in expected.children]
        return listed(node.name for node in nodes if node.hints.is_offered)

    def expected(self) -> Expected:
        """Tell what may come next."""
        if self._ended:
            return Expected()
        if self._list:
            key = _child(self._list[-1].node, self._list[-1].node.keys[len(self._keys)])
            path = (*self._list[:-1], Step(self._list[-1].node, tuple(k.text for k in self._keys)))
            complete = self._whole and not self._keys
            return Expected(leaf=key, above=path, is_key=True, complete=complete)
        if self._leaf:
            return Expected(leaf=self._leaf[-1].node, above=self._leaf, complete=not self._values)
        taken = {s.path[-1].node.name for s in self.settings if s.path[-1].node.kind == "leaf"}
        below = tuple(path for path in self._below() if path[-1].node.name not in taken)
        return Expected(children=below, complete=bool(self.settings) or not self._values)

    def _below(self) -> tuple[Path, ...]:
        nodes = self.path[-1].node.children if self.path else self._nodes
        taken = self.path[-1].node.keys if self.path else ()
        found = offered(nodes, config=self._config)
        return tuple(path for path in found if path[-1].node.name not in taken)


def _child(node: Node, name: str) -> Node:
    return next(child for child in node.children if child.name == name)


def offered(nodes: Iterable[Node], *, config: bool) -> Iterator[Path]:
    """Give the data nodes that may be typed, each with the containers that are left out.

    Those containers may be typed all the same, as what speaks of the tree as it is does.
    """
    for node in nodes:
        if (config and not node.config) or not (node.is_parent or node.is_term):
            continue
        if node.hints.compress and node.kind == "container":
            for path in offered(node.children, config=config):
                yield (Step(node), *path)
        yield (Step(node),)


def match(paths: Iterable[Path], word: Word) -> Path:
    """Find the node that a word names: by name, module and name, or alias.

    Raises:
        WordError: none, or several.
    """
    known = list(paths)
    module, colon, name = word.text.rpartition(":")
    found = [
        path
        for path in known
        if path[-1].node.name == name and (not colon or path[-1].node.module == module)
    ]
    found = found or [path for path in known if word.text in path[-1].node.hints.alias.split()]
    if len(found) > 1:
        found = [path for path in found if not path[-1].node.hints.compress] or found
    if len(found) == 1:
        return found[0]
    if found:
        names = listed(f"{path[-1].node.module}:{path[-1].node.name}" for path in found)
        raise WordError(word.column, f"'{word.text}' is ambiguous: {names}")
    names = listed(path[-1].node.name for path in known if path[-1].node.hints.is_offered)
    raise WordError(word.column, f"unknown word '{word.text}', expected {names or 'nothing'}")
