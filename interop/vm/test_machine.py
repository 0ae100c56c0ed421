"""The tests of the folder ``inside``, on Debian's own kernel."""

from __future__ import annotations

import compileall
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from interop.vm.image import Image, make_image
from interop.vm.machine import Outcome, run_inside

ROOT = Path(__file__).parents[2]
INSIDE = Path(__file__).with_name("inside").relative_to(ROOT)
BUDGET_S = 900.0  # where other programs leave little of the processors
UNUSED = ("cacheprovider", "hypothesispytest", "xdist")
"""Plugins that nothing inside needs, and that take seconds to import there."""

PYTEST = [sys.executable, "-m", "pytest", "--noconftest", "--color=no"]
PYTEST += [word for plugin in UNUSED for word in ("-p", f"no:{plugin}")]

PASSED = 7
"""How the command inside ends when all tests have passed; nothing else ends so."""

SCRIPT = f"""
echo 'two words'
uname --kernel-release
"$@" || exit
exit {PASSED}
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """Compile here what takes ten times as long inside, and make what the machine boots."""
    for name in ("src", "tests", "interop"):
        compileall.compile_dir(ROOT / name, quiet=2)
    collect = [*PYTEST, "--collect-only", "-q", str(INSIDE)]  # pytest compiles tests its own way
    subprocess.run(collect, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
    folder = tmp_path_factory.mktemp("image")
    yield make_image(folder)
    shutil.rmtree(folder)


def _run(command: list[str], image: Image, folder: Path, seconds: float) -> Outcome:
    passed_on = {name: os.environ[name] for name in ("CI", "PATH") if name in os.environ}
    environment = {**passed_on, "HOME": "/root", "LC_ALL": "C.UTF-8"}
    return run_inside(command, image, folder, cwd=ROOT, environment=environment, seconds=seconds)


@pytest.mark.timeout(BUDGET_S + 300)  # the image is made first
def test_on_debians_kernel(image: Image, tmp_path: Path) -> None:
    """What the command says and how it ends comes out; what it says of itself is in there too."""
    tests = [*PYTEST, "--durations=10", str(INSIDE)]
    outcome = _run(["bash", "-c", SCRIPT, "bash", *tests], image, tmp_path, BUDGET_S)
    print(outcome.output)
    if outcome.status is None:
        pytest.fail(f"the machine did not come to an end; its console says\n{outcome.console}")
    said, release, *_ = outcome.output.splitlines()
    assert said == "two words"
    assert release != os.uname().release
    assert outcome.status == PASSED, "tests failed inside; see what was printed"


def test_a_machine_that_hangs_is_ended(image: Image, tmp_path: Path) -> None:
    started = time.monotonic()
    outcome = _run(["sleep", "600"], image, tmp_path, 2.0)
    assert outcome.status is None
    assert time.monotonic() - started < 60
