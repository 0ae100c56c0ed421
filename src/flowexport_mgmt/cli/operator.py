"""Whoever types: the session, the mode, the place in the tree, and what the terminal can do."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from flowexport_mgmt.cli.grammar.fetch import load_grammar
from flowexport_mgmt.cli.grammar.paths import Path
from flowexport_mgmt.cli.session.session import Session
from flowexport_mgmt.schema.grammar import Grammar, Node


@dataclass(slots=True)
class Terminal:
    """Where output goes. Without a terminal there is no width, no page and no question."""

    write: Callable[[str], object] = sys.stdout.write
    note: Callable[[str], object] = sys.stderr.write
    flush: Callable[[], object] = sys.stdout.flush
    width: Callable[[], int | None] = lambda: None
    interactive: bool = False
    page: Callable[[str], None] | None = None
    ask: Callable[[str], bool] = lambda _: True


@dataclass(slots=True)
class Editing:
    """Configure mode: the level that paths begin at, and what is known of the candidate."""

    level: Path = ()
    exclusive: bool = False
    modified: bool = False


@dataclass(slots=True)
class Operator:
    """The state of a dialog; commands act on it.

    ``strict`` refuses abbreviations. ``deadline`` is when a confirmed commit is rolled back, on the
    monotonic clock.
    """

    connect: Callable[[], Session]
    terminal: Terminal = field(default_factory=Terminal)
    strict: bool = True
    editing: Editing | None = None
    deadline: float | None = None
    ended: bool = False
    edits: int = 0
    """Counts what may have changed the candidate, so that what was remembered of it is dropped."""
    _session: Session | None = None
    _connected: bool = False
    _grammar: Grammar | None = None

    @property
    def session(self) -> Session:
        """The session, opened when it is first needed, and again when it was lost.

        Raises:
            NotReachedError: there is no daemon.
        """
        if self._session is None or not self._session.is_alive():
            self.close()
            self._session = session = self.connect()
            if self._connected:
                self._came_back(session)
            self._connected = True
        return self._session

    def _came_back(self, session: Session) -> None:
        """Go on in a new session in place of one that ended; exclusive mode is gone with that."""
        self._grammar = None
        self.edits += 1
        self.terminal.note(f"The connection was lost; this is session {session.identity}.\n")
        if self.editing is not None and self.editing.exclusive:
            self.editing = None
            self.terminal.note("The lock is lost with it: configure mode has ended.\n")

    @property
    def grammar(self) -> Grammar:
        """The grammar of the session's server."""
        session = self.session
        if self._grammar is None:
            self._grammar = load_grammar(session)
        return self._grammar

    @property
    def level(self) -> Path:
        """Where configuration paths begin."""
        return self.editing.level if self.editing is not None else ()

    @property
    def remaining(self) -> int | None:
        """Seconds that are left to confirm a commit."""
        if self.deadline is None:
            return None
        return max(0, round(self.deadline - time.monotonic()))

    def changed(self, *, modified: bool) -> None:
        """Note that the candidate is another one than before."""
        self.edits += 1
        if self.editing is not None:
            self.editing.modified = modified

    def close(self) -> None:
        """End the session if there is one."""
        if self._session is not None:
            self._session.close()
            self._session = None


def top(grammar: Grammar, name: str) -> Node | None:
    """Find a node at the top of the tree by its name."""
    return next((node for node in grammar.nodes if node.name == name), None)


def node_at(grammar: Grammar, path: str) -> tuple[Node, ...]:
    """Find the nodes along a path of names, such as ``server/history/commit``; empty for none."""
    found: list[Node] = []
    nodes = grammar.nodes
    for name in path.split("/"):
        node = next((node for node in nodes if node.name == name), None)
        if node is None:
            return ()
        found.append(node)
        nodes = node.children
    return tuple(found)


def operation(grammar: Grammar, name: str) -> Node | None:
    """Find an rpc by its name."""
    return next((node for node in grammar.operations if node.name == name), None)
