"""A component whose making takes so long that the rest does not wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from flowexport_mgmt.datastore import Component, Refusal
from flowexport_mgmt.model.configuration import Configuration


class LaterComponent:
    """Stands in for a component until that is there: a commit that comes earlier waits for it."""

    def __init__(self) -> None:
        self._component: asyncio.Future[Component] = asyncio.get_running_loop().create_future()

    def arrive(self, component: Component) -> None:
        """Be this component from now on."""
        self._component.set_result(component)

    @property
    def paths(self) -> Sequence[str]:
        """Take part in everything while it is not known what it is."""
        return self._component.result().paths if self._component.done() else ("/",)

    async def prepare(
        self, old: Configuration | None, new: Configuration, *, commit: int, strict: bool
    ) -> Sequence[Refusal]:
        """See `datastore.Component`."""
        component = await asyncio.shield(self._component)
        return await component.prepare(old, new, commit=commit, strict=strict)

    async def apply(self) -> None:
        """See `datastore.Component`."""
        if self._component.done():
            await self._component.result().apply()

    async def abort(self) -> None:
        """See `datastore.Component`."""
        if self._component.done():
            await self._component.result().abort()

    async def stop(self) -> None:
        """See `datastore.Component`."""
        if self._component.done():
            await self._component.result().stop()
