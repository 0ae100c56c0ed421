"""The routing information base: sources, their paths, and the best of them where readers look.

No clock, socket or thread: ``now`` is monotonic seconds. What takes long is work in slices, which
whoever runs this does one after the other.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from flowexport_mgmt.enrich.prefixes import Version
from flowexport_mgmt.enrich.rib_memory import MAGIC, READY_BITS, Memory, Word
from flowexport_mgmt.rib.columns import PrefixKeys, make_keys
from flowexport_mgmt.rib.direct import DirectTable
from flowexport_mgmt.rib.facts import Facts
from flowexport_mgmt.rib.inline import Inline
from flowexport_mgmt.rib.paths import Best, Changes, PathTable
from flowexport_mgmt.rib.preference import Preference
from flowexport_mgmt.rib.searched import SearchedTable
from flowexport_mgmt.rib.sources import Identity, Kind, Source, Table
from flowexport_mgmt.wire.bgp import RouteColumns, Routes, Update, UpdateColumns

VERSIONS: Final[tuple[Literal[4], Literal[6]]] = (4, 6)
SLICE: Final = 1000
"""Changes of routes that are gathered one by one, and made at a time."""

_COLUMN_SLICES: Final[dict[Version, int]] = {4: 4000, 6: 750}
"""Changes of routes that come as columns, and are made at a time."""

_ROWS: Final[dict[Version, int]] = {4: 1000, 6: 750}
"""Paths that are looked through at a time."""
_MOST_SOURCES: Final = 4096
_SWEEP_S: Final = 1.0

_Work = Iterator[None]


class Rib:
    """Keeps what sources tell, and writes which of it is best."""

    def __init__(
        self,
        memory: Memory,
        *,
        seed: int,
        stale_time: float,
        end_of_rib_timeout: float,
        executor: Executor | None = None,
    ) -> None:
        """Begin without sources; ``executor`` does what takes long, else it is done here."""
        self.stale_time = stale_time
        self.end_of_rib_timeout = end_of_rib_timeout
        self.sources: dict[Identity, Source] = {}
        self.facts = Facts(memory, seed)
        self._memory = memory
        self._preferences = {version: Preference(memory) for version in VERSIONS}
        self.tables = {
            version: PathTable(version, self.facts, self._preferences[version], seed)
            for version in VERSIONS
        }
        self.routes: dict[Version, int] = {4: 0, 6: 0}
        """Prefixes that readers find a route for."""
        self.direct = DirectTable(memory, self.tables[4].find_best)
        self._searched = SearchedTable(memory, executor or Inline())
        self._sweep_at = -math.inf
        self._numbers: list[int] = []
        self._work: deque[_Work] = deque()
        memory.header[Word.MAGIC] = MAGIC

    # -- sources
    def open_source(self, identity: Identity, tie: int) -> Source | None:
        """Give the source of an identity, a new one if need be; None when there are too many."""
        source = self.sources.get(identity)
        if source is None:
            if len(self.sources) >= _MOST_SOURCES:
                return None
            number = self._numbers.pop() if self._numbers else len(self.sources)
            source = self.sources[identity] = Source(number, identity)
            for preference in self._preferences.values():
                preference.make_room(number + 1)
                preference.usable[number] = False
                preference.kind[number] = identity.kind
        for version, preference in self._preferences.items():
            preference.tie[source.number] = tie
            source.tables[version].era = int(preference.era[source.number])
        return source

    def forget(self, source: Source, now: float) -> None:
        """Drop all routes of a source that will not come back, and the source with them."""
        self.lose(source, now, keep=False)
        self._work.append(self._remove_source(source))

    def begin(self, source: Source, now: float, now_ns: int) -> None:
        """Take note of a session that begins: what it told before is stale until told again."""
        source.up, source.since_ns = True, now_ns
        for version in VERSIONS:
            self.begin_table(source, version, now)

    def begin_table(self, source: Source, version: Version, now: float) -> None:
        """Let all routes of a family be told anew, as after a refresh that says so."""
        table, preference = source.tables[version], self._preferences[version]
        preference.era[source.number] += np.uint16(1)
        preference.lost[source.number] = False
        table.era = int(preference.era[source.number])
        table.end_of_rib = False
        table.complete_at = now + self.end_of_rib_timeout
        table.drop_at = math.inf

    def lose(self, source: Source, now: float, *, keep: bool) -> None:
        """Take note of the end of a session; complete tables are kept for a while, or not."""
        source.up = False
        for version, table in source.tables.items():
            self._preferences[version].lost[source.number] = True
            table.complete_at = math.inf
            table.end_of_rib = False
            if keep and table.usable:
                table.drop_at = now + self.stale_time
                self._work.append(self._review(source, version))
            else:
                self._drop(source, version)

    def complete(self, source: Source, version: Version, *, told: bool) -> None:
        """Use a table from now on: its end was ``told``, or has been waited for long enough."""
        table = source.tables[version]
        table.complete_at = math.inf
        table.end_of_rib |= told
        self._work.append(self._sweep(source, version, table.era))
        if not table.usable:
            table.usable = True
            self._set_usable()

    # -- routes
    def take(
        self,
        source: Source,
        updates: Iterable[Update | UpdateColumns],
        now: float,
        now_ns: int,
    ) -> _Work:
        """Take what a source told, a slice at each step."""
        pending = _Pending()
        for update in updates:
            if isinstance(update, UpdateColumns):
                self._apply(source, pending, now)
                pending = _Pending()
                yield from self._take_columns(source, update, now, now_ns)
                continue
            source.updates += 1
            for fault in update.faults:
                source.faults += 1
                source.last_fault = str(fault)
            for routes in update.withdrawn:
                source.withdrawals += len(routes.lengths)
                pending.add(routes, 0)
            if update.attributes is not None:
                for routes in update.announced:
                    pending.add(routes, self.facts.intern(update.attributes, routes.next_hop))
            if pending.count:
                source.changed_ns = now_ns
            if pending.count >= SLICE:
                self._apply(source, pending, now)
                yield
                pending = _Pending()
            if update.end_of_rib is not None:
                self._apply(source, pending, now)
                pending = _Pending()
                self.complete(source, update.end_of_rib, told=True)
        self._apply(source, pending, now)

    # -- what is due
    def tick(self, now: float) -> None:
        """Do what time makes due."""
        for source in self.sources.values():
            for version, table in source.tables.items():
                if table.complete_at <= now:
                    self.complete(source, version, told=False)
                if table.drop_at <= now:
                    self._drop(source, version)
        if now >= self._sweep_at:
            self._sweep_at = now + _SWEEP_S
            if not self._work:
                self._work += [paths.tidy() for paths in self.tables.values()]
                self._work.append(self.facts.sweep(now))

    def work(self, now: float) -> bool:
        """Do one slice of the work there is; tell whether there is more that does not wait."""
        self._now = now
        if self._work:
            try:
                next(self._work[0])
            except StopIteration:
                self._work.popleft()
                if not self._work:
                    self._searched.hurry(now)
        if self._searched.work(now):
            self.routes[6] = self.tables[6].published
            self._memory.header[Word.ROUTES6] = self.routes[6]
        self._show()
        return bool(self._work) or self._searched.is_catching_up

    # -- inside
    _now = 0.0
    _whole6: int | None = None

    def _apply(self, source: Source, pending: _Pending, now: float) -> None:
        for version in VERSIONS:
            changes = pending.changes(version)
            if changes is not None:
                self._apply_changes(source, version, changes, now)

    def _apply_changes(
        self, source: Source, version: Version, changes: Changes, now: float
    ) -> None:
        self._now = now
        best = self.tables[version].apply(source.number, source.tables[version].era, changes)
        self._publish(version, best)

    def _take_columns(
        self, source: Source, update: UpdateColumns, now: float, now_ns: int
    ) -> _Work:
        """Take what many UPDATEs said, a slice at each step."""
        source.updates += update.count
        source.withdrawals += update.withdrawals
        facts = self.facts.intern_sets(update.sets)
        try:
            yield
            for routes in update.routes:
                source.changed_ns = now_ns
                size = _COLUMN_SLICES[routes.version]
                for begin in range(0, len(routes.sets), size):
                    changes = _select(routes, facts, slice(begin, begin + size))
                    self._apply_changes(source, routes.version, changes, now)
                    yield
        finally:
            self.facts.release(facts)

    def _publish(self, version: Version, best: Best) -> None:
        if version == 4:
            if len(best.facts):
                self.direct.update(best, self._now)
            self.routes[4] = self.tables[4].published
            self._memory.header[Word.ROUTES4] = self.routes[4]
        elif len(best.facts):
            self._searched.update(best, self._now, is_busy=bool(self._work))

    def _drop(self, source: Source, version: Version) -> None:
        table = source.tables[version]
        table.drop_at = math.inf
        if table.usable:
            table.usable = False
            self._set_usable()
        self._work.append(self._sweep(source, version, table.era + 1))

    def _set_usable(self) -> None:
        """Say whose paths count: not those of tables that a Loc-RIB was made from."""
        for version, preference in self._preferences.items():
            routers = {
                source.identity.router
                for source in self.sources.values()
                if source.identity.kind is Kind.LOC_RIB and source.tables[version].usable
            }
            for source in self.sources.values():
                is_behind = source.identity.is_adjacent and source.identity.router in routers
                usable = source.tables[version].usable and not is_behind
                if preference.usable[source.number] != usable:
                    preference.usable[source.number] = usable
                    self._work.append(self._review(source, version))
        for version, preference in self._preferences.items():
            if not preference.usable.any():
                self._make_ready(version, ready=False)
                self._whole6 = None if version == 6 else self._whole6

    def _make_ready(self, version: Version, *, ready: bool) -> None:
        """Let readers find routes of a family, or none."""
        bits, bit = int(self._memory.header[Word.READY]), READY_BITS[version]
        self._memory.header[Word.READY] = bits | bit if ready else bits & ~bit

    def _show(self) -> None:
        """Let readers find routes of families whose tables are there as a whole by now.

        What longer prefixes lack until then would have the routes of shorter ones.
        """
        if self._work:
            return
        for version, preference in self._preferences.items():
            if preference.usable.any() and (version == 4 or self._is_shown()):
                self._make_ready(version, ready=True)

    def _is_shown(self) -> bool:
        """Tell whether readers see an IPv6 table that was taken after it had become whole."""
        if self._whole6 is None:
            self._whole6 = self._searched.taken + 1
        return self._searched.is_idle or self._searched.shown >= self._whole6

    def _sweep(self, source: Source, version: Version, era: int) -> _Work:
        """Remove what a source told in earlier eras."""
        paths = self.tables[version]
        for begin in range(0, paths.path_rows, _ROWS[version]):
            if not paths.counts[source.number : source.number + 1].any():
                return
            rows = slice(begin, min(begin + _ROWS[version], paths.path_rows))
            self._publish(version, paths.remove(rows, source.number, era & 0xFFFF))
            yield

    def _review(self, source: Source, version: Version) -> _Work:
        """Choose anew wherever a source has paths."""
        paths = self.tables[version]
        for begin in range(0, paths.path_rows, _ROWS[version]):
            rows = slice(begin, min(begin + _ROWS[version], paths.path_rows))
            self._publish(version, paths.review(rows, source.number))
            yield

    def _remove_source(self, source: Source) -> _Work:
        if self.sources.get(source.identity) is source and not source.up:
            del self.sources[source.identity]
            self._numbers.append(source.number)
            self._set_usable()
        yield


def _select(routes: RouteColumns, facts: NDArray[np.uint32], rows: slice) -> Changes:
    """Make changes of some routes, whose sets of attributes have these facts."""
    hi, lo, lengths, identifiers = routes.prefixes.take(rows)
    sets = routes.sets[rows]
    told = np.append(facts, np.uint32(0))[sets]  # -1, the last, is of a route that is gone
    return Changes(PrefixKeys(hi, lo, lengths), identifiers, told)


class _Pending:
    """Changes of routes until they are applied, by family."""

    def __init__(self) -> None:
        self.count = 0
        self._columns: dict[Version, tuple[list[int], list[int], list[int], list[int]]] = {}

    def add(self, routes: Routes, facts: int) -> None:
        columns = self._columns.setdefault(routes.version, ([], [], [], []))
        columns[0].extend(routes.addresses)
        columns[1].extend(routes.lengths)
        columns[2].extend(routes.paths)
        columns[3].extend([facts] * len(routes.lengths))
        self.count += len(routes.lengths)

    def changes(self, version: Version) -> Changes | None:
        if version not in self._columns:
            return None
        addresses, lengths, identifiers, facts = self._columns[version]
        return Changes(
            make_keys(version, addresses, lengths),
            np.array(identifiers, np.uint32),
            np.array(facts, np.uint32),
        )


__all__ = ["SLICE", "VERSIONS", "Rib", "Table"]
