"""Programs run by tests: their output read as it comes, their end awaited, their remains ended."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.support.conditions import wait_until

_ROOT = Path(__file__).resolve().parents[2]


class Program:
    """A running program whose standard output and error are collected as lines."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> None:
        path = os.pathsep.join((str(_ROOT / "src"), str(_ROOT)))
        env = {**os.environ, "PYTHONPATH": path, **(environment or {})}
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            command,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @classmethod
    def python(cls, *arguments: object, environment: Mapping[str, str] | None = None) -> Self:
        return cls([sys.executable, *map(str, arguments)], environment)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def find(self, pattern: str, count: int = 1, seconds: float = 20.0) -> re.Match[str]:
        """Wait until ``pattern`` was found in ``count`` lines and return the last match."""

        def matches() -> list[re.Match[str]]:
            found = [hit for line in list(self.lines) if (hit := re.search(pattern, line))]
            return found if len(found) >= count else []

        try:
            return wait_until(matches, seconds)[count - 1]
        except AssertionError:
            raise AssertionError(
                f"{pattern!r} not {count} times in:\n" + "\n".join(self.lines)
            ) from None

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, seconds: float = 20.0) -> int:
        """Wait for the end and for all output; return the exit status."""
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError("still running:\n" + "\n".join(self.lines)) from None
        self._reader.join(seconds)
        return status

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        self._reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
