"""The tests of the folder ``inside``, on Debian's own kernel."""

from __future__ import annotations

import compileall
import os
import shutil
import sys
import time
from pathlib import Path

import pytest
from interop.vm.machine import Outcome, run_inside

ROOT = Path(__file__).parents[2]
INSIDE = Path(__file__).with_name("inside").relative_to(ROOT)
BUDGET_S = 600.0


def _run(command: list[str], folder: Path, seconds: float) -> Outcome:
    passed_on = {name: os.environ[name] for name in ("CI", "PATH") if name in os.environ}
    environment = {**passed_on, "HOME": "/root", "LC_ALL": "C.UTF-8"}
    return run_inside(command, folder, cwd=ROOT, environment=environment, seconds=seconds)


@pytest.mark.timeout(BUDGET_S + 300)  # the image is made first
def test_on_debians_kernel(tmp_path: Path) -> None:
    for folder in ("src", "tests", "interop"):  # compiling takes ten times as long inside
        compileall.compile_dir(ROOT / folder, quiet=2)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--color=no"]
    outcome = _run([*command, "--durations=10", str(INSIDE)], tmp_path, BUDGET_S)
    print(outcome.output)
    if outcome.status is None:
        pytest.fail(f"the machine did not come to an end; its console says\n{outcome.console}")
    assert outcome.status == 0, "tests failed inside; see what was printed"
    shutil.rmtree(tmp_path)


def test_a_machine_that_hangs_is_ended(tmp_path: Path) -> None:
    started = time.monotonic()
    outcome = _run(["sleep", "600"], tmp_path, 10.0)
    assert outcome.status is None
    assert time.monotonic() - started < 60
    shutil.rmtree(tmp_path)


def test_what_a_command_says_and_how_it_ends_comes_out(tmp_path: Path) -> None:
    command = "echo 'two words'; uname --kernel-release; exit 7"
    outcome = _run(["bash", "-c", command], tmp_path, 120.0)
    said, release = outcome.output.splitlines()
    assert (outcome.status, said) == (7, "two words")
    assert release != os.uname().release
    shutil.rmtree(tmp_path)
