"""What the demo shows: lines about what it does, and the live view of flowexport-collect."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from tools.demo.world import PROTOCOLS, World

from flowexport_mgmt.collect.view import View

_PLAIN_WIDTH = 120
_PICTURE_WIDTH, _PICTURE_LINES = 120, 30
_REFRESH = 0.25
_PLAIN_REFRESH = 5.0


class Screen:
    """Draws on a terminal, and writes plain lines elsewhere."""

    def __init__(self, plain: bool) -> None:
        self.console = Console(width=_PLAIN_WIDTH if plain else None, highlight=False)
        self._plain = plain or not self.console.is_terminal

    def tell(self, what: str, words: str) -> None:
        """Say what was done."""
        self.console.print(f"  [bold]{what:12}[/bold] {words}", soft_wrap=True)

    async def watch(self, world: World, seconds: float | None) -> View:
        """Show what arrives for a time, or for ever; return the view as it was at the end."""
        listening = [f"127.0.0.1:{port}" for port in world.ports.values()]
        view = View(world.report.tally, listening, time.time_ns())
        show = self._watch_plainly if self._plain else self._watch_live
        try:
            async with asyncio.timeout(seconds):
                await show(world, view, seconds)
        except TimeoutError:
            pass
        if self._plain:
            self.console.print(view.render(time.time_ns(), width=_PLAIN_WIDTH, lines=60))
        return view

    async def _watch_live(self, _world: World, view: View, seconds: float | None) -> None:
        begun = time.monotonic()
        with Live(console=self.console, auto_refresh=False, vertical_overflow="crop") as live:
            while True:
                width, height = self.console.size
                drawn = view.render(time.time_ns(), width=width, lines=height - 2)
                progress = _progress(time.monotonic() - begun, seconds, width)
                live.update(Group(drawn, *progress), refresh=True)
                await asyncio.sleep(_REFRESH)

    async def _watch_plainly(self, world: World, _view: View, _seconds: float | None) -> None:
        begun = time.monotonic()
        while True:
            await asyncio.sleep(_PLAIN_REFRESH - 0.01)  # so that the last one is still said
            received = world.received()
            words = ", ".join(f"{title} {received[name]}" for name, title in PROTOCOLS.items())
            self.tell(f"{time.monotonic() - begun:.0f} s", f"datagrams received: {words}")


def _progress(elapsed: float, seconds: float | None, width: int) -> Iterator[RenderableType]:
    if seconds is None:
        yield "[dim]Ctrl-C ends it[/dim]"
        return
    line = Table.grid(padding=(0, 1))
    bar = ProgressBar(total=seconds, completed=elapsed, width=min(40, width // 2))
    line.add_row(bar, f"[dim]{max(0, seconds - elapsed):.0f} s left[/dim]")
    yield line


def draw(path: Path, view: View) -> None:
    """Save the view as a picture that fetches nothing from anywhere."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=_PICTURE_WIDTH, file=nowhere)
        console.print(view.render(time.time_ns(), width=_PICTURE_WIDTH, lines=_PICTURE_LINES))
    svg = console.export_svg(
        title="flowexport-collect", code_format=_without_fonts(), unique_id="demo"
    )
    path.write_text("".join(f"{line.rstrip()}\n" for line in svg.splitlines()), encoding="utf-8")


def _without_fonts() -> str:
    """Take the fonts that a reader would have to fetch out of rich's frame of a picture."""
    before, _, rest = CONSOLE_SVG_FORMAT.partition("@font-face")
    return before + rest[rest.rindex("@font-face") :].partition("}}")[2]
