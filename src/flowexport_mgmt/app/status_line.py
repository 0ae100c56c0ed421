"""How the daemon fares, in one line for ``systemctl status``."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from flowexport_mgmt.errors import LinkError
from flowexport_mgmt.model.base import OperStatus

if TYPE_CHECKING:
    from flowexport_mgmt.datastore import Datastore
    from flowexport_mgmt.north.http.health import Health

_AT_MOST_EVERY: Final = 5.0
"""Seconds between two lines: collectors may flap."""


class StatusLine:
    """Tells a line when something has changed, soon and not too often."""

    def __init__(self, datastore: Datastore, tell: Callable[[str], None]) -> None:
        self._datastore = datastore
        self._tell = tell

    async def run(self) -> None:
        """Tell lines until cancelled."""
        from flowexport_mgmt.north.http.health import (  # noqa: PLC0415 - after privileges are gone
            STATE_PATHS,
            judge,
        )

        with self._datastore.events.subscribe(limit=1) as changes:
            changes.put(None)  # the first line needs no change
            async for _ in changes:
                found = judge(await self._datastore.state(STATE_PATHS))
                with contextlib.suppress(LinkError):  # the supervisor is gone, and so are we
                    self._tell(word(self._datastore.record.id, found))
                await asyncio.sleep(_AT_MOST_EVERY)


def word(commit: int, health: Health) -> str:
    """Word how all parts fare: the worst of them by name."""
    ill = [part for part in health.parts if part.status in {OperStatus.DOWN, OperStatus.DEGRADED}]
    collectors = sum(part.name.startswith("collector ") for part in health.parts)
    line = f"commit {commit}, {collectors} collectors"
    if not ill:
        return f"{line}, all well"
    worst = next((part for part in ill if part.status is OperStatus.DOWN), ill[0])
    reason = f": {worst.reason}" if worst.reason else ""
    others = f" (and {len(ill) - 1} more)" if len(ill) > 1 else ""
    return f"{line}, {worst.name} is {worst.status}{reason}{others}"
