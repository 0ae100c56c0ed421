"""The live picture: every exporter with its interfaces, rates first.

Only this module and the one that keeps it on the terminal need ``rich``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import compress
from typing import Final, NamedTuple

from rich import box
from rich.console import Group, RenderableType
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from flowexport_mgmt.collect.printable import printable
from flowexport_mgmt.collect.tally import Exporter, Tally
from flowexport_mgmt.collect.traffic import Direction, Interface

_COLOURS: Final = {"sflow": "cyan", "netflow9": "magenta", "ipfix": "green"}
_BARS: Final = " ▁▂▃▄▅▆▇█"
_STALE_NS: Final = 60_000_000_000
_CHROME_LINES: Final = 6  # status, table head and borders


class _Column(NamedTuple):
    heading: str
    numeric: bool = True
    least_width: int = 0  # of the terminal that it is shown on


_COLUMNS: Final = (
    _Column("collector", numeric=False),
    _Column("exporter", numeric=False, least_width=132),
    _Column("interface", numeric=False),
    _Column("in"),
    _Column("pkt/s"),
    _Column("out"),
    _Column("pkt/s"),
    _Column("total in", least_width=104),
    _Column("total out", least_width=104),
    _Column("trend", numeric=False, least_width=119),
    _Column("seq err"),
)


_Cells = list[str | Text]


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

    def render(self, now_ns: int, *, width: int = 120, lines: int = 40) -> RenderableType:
        """Draw the state at ``now_ns`` (Unix nanoseconds) for a terminal of this size."""
        self._spinner.update(text=self._status(now_ns))
        if not self._tally.exporters:
            return self._spinner
        return Group(self._table(now_ns, width, lines), self._spinner)

    def _status(self, now_ns: int) -> Text:
        seconds = max(0, now_ns - self._begun_ns) // 1_000_000_000
        tally = self._tally
        if not tally.datagrams:
            return Text(f"waiting for the first datagram on {self._listening}  {seconds} s")
        text = Text(f"{seconds} s  {tally.datagrams} datagrams  {tally.records} records  ")
        return text.append(f"{tally.faults} faults", style="bold red" if tally.faults else "green")

    def _table(self, now_ns: int, width: int, lines: int) -> Table:
        table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)
        shown = [column.least_width <= width for column in _COLUMNS]
        for column in compress(_COLUMNS, shown):
            table.add_column(
                column.heading, justify="right" if column.numeric else "left", no_wrap=True
            )
        exporters = sorted(self._tally.exporters.values(), key=lambda exporter: exporter.key)
        share = max(1, (lines - _CHROME_LINES) // len(exporters) - 2)
        for exporter in exporters:
            for cells, stale in self._rows(exporter, now_ns, share):
                table.add_row(*compress(cells, shown), style="dim" if stale else "")
            table.add_section()
        return table

    def _rows(self, exporter: Exporter, now_ns: int, share: int) -> list[tuple[_Cells, bool]]:
        """Describe its busiest interfaces in the order of their index; tell which are stale."""
        colour = _COLOURS.get(exporter.key.protocol, "yellow")
        busiest = sorted(exporter.interfaces.values(), key=lambda one: -one.octet_rate)[:share]
        rows: list[tuple[_Cells, bool]] = []
        for interface in sorted(busiest, key=lambda one: one.index):
            name = Text(printable(self._tally.name(exporter, interface.index)))
            trend = Text(_draw_bars(interface.history), style=colour)
            cells: _Cells = ["", "", name, *_describe(interface), trend, ""]
            rows.append((cells, now_ns - interface.seen_ns > _STALE_NS))
        if not rows:
            rows.append((["", "", Text("no counters yet", style="dim"), *[""] * 8], False))
        if len(exporter.interfaces) > share:
            hidden = f"and {len(exporter.interfaces) - share} quieter"
            rows.append((["", "", Text(hidden, style="dim"), *[""] * 8], False))
        errors = exporter.sequence_errors
        first = rows[0][0]
        first[0] = Text(f"{exporter.key.protocol} :{exporter.key.port}", style=f"bold {colour}")
        first[1] = exporter.key.address
        first[-1] = Text(str(errors), style="bold red" if errors else "green")
        return rows


def _describe(interface: Interface) -> list[str]:
    ingress, egress = interface.directions
    totals = [f"{scale(direction.octets)}B" for direction in (ingress, egress)]
    return [*_rates(ingress), *_rates(egress), *totals]


def _rates(direction: Direction) -> list[str]:
    if direction.octet_rate is None or direction.packet_rate is None:
        return ["…", "…"]
    return [f"{scale(direction.octet_rate)}B/s", scale(direction.packet_rate)]


def scale(value: float) -> str:
    """Write a number in at most four digits, a space and a decimal prefix if it needs one."""
    for prefix in ("", "k", "M", "G", "T"):
        if value < 999.5:
            digits = f"{value:.0f}" if prefix == "" or value >= 99.95 else f"{value:.1f}"
            return f"{digits} {prefix}"
        value /= 1000
    return f"{value:.1f} P"


def _draw_bars(history: Collection[float]) -> str:
    """Draw rates as bars against the highest of them."""
    top = max(history, default=0)
    if top == 0:
        return ""
    return "".join(_BARS[round(rate / top * (len(_BARS) - 1))] for rate in history)
