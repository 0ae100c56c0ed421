"""What a command answers, before it is text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flowexport_mgmt.cli.config.render import Tree, brace_lines
from flowexport_mgmt.cli.formats.structured import pretty_json
from flowexport_mgmt.cli.values import Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Data, or configuration, or lines of text; ``raw`` is what the server sent.

    ``plain`` writes data when no format is asked for; JSON if it is None.
    """

    value: Value = None
    tree: Tree | None = None
    lines: tuple[str, ...] | None = None
    raw: str = ""
    plain: Callable[[Value], list[str]] | None = None
    code: int = 0

    @property
    def is_data(self) -> bool:
        """Whether it is data, of which each entry of a list stands for itself."""
        return self.lines is None and self.tree is None

    def written(self) -> tuple[str, ...]:
        """Give it as lines of text, in the format that it has by itself."""
        if self.lines is not None:
            return self.lines
        if self.tree is not None:
            return tuple(brace_lines(self.tree))
        if self.plain is not None:
            return tuple(self.plain(self.value))
        return tuple(pretty_json(self.value))
