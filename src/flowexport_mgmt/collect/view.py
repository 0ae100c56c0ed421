"""The live picture: every exporter with its interfaces, rates first.

Only this module draws, and only it needs ``rich``; it is imported when there is a terminal.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from flowexport_mgmt.collect.tally import Exporter, Tally
from flowexport_mgmt.collect.traffic import Direction, Interface

_COLOURS: Final = {"sflow": "cyan", "netflow9": "magenta", "ipfix": "green"}
_BARS: Final = " ▁▂▃▄▅▆▇█"
_STALE_NS: Final = 60_000_000_000
_CHROME_LINES: Final = 6  # status, table head and borders


class View:
    """A table of all exporters of a tally, whatever ports and protocols, as it stands.

    Feed the tally (``Tally.receive``) and call ``render`` as often as a picture is wanted.
    ``listening`` names where datagrams are expected, for the time before the first one.
    """

    def __init__(self, tally: Tally, listening: Sequence[str], begun_ns: int) -> None:
        self._tally = tally
        self._listening = ", ".join(listening)
        self._begun_ns = begun_ns
        self._spinner = Spinner("dots")

    def render(self, now_ns: int, lines: int = 40) -> RenderableType:
        """Draw the state at ``now_ns`` (Unix nanoseconds) in about so many lines."""
        self._spinner.update(text=self._status(now_ns))
        if not self._tally.exporters:
            return self._spinner
        return Group(self._table(now_ns, lines), self._spinner)

    def _status(self, now_ns: int) -> Text:
        seconds = max(0, now_ns - self._begun_ns) // 1_000_000_000
        tally = self._tally
        if not tally.datagrams:
            return Text(f"waiting for the first datagram on {self._listening}  {seconds} s")
        text = Text(f"{seconds} s  {tally.datagrams} datagrams  {tally.records} records  ")
        faults = f"{tally.faults} faults"
        return text.append(faults, style="bold red" if tally.faults else "green")

    def _table(self, now_ns: int, lines: int) -> Table:
        table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
        for heading in ("collector", "exporter", "interface"):
            table.add_column(heading, no_wrap=True)
        for heading in ("in B/s", "in pkt/s", "out B/s", "out pkt/s", "in total", "out total"):
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column("trend", no_wrap=True)
        table.add_column("lost", justify="right", no_wrap=True)
        exporters = sorted(self._tally.exporters.values(), key=lambda exporter: exporter.key)
        share = max(1, (lines - _CHROME_LINES) // len(exporters) - 1)
        for exporter in exporters:
            self._add_exporter(table, exporter, now_ns, share)
            table.add_section()
        return table

    def _add_exporter(self, table: Table, exporter: Exporter, now_ns: int, share: int) -> None:
        """Add its busiest interfaces; the first row says whose they are."""
        interfaces = sorted(
            exporter.interfaces.values(), key=lambda one: (-one.octet_rate, one.index)
        )
        shown = interfaces[:share]
        colour = _COLOURS.get(exporter.key.protocol, "yellow")
        heads = [Text(f"{exporter.key.protocol} :{exporter.key.port}", style=f"bold {colour}")]
        heads.append(Text(exporter.key.address))
        lost = Text(str(exporter.lost), style="bold red" if exporter.sequence_errors else "green")
        if not shown:
            table.add_row(*heads, Text("no counters yet", style="dim"), *[""] * 7, lost)
        for place, interface in enumerate(shown):
            stale = now_ns - interface.seen_ns > _STALE_NS
            first = place == 0
            table.add_row(
                *(heads if first else ("", "")),
                self._tally.name(exporter, interface.index),
                *_describe(interface),
                Text(_spark(interface.history), style=colour),
                lost if first else "",
                style="dim" if stale else "",
            )
        if len(interfaces) > len(shown):
            hidden = f"and {len(interfaces) - len(shown)} quieter"
            table.add_row("", "", Text(hidden, style="dim"))


def _describe(interface: Interface) -> list[str]:
    ingress, egress = interface.directions
    return [
        *_rates(ingress),
        *_rates(egress),
        scale(ingress.octets, "B"),
        scale(egress.octets, "B"),
    ]


def _rates(direction: Direction) -> list[str]:
    if direction.octet_rate is None or direction.packet_rate is None:
        return ["…", "…"]
    return [scale(direction.octet_rate), scale(direction.packet_rate)]


def scale(value: float, unit: str = "") -> str:
    """Write a number in at most four digits with a decimal prefix."""
    for prefix in ("", "k", "M", "G", "T"):
        if value < 999.5:
            digits = f"{value:.0f}" if prefix == "" or value >= 99.95 else f"{value:.1f}"
            return f"{digits} {prefix}{unit}".rstrip()
        value /= 1000
    return f"{value:.1f} P{unit}"


def _spark(history: Collection[float]) -> str:
    """Draw rates as bars against the highest of them."""
    top = max(history, default=0)
    if top == 0:
        return ""
    return "".join(_BARS[round(rate / top * (len(_BARS) - 1))] for rate in history)
