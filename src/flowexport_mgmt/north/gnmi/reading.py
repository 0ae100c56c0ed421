"""Readings of the datastore, each made once for all who want the same at the same moment."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import msgspec

from flowexport_mgmt.datastore import Datastore, Session, Store
from flowexport_mgmt.north.gnmi.paths import Index
from flowexport_mgmt.schema.on_request import special_paths
from flowexport_mgmt.schema.tree import Defaults, Format, Tree

_MOMENT: Final = 0.002
"""Seconds that a reading waits for others who want one."""

_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass(frozen=True, slots=True)
class Reading:
    """What a session may see: data in the form of RFC 7951, defaults included.

    ``collected`` and ``committed`` are nanoseconds since the epoch: when the state was asked for,
    and when the configuration was committed.
    """

    data: Mapping[str, Any]
    collected: int
    committed: int
    index: Index = field(default_factory=dict, repr=False)
    """Entries by their keys, for `select`."""


class _Pending:
    """A reading that is about to be made."""

    def __init__(self) -> None:
        self.paths: dict[str, None] = {}
        self.whole = False
        self.task: asyncio.Task[Reading] | None = None


class Reader:
    """Reads configuration, and configuration with state.

    Configuration is read once after each commit for all who see alike; state once for all who ask
    together.
    """

    def __init__(self, datastore: Datastore) -> None:
        self._datastore = datastore
        self._pending: dict[Hashable, _Pending] = {}
        self._kept: dict[Hashable, Reading] = {}
        self._commit = -1
        self.taken = 0
        """Readings that asked for state."""

    def configuration(self, session: Session) -> Reading:
        """Read running."""
        record, view = self._datastore.record, self._datastore.access.view(session)
        if self._commit != record.id or len(self._kept) > 16:
            self._kept, self._commit = {}, record.id
        if view not in self._kept:
            tree = self._datastore.read(Store.RUNNING)
            self._kept[view] = self._read(session, tree, time.time_ns())
        return self._kept[view]

    def explicit(self, session: Session) -> Mapping[str, Any]:
        """Read what somebody has set in running."""
        with self._datastore.read(Store.RUNNING) as tree:
            self._datastore.access.readable(session, tree)
            return _decode(tree.print(Format.JSON) or b"{}")

    async def operational(
        self, session: Session, paths: Sequence[str], *, whole: bool = True
    ) -> Reading:
        """Read the state at, above and below schema paths, and running where ``whole`` says so."""
        special = special_paths(paths, self._datastore.schema.on_request)
        view = self._datastore.access.view(session), special
        pending = self._pending.setdefault(view, _Pending())
        pending.paths |= dict.fromkeys(paths)
        pending.whole |= whole
        if pending.task is None:
            pending.task = asyncio.create_task(self._take(session, view, pending))
        return await asyncio.shield(pending.task)

    async def _take(self, session: Session, view: Hashable, pending: _Pending) -> Reading:
        await asyncio.sleep(_MOMENT)
        del self._pending[view]
        self.taken += 1
        collected = time.time_ns()
        tree = await self._datastore.operational(tuple(pending.paths), whole=pending.whole)
        return self._read(session, tree, collected)

    def _read(self, session: Session, tree: Tree, collected: int) -> Reading:
        with tree:
            self._datastore.access.readable(session, tree)
            printed = tree.print(Format.JSON, Defaults.REPORT_ALL)
        committed = nanoseconds(self._datastore.record.time)
        return Reading(_decode(printed or b"{}"), collected, committed)


@functools.lru_cache(maxsize=64)
def nanoseconds(text: str) -> int:
    """Give the nanoseconds since the epoch of a time in RFC 3339 text."""
    return int(datetime.fromisoformat(text).timestamp() * 1000) * 1_000_000
