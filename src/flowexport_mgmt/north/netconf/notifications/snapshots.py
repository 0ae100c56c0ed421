"""Datastores as they are now, read once for all that ask at the same moment."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from flowexport_mgmt.datastore import Store
from flowexport_mgmt.north.netconf.evaluation import Printed
from flowexport_mgmt.north.netconf.reading import Filter, Reader
from flowexport_mgmt.north.netconf.selection import Selection
from flowexport_mgmt.schema.tree import Defaults

_MOMENT = 0.005
"""Seconds that a reading waits for others who want one."""


class Snapshots:
    """Reads running at any time and the operational datastore once for all who ask together."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._paths: dict[str, None] = {}
        self._shared: asyncio.Task[Printed] | None = None
        self.taken = 0
        """Readings of the operational datastore."""

    async def take(self, datastore: str, paths: Sequence[str]) -> Printed:
        """Print a datastore; of state at least what lies at, above and below the schema paths."""
        if datastore == Store.RUNNING:
            return self._reader.configuration(Store.RUNNING)
        self._paths |= dict.fromkeys(paths)
        if self._shared is None:
            self._shared = asyncio.get_running_loop().create_task(self._read())
        return await asyncio.shield(self._shared)

    async def select(self, document: Printed, chosen: Filter | None) -> Selection | None:
        """Tell what a filter chooses; None for everything."""
        return await self._reader.select(document, chosen)

    async def _read(self) -> Printed:
        await asyncio.sleep(_MOMENT)
        paths, self._paths, self._shared = tuple(self._paths), {}, None
        self.taken += 1
        return await self._reader.operational(paths, Defaults.REPORT_ALL)
