"""The IPv6 table in memory that the exporter reads: a search tree, and what changed since.

Changes are gathered for a moment and shown together. When they are many, one tree is made of all
in the background, which takes long; what readers see until then stays as it is.
"""

from __future__ import annotations

import math
from collections import deque
from concurrent.futures import Executor, Future
from typing import Final

from flowexport_mgmt.enrich.prefixes import NO_VALUE, Change, Prefixes, Table
from flowexport_mgmt.enrich.rib_memory import Memory
from flowexport_mgmt.enrich.rib_tables6 import Tables6Writer
from flowexport_mgmt.rib.paths import Best

_REST_S: Final = 0.05
_BUSY_REST_S: Final = 1.0
"""How long changes are gathered, while nothing else is to be done and while there is."""


_AGAIN: Final = 1000
"""Changes that are made again at a time, once there is a table to make them in."""


class SearchedTable:
    """Writes best paths of IPv6 prefixes where readers find them."""

    def __init__(self, memory: Memory, executor: Executor) -> None:
        self._prefixes = Prefixes(6)
        self._writer = Tables6Writer(memory)
        self._executor = executor
        self._merging: Future[Table] | None = None
        self._merged: Prefixes | None = None
        self._since: deque[Change] = deque()
        self._due = math.inf
        self.taken = 0
        """How often all that there was has been taken, to be shown at once or later."""
        self.shown = 0
        """Which of these readers see."""

    @property
    def is_catching_up(self) -> bool:
        """Whether changes are made again, so that `work` does not wait for anything."""
        return self._merged is not None

    @property
    def is_idle(self) -> bool:
        """Whether readers see all that there is."""
        return self._due == math.inf and self._merging is None and self._merged is None

    def update(self, best: Best, now: float, *, is_busy: bool) -> None:
        """Take what is best now."""
        hi, lo, lengths = best.keys
        assert lo is not None  # noqa: S101 - it is IPv6
        columns = (hi.tolist(), lo.tolist(), lengths.tolist(), best.facts.tolist())
        changes = [
            Change(high << 64 | low, length, facts or NO_VALUE)
            for high, low, length, facts in zip(*columns, strict=True)
        ]
        self._prefixes.update(changes)
        if self._merging is not None or self._merged is not None:
            self._since.extend(changes)
        self._due = min(self._due, now + (_BUSY_REST_S if is_busy else _REST_S))

    def hurry(self, now: float) -> None:
        """Show what was gathered soon: there is nothing else to be done."""
        if self._due != math.inf:
            self._due = min(self._due, now + _REST_S)

    def work(self, now: float) -> bool:
        """Do what is due; tell whether readers see something new."""
        if self._merged is not None:
            return self._catch_up(self._merged, now)
        if self._merging is not None:
            if self._merging.done():
                table, self._merging = self._merging.result(), None
                self._merged = Prefixes(6)
                self._merged.adopt(table)
            return False
        if now < self._due:
            return False
        if not self._prefixes.is_full:
            return self._show()
        build = self._prefixes.begin_merge()
        self.taken += 1
        self._due = math.inf
        self._merging = self._executor.submit(lambda: self._writer.place(build()))
        return False

    def _catch_up(self, merged: Prefixes, now: float) -> bool:
        """Make again what changed while the table was made, and use it then.

        When that was much, readers see the table alone, and what changed with the next one.
        """
        count = min(_AGAIN, len(self._since))
        merged.update([self._since.popleft() for _ in range(count)])
        if self._since:
            return False
        self._prefixes, self._merged = merged, None
        if not merged.is_full:
            return self._show()
        self._writer.write(merged.current)
        self._due, self.shown = now, self.taken
        return True

    def _show(self) -> bool:
        self._due = math.inf
        self._prefixes.lay_over()
        self._writer.write(self._prefixes.current)
        self.taken += 1
        self.shown = self.taken
        return True
