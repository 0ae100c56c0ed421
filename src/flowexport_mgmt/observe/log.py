"""Logs on standard error: one line per event, for people or as JSON, changeable while running.

Every module logs through ``logging.getLogger(__name__)``; a process calls `configure` once.
Secrets are masked and control characters escaped when a line is rendered, so no caller has to.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TextIO

ROOT = "flowexport_mgmt"
LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
"""The levels of server/logging/level."""
_PRIORITIES = (
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
    (0, 7),
)
FORMATS = ("text", "json")
"""The formats of server/logging/format."""

_MASK = "***"
_SECRETS = (
    re.compile(
        r"()-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
    ),
    re.compile(r"()(?<![\w$])\$(?:1|2[abxy]|5|6|y)\$[./0-9A-Za-z$=,]+"),
    re.compile(r"()(?<![\w$])\$0\$[^\s\"'<,;]+"),
    re.compile(r"(?i)(password(?:-hash)?[\"']?\s*[=:]\s*[\"']?)[^\s\"',;]+"),
)
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {
    ord("\n"): "\\n",
    ord("\r"): "\\r",
    ord("\t"): "\\t",
}


def mask(text: str) -> str:
    """Replace private keys, crypt hashes and passwords by asterisks."""
    for secret in _SECRETS:
        text = secret.sub(rf"\1{_MASK}", text)
    return text


class _Line(logging.Formatter):
    """Renders a record as one line in the current format.

    For the journal a line begins with its priority (sd-daemon(3)) and leaves out the time, which
    the journal knows.
    """

    def __init__(self, process: str) -> None:
        super().__init__()
        self.process = process
        self.form = "text"
        self.for_journal = False

    def format(self, record: logging.LogRecord) -> str:
        line = self._render(record)
        return f"<{_priority(record.levelno)}>{line}" if self.for_journal else line

    def _render(self, record: logging.LogRecord) -> str:
        message = mask(record.getMessage())
        if record.exc_info:
            message = f"{message}\n{mask(self.formatException(record.exc_info))}"
        stamp = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        stamp = stamp.replace("+00:00", "Z")
        level = record.levelname.lower()
        room = record.name.removeprefix(f"{ROOT}.")
        if self.form == "json":
            return json.dumps(
                {
                    "time": stamp,
                    "level": level,
                    "process": self.process,
                    "room": room,
                    "message": message,
                },
                ensure_ascii=False,
            )
        said = f"{self.process} {room}: {message.translate(_CONTROLS)}"
        return said if self.for_journal else f"{stamp} {level:7} {said}"


def _priority(level: int) -> int:
    """Give the priority of syslog(3): debug 7, info 6, warning 4, error 3, critical 2."""
    return next(priority for least, priority in _PRIORITIES if level >= least)


def is_journal(descriptor: int, environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether a descriptor leads to the journal, as systemd.exec(5) says."""
    device, _, inode = environment.get("JOURNAL_STREAM", "").partition(":")
    try:
        status = os.fstat(descriptor)
    except OSError:
        return False
    return (device, inode) == (str(status.st_dev), str(status.st_ino))


_formatter = _Line("flowexport")


def configure(process: str, stream: TextIO | None = None) -> None:
    """Send the logs of this process to ``stream`` (standard error), named by ``process``."""
    _formatter.process = process
    handler = logging.StreamHandler(stream or sys.stderr)
    _formatter.for_journal = stream is None and is_journal(sys.stderr.fileno())
    handler.setFormatter(_formatter)
    logger = logging.getLogger(ROOT)
    logger.handlers = [handler]
    logger.propagate = False
    logging.getLogger().handlers = [handler]
    logger.setLevel(logging.INFO)
    logging.getLogger().setLevel(logging.WARNING)


def adjust(level: str, form: str) -> None:
    """Change level and format of everything that is logged from now on.

    Raises:
        KeyError: the level is none of LEVELS.
        ValueError: the format is none of FORMATS.
    """
    if form not in FORMATS:
        raise ValueError(f"unknown log format {form}")
    logging.getLogger(ROOT).setLevel(LEVELS[level])
    _formatter.form = form


class LimitedLogger:
    """Logs in loops: each key at most once per ``interval`` seconds, with what was left out.

    Safe to call from any thread. ``clock`` is for tests.
    """

    _MAX_KEYS = 1024

    def __init__(
        self,
        logger: logging.Logger,
        interval: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logger = logger
        self._interval = interval
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def log(self, level: int, key: str, message: str, *args: object) -> None:
        """Log unless ``key`` was logged less than ``interval`` ago; then count it instead."""
        left_out = self._admit(key)
        if left_out is None:
            return
        if left_out:
            message += f" (and {left_out} times since last said)"
        self._logger.log(level, message, *args)

    def _admit(self, key: str) -> int | None:
        now = self._clock()
        with self._lock:
            last, left_out = self._seen.get(key, (None, 0))
            if last is not None and now - last < self._interval:
                self._seen[key] = (last, left_out + 1)
                return None
            self._seen[key] = (now, 0)
            self._seen.move_to_end(key)
            if len(self._seen) > self._MAX_KEYS:
                self._seen.popitem(last=False)
            return left_out
