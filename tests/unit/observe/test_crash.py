from __future__ import annotations

import os
import subprocess
import sys

import pytest

from flowexport_mgmt.observe import crash

POINT = crash.declare("test.crash.point")
PROGRAM = """
from flowexport_mgmt.observe import crash
point = crash.declare("a.b.c")
for number in range(5):
    print(number, flush=True)
    crash.point(point)
"""


def run(armed: str) -> tuple[int, list[str]]:
    environment = os.environ | {crash.VARIABLE: armed}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stdout.split()


@pytest.mark.parametrize(
    ("armed", "status", "printed"),
    [
        ("a.b.c", 137, ["0"]),
        ("a.b.c:1", 137, ["0"]),
        ("a.b.c:3", 137, ["0", "1", "2"]),
        ("a.b.c:6", 0, ["0", "1", "2", "3", "4"]),
        ("a.b", 0, ["0", "1", "2", "3", "4"]),
        ("", 0, ["0", "1", "2", "3", "4"]),
    ],
)
def test_the_process_ends_at_the_armed_pass(armed: str, status: int, printed: list[str]) -> None:
    assert run(armed) == (status, printed)


def test_declared_points_are_listed() -> None:
    assert POINT in crash.names()


def test_a_point_is_declared_once() -> None:
    with pytest.raises(ValueError, match="declared twice"):
        crash.declare(POINT)


def test_an_undeclared_point_is_a_fault_of_the_program() -> None:
    with pytest.raises(ValueError, match="not declared"):
        crash.point("test.crash.unknown")


def test_a_restarted_process_survives() -> None:
    assert crash.without({crash.VARIABLE: "a", "LANG": "C"}) == {"LANG": "C"}
