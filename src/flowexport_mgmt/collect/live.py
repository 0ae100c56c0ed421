"""Keeps the live table on the terminal up to date."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.text import Text

from flowexport_mgmt.collect.report import Report
from flowexport_mgmt.collect.view import View

_REFRESH_SECONDS: Final = 0.25


@contextlib.asynccontextmanager
async def drawing(report: Report, listening: list[str]) -> AsyncIterator[None]:
    """Draw the report's tally while the context lasts; faults are printed above the table."""
    console = Console()
    view = View(report.tally, listening, time.time_ns())
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        report.complain = lambda line: console.print(Text(line, "red"), soft_wrap=True)
        task = asyncio.create_task(_refresh(live, view))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            _draw(live, view)


async def _refresh(live: Live, view: View) -> None:
    while True:
        _draw(live, view)
        await asyncio.sleep(_REFRESH_SECONDS)


def _draw(live: Live, view: View) -> None:
    width, height = live.console.size
    live.update(view.render(time.time_ns(), width=width, lines=height), refresh=True)
