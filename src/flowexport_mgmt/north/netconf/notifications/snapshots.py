"""Datastores as they are now, read once for all that ask at the same moment."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence

from flowexport_mgmt.datastore import Session, Store
from flowexport_mgmt.north.netconf.evaluation import Printed
from flowexport_mgmt.north.netconf.reading import Reader
from flowexport_mgmt.schema.tree import Defaults

_MOMENT = 0.005
"""Seconds that a reading waits for others who want one."""


class _Reading:
    """A reading of the operational datastore that is about to be made, for those who see alike."""

    def __init__(self) -> None:
        self.paths: dict[str, None] = {}
        self.task: asyncio.Task[Printed] | None = None


class Snapshots:
    """Reads running at any time, and the operational datastore once for all who ask together.

    Who asks together but may not see the same gets a reading of another kind.
    """

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self._readings: dict[Hashable, _Reading] = {}
        self.taken = 0
        """Readings of the operational datastore."""

    async def take(self, session: Session, datastore: str, paths: Sequence[str]) -> Printed:
        """Print what a session may see; of state at least what the schema paths lead to."""
        if datastore == Store.RUNNING:
            return self.reader.configuration(session, Store.RUNNING)
        view = self.reader.view(session), self.reader.special(paths)
        reading = self._readings.setdefault(view, _Reading())
        reading.paths |= dict.fromkeys(paths)
        if reading.task is None:
            work = self._read(session, view, reading)
            reading.task = asyncio.get_running_loop().create_task(work)
        return await asyncio.shield(reading.task)

    async def _read(self, session: Session, view: Hashable, reading: _Reading) -> Printed:
        await asyncio.sleep(_MOMENT)
        del self._readings[view]
        self.taken += 1
        return await self.reader.operational(session, tuple(reading.paths), Defaults.REPORT_ALL)
