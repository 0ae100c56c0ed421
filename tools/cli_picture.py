"""Make docs/cli.svg: a dialog with flowexport, typed into a real terminal and drawn as it was."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pyte
from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.daemon import Daemon  # noqa: E402 - a folder of this checkout
from tests.support.terminal import ROWS, WIDTH, Terminal  # noqa: E402

PICTURE = ROOT / "docs" / "cli.svg"
LINES = (
    ("configure", r"# $"),
    ("set flow-export collector noc address 192.0.2.10 port 4739 protocol ipfix", r"\*# $"),
    ("show | compare", r"\}\s+\S+\*# $"),
    ("commit confirmed 300", r"\(confirm: \d+ s\)# $"),
    ("confirm", r"confirmed\.\s+\S+# $"),
)


def main() -> int:
    """Type the lines at a daemon of our own and draw the screen; return the exit code."""
    with (
        tempfile.TemporaryDirectory(prefix="fxpic") as folder,
        Daemon(Path(folder) / "state") as daemon,
    ):
        daemon.wait_started()
        shown = _talk(daemon.socket, Path(folder))
    _draw(shown)
    return 0


def _talk(socket: Path, home: Path) -> list[str]:
    with Terminal(socket, home) as terminal:
        terminal.expect(r"> $")
        for line, pattern in LINES:
            terminal.line(line, pattern)
        terminal.type("set flow-export collector noc proto\t?")
        terminal.expect(r"netflow9(?:.*\n)+.*protocol $")
        return screen_of(terminal.raw)


def screen_of(output: str) -> list[str]:
    """Give the lines that stand on a terminal after such output."""
    screen = pyte.HistoryScreen(WIDTH, ROWS, history=1000)
    pyte.Stream(screen).feed(output)
    scrolled = ["".join(row[x].data for x in range(WIDTH)) for row in screen.history.top]
    lines = [line.rstrip() for line in [*scrolled, *screen.display]]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _draw(lines: list[str]) -> None:
    console = Console(record=True, width=WIDTH, file=open("/dev/null", "w", encoding="utf-8"))  # noqa: PTH123, SIM115
    for line in lines:
        console.print(Text(line.replace("root@", "ann@")))
    console.save_svg(str(PICTURE), title="flowexport", unique_id="flowexport")


if __name__ == "__main__":
    sys.exit(main())
