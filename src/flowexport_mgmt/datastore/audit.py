"""The audit log: a line of JSON for each commit, each rollback and each refusal.

A line is handed to the kernel before the answer is, in one write, so that a process that dies takes
none with it; it is not forced onto the disk, so that a power cut may take the last ones. What is
committed is on disk by then in any case, with its record.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from flowexport_mgmt.datastore.clock import Clock
from flowexport_mgmt.datastore.record import Author, CommitRecord
from flowexport_mgmt.datastore.sessions import Session
from flowexport_mgmt.errors import ErrorTag, Fault, ManagementError
from flowexport_mgmt.observe.log import LimitedLogger

NAME = "audit.jsonl"
MAX_SIZE = 8 * 1024 * 1024
"""Octets of a file; a larger one is put aside."""
KEPT = 4
"""Files that are kept aside, as audit.jsonl.1 and so on; the oldest goes."""
_FAULTS = 16
"""Faults of a refusal that are told."""

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC

_log = LimitedLogger(logging.getLogger(__name__))


class Audit:
    """Writes audit.jsonl; that it cannot be written is counted and logged, and stops nothing."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.path = folder / NAME
        self._clock = clock
        self.lines = 0
        self.failures = 0

    def commit(self, author: Author, record: CommitRecord, changes: Sequence[Any]) -> None:
        """Write that a commit or rollback took effect, and what it changed."""
        words = {"comment": record.comment, "label": record.label}
        pending = record.pending
        if pending is not None:
            words["confirm-by"] = pending.deadline
        told = {name: text for name, text in words.items() if text}
        entry = {"result": "committed", "id": record.id, **told}
        self._write(author, entry | {"nodes": record.changes, "changes": changes})

    def confirmed(self, author: Author, record: CommitRecord, what: str) -> None:
        """Write what became of a confirmed commit: ``start``, ``complete`` and so on."""
        self._write(author, {"result": what, "id": record.id})

    def refused(self, author: Author, what: str, faults: Sequence[Fault]) -> None:
        """Write that something was refused, and why."""
        errors = [_describe(fault) for fault in faults[:_FAULTS]]
        entry: dict[str, Any] = {"result": "refused", "operation": what, "errors": errors}
        if len(faults) > _FAULTS:
            entry["more-errors"] = len(faults) - _FAULTS
        self._write(author, entry)

    @contextlib.contextmanager
    def refusals(self, author: Author, what: str, only: ErrorTag | None = None) -> Iterator[None]:
        """Write the refusal that ends the block, if one does; ``only`` those with a tag."""
        try:
            yield
        except ManagementError as error:
            if only is None or any(fault.tag is only for fault in error.faults):
                self.refused(author, what, error.faults)
            raise

    def _write(self, author: Author, entry: dict[str, Any]) -> None:
        who: dict[str, Any] = {
            "time": self._clock.text(),
            "user": author.user,
            "door": author.door,
            "source": author.source,
        }
        if isinstance(author, Session):
            who["session"] = author.id
        line = msgspec.json.encode(who | entry) + b"\n"
        try:
            self._append(line)
        except OSError as error:
            self.failures += 1
            _log.log(logging.ERROR, "audit", "%s cannot be written: %s", self.path, error.strerror)
        else:
            self.lines += 1

    def _append(self, line: bytes) -> None:
        try:
            descriptor = os.open(self.path, _FLAGS, 0o600)
        except FileNotFoundError:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(self.path, _FLAGS, 0o600)
        try:
            if os.write(descriptor, line) < len(line):
                os.write(descriptor, b"\n")  # the disk is full; the next line is whole again
                raise OSError(0, "the line was cut off")
            size = os.fstat(descriptor).st_size
        finally:
            os.close(descriptor)
        if size > MAX_SIZE:
            self._rotate()

    def _rotate(self) -> None:
        for number in range(KEPT - 1, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                self._aside(number).replace(self._aside(number + 1))
        self.path.replace(self._aside(1))

    def _aside(self, number: int) -> Path:
        return self.path.with_name(f"{NAME}.{number}")


def _describe(fault: Fault) -> dict[str, str]:
    told = {"tag": str(fault.tag), "app-tag": fault.app_tag, "path": fault.path}
    return {name: text for name, text in told.items() if text} | {"message": fault.message}
