"""flowexport on a real pseudo-terminal: what is typed, and what stands on the screen then."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path
from typing import Self

import pexpect
from tests.support.conditions import wait_until

FLOWEXPORT = Path(sys.executable).with_name("flowexport")
PATIENCE = 30
WIDTH, ROWS = 80, 50
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\x1b\][^\x07]*\x07|[\x07\r]")


class Terminal:
    """A dialog with the command line in a terminal of 80 columns without colours.

    ``place`` is the daemon's socket, or the options that say where else it is.
    """

    def __init__(self, place: Path | tuple[str, ...], home: Path, *options: str) -> None:
        where = ("--socket", str(place)) if isinstance(place, Path) else place
        environment = {
            **os.environ,
            "HOME": str(home),
            "XDG_STATE_HOME": str(home / "state"),
            "TERM": "xterm",
            "NO_COLOR": "1",
            "PAGER": "cat",
            "PROMPT_TOOLKIT_NO_CPR": "1",
        }
        self._child = pexpect.spawn(
            str(FLOWEXPORT),
            [*where, *options],
            env=environment,
            encoding="utf-8",
            codec_errors="replace",
            dimensions=(ROWS, WIDTH),
            timeout=PATIENCE,
            preexec_fn=_heed_interrupts,
        )
        self._seen = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.close(force=True)

    def expect(self, pattern: str) -> str:
        """Wait until a pattern stands in the output; give that with escapes taken out."""
        start = len(self._seen)

        def found() -> re.Match[str] | None:
            self._read()
            return re.search(pattern, self._plain(start))

        try:
            wait_until(found, PATIENCE, pattern)
        except AssertionError:
            raise AssertionError(f"{pattern!r} is not in:\n{self._plain(start)}") from None
        return self._plain(start)

    def _plain(self, start: int) -> str:
        """Give the output without escapes; a prompt's last space is drawn by moving the cursor."""
        return _ESCAPES.sub("", self._seen[start:]).rstrip(" ") + " "

    def _read(self) -> None:
        try:
            while True:
                self._seen += self._child.read_nonblocking(65536, 0.02)
        except (pexpect.TIMEOUT, pexpect.EOF):
            return

    @property
    def raw(self) -> str:
        """All output with its escapes."""
        return self._seen

    def forget(self) -> None:
        """Let the next expectation see only what comes from now on."""
        self._read()

    def type(self, text: str) -> None:
        """Type without a return."""
        self.forget()
        self._child.send(text)

    def line(self, text: str, pattern: str) -> str:
        """Type a line, wait for what it gives."""
        self.type(f"{text}\r")
        return self.expect(pattern)

    def interrupt(self) -> None:
        """Press control and C."""
        self.type("\x03")

    def wait(self) -> int:
        """Wait for the end; give the exit code."""
        self._child.expect(pexpect.EOF)
        self._child.close()
        return int(self._child.exitstatus or 0)


def _heed_interrupts() -> None:
    """Undo what a shell does to jobs in the background: they ignore interrupts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
