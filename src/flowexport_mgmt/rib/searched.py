"""The IPv6 table in memory that the exporter reads: a search tree, and what changed since.

Changes are gathered for a moment and shown together. When they are many, one tree is made of all
in the background, which takes long; what readers see until then stays as it is.
"""

from __future__ import annotations

import math
from concurrent.futures import Executor, Future
from typing import Final

from flowexport_mgmt.enrich.prefixes import NO_VALUE, Change, Prefixes, Table
from flowexport_mgmt.enrich.rib_memory import Memory
from flowexport_mgmt.enrich.rib_tables6 import Tables6Writer
from flowexport_mgmt.rib.paths import Best

_REST_S: Final = 0.05
_BUSY_REST_S: Final = 1.0
"""How long changes are gathered, while nothing else is to be done and while there is."""


class SearchedTable:
    """Writes best paths of IPv6 prefixes where readers find them."""

    def __init__(self, memory: Memory, executor: Executor) -> None:
        self._prefixes = Prefixes(6)
        self._writer = Tables6Writer(memory)
        self._executor = executor
        self._merging: Future[Table] | None = None
        self._due = math.inf

    def update(self, best: Best, now: float, *, is_busy: bool) -> None:
        """Take what is best now."""
        hi, lo, lengths = best.keys
        assert lo is not None  # noqa: S101 - it is IPv6
        columns = (hi.tolist(), lo.tolist(), lengths.tolist(), best.facts.tolist())
        self._prefixes.update(
            [
                Change(high << 64 | low, length, facts or NO_VALUE)
                for high, low, length, facts in zip(*columns, strict=True)
            ]
        )
        self._due = min(self._due, now + (_BUSY_REST_S if is_busy else _REST_S))

    def hurry(self, now: float) -> None:
        """Show what was gathered soon: there is nothing else to be done."""
        if self._due != math.inf:
            self._due = min(self._due, now + _REST_S)

    def work(self, now: float) -> bool:
        """Do what is due; tell whether readers see something new."""
        if self._merging is None and now >= self._due:
            if not self._prefixes.is_full:
                return self._show()
            build = self._prefixes.begin_merge()
            self._merging = self._executor.submit(lambda: self._writer.place(build()))
        if self._merging is None or not self._merging.done():
            return False
        table, self._merging = self._merging.result(), None
        self._prefixes.end_merge(table)
        return self._show()

    def _show(self) -> bool:
        self._due = math.inf
        self._prefixes.lay_over()
        self._writer.write(self._prefixes.current)
        return True
