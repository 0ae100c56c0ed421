"""The process of routes lets others go first, as the kernel tells."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.support.processes import Program

from flowexport_mgmt.rib.priority import NICENESS, yield_to_others

YIELD = """
from pathlib import Path
from flowexport_mgmt.rib.priority import yield_to_others
yield_to_others()
print(Path("/proc/self/stat").read_text().rpartition(")")[2])
"""
NICE, POLICY = 16, 38
"""Fields of proc_pid_stat(5), counted from the one behind the name."""


def test_it_is_nice_and_interrupts_nobody() -> None:
    before = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    with Program.python("-c", YIELD) as program:
        assert program.wait() == 0
    fields = program.output.split()
    assert int(fields[NICE]) == min(19, int(before[NICE]) + NICENESS)
    assert int(fields[POLICY]) == os.SCHED_BATCH


def test_a_sandbox_that_forbids_it_is_no_fault(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_: int) -> int:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "nice", refuse)
    with caplog.at_level("INFO"):
        yield_to_others()
    assert "keeps its priority: Operation not permitted" in caplog.text
