"""What a command is: its words, its help, its arguments, and what carries it out.

Reading, completion, help, man pages and completion files all follow from it, so that a further
command is a further entry of a table.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flowexport_mgmt.cli.grammar.paths import Path, Setting
from flowexport_mgmt.cli.grammar.words import Word
from flowexport_mgmt.cli.pipes.answer import Answer
from flowexport_mgmt.cli.pipes.pipes import Stage

if TYPE_CHECKING:
    from flowexport_mgmt.cli.operator import Operator


class Mode(enum.Flag):
    """Where a command exists."""

    OPERATIONAL = enum.auto()
    CONFIGURE = enum.auto()
    BOTH = OPERATIONAL | CONFIGURE


class Kind(enum.Enum):
    """What an argument is."""

    FLAG = "flag"
    TEXT = "text"
    NUMBER = "number"
    FILE = "file"
    DATA = "path of data"
    CONFIG = "path of configuration"
    SETTINGS = "path and values"


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """An argument: with ``word`` it follows that, without it stands by itself.

    ``value`` is its name in help; ``entries`` the path of the list whose keys it may be.
    """

    word: str = ""
    value: str = ""
    help: str = ""
    kind: Kind = Kind.TEXT
    required: bool = False
    value_optional: bool = False
    choices: tuple[tuple[str, str], ...] = ()
    entries: str = ""

    @property
    def name(self) -> str:
        """The name that an invocation knows it by."""
        return self.word or self.value

    @property
    def usage(self) -> str:
        """The argument as it is typed, in brackets where it may be left out."""
        value = "|".join(word for word, _ in self.choices) or self.value
        if self.value_optional:
            value = f"[{value}]"
        text = f"{self.word} {value}".strip()
        return text if self.required else f"[{text}]"


@dataclass(frozen=True, slots=True)
class Invocation:
    """A line that was read: the command and what it was given."""

    command: Command
    line: str = ""
    given: Mapping[str, Word] = field(default_factory=dict)
    path: Path = ()
    settings: tuple[Setting, ...] = ()
    stages: tuple[Stage, ...] = ()

    def text(self, name: str, default: str = "") -> str:
        """Give an argument as text."""
        word = self.given.get(name)
        return default if word is None else word.text

    def number(self, name: str, default: int) -> int:
        """Give an argument as a number."""
        word = self.given.get(name)
        return default if word is None or not word.text else int(word.text)

    def has(self, name: str) -> bool:
        """Tell whether an argument was given."""
        return name in self.given


Run = Callable[["Operator", Invocation], "Answer | None"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command.

    ``needs`` is what the schema must have: the path of a node, or ``rpc NAME``. ``only`` says which
    pipes suit it beside those that suit all; without ``pipes`` none do.
    """

    words: tuple[str, ...]
    help: str
    run: Run
    arguments: tuple[Argument, ...] = ()
    mode: Mode = Mode.OPERATIONAL
    needs: str = ""
    only: frozenset[str] = frozenset()
    pipes: bool = True
    reads: bool = False
    """Whether it only reads, so that its path may mean all entries of a list."""

    @property
    def usage(self) -> str:
        """The command as it is typed, such as ``show interfaces [name NAME]``."""
        return " ".join([*self.words, *(argument.usage for argument in self.arguments)])
