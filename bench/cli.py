"""The command line: a command in a script, the start of a dialog, a completion.

The reference of the first two is a Python that imports an XML parser, which nothing that reads
NETCONF can be faster than; that of a completion is looking for the beginning in a list of names.
Whether the limits of the house are kept is said beside the figures.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from tests.support.daemon import Daemon
from tests.support.terminal import FLOWEXPORT, Terminal

from bench.measure import Cost, Result, compare
from flowexport_mgmt.cli.main import run_lines
from flowexport_mgmt.cli.operator import Operator
from flowexport_mgmt.cli.session.unix import UnixSession
from flowexport_mgmt.cli.shell.completing import LineCompleter
from flowexport_mgmt.cli.shell.known import Known

COLLECTORS = 1000
ROUNDS = 7
LIMITS = {"one-shot": 0.3, "prompt": 0.4, "completion": 0.010}
"""Seconds."""

_NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
_IMPORTS = "import lxml.etree"
_LINE = "set flow-export collector c99"


def run(*, quick: bool) -> list[Result]:
    """Measure against a daemon with many collectors, none of which is enabled."""
    del quick  # it takes a few seconds
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.dict(os.environ, _environment(folder), clear=True),
        Daemon(Path(folder) / "state", init=_document()) as daemon,
    ):
        daemon.wait_started()
        operator = Operator(lambda: UnixSession(daemon.socket))
        run_lines(["show history | count"], operator)  # the schema is in the cache from here
        _prompt(daemon.socket, Path(folder))  # and the bytecode
        results = [
            _program("one-shot", lambda: _one_shot(daemon.socket)),
            _program("prompt", lambda: _prompt(daemon.socket, Path(folder))),
            _completion(operator),
        ]
        operator.close()
    return results


def _environment(folder: str) -> dict[str, str]:
    """Give a home of its own, and bytecode as an installed package has it."""
    own = {"XDG_CACHE_HOME": folder, "HOME": folder, "PYTHONPYCACHEPREFIX": f"{folder}/bytecode"}
    kept = {name: value for name, value in os.environ.items() if name != _NO_BYTECODE}
    return kept | own


def _document() -> dict[str, object]:
    entries = [
        {"name": f"c{i}", "address": "192.0.2.1", "protocol": "ipfix", "enabled": False}
        for i in range(COLLECTORS)
    ]
    return {"flow-export:flow-export": {"collector": entries}}


def _one_shot(socket: Path) -> None:
    command = [str(FLOWEXPORT), "--socket", str(socket), "-c", "show history"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _prompt(socket: Path, home: Path) -> None:
    with Terminal(socket, home) as terminal:
        terminal.expect(r"> $")


def _program(case: str, action: Callable[[], None]) -> Result:
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(_timed(action))
        theirs.append(_timed(lambda: subprocess.run([sys.executable, "-c", _IMPORTS], check=True)))
    return _result(case, 1, "importing", Cost(*[statistics.median(ours)] * 2), _pair(theirs))


def _pair(seconds: list[float]) -> Cost:
    return Cost(*[statistics.median(seconds)] * 2)


def _timed(action: Callable[[], object]) -> float:
    begin = time.monotonic()
    action()
    return time.monotonic() - begin


def _completion(operator: Operator) -> Result:
    operator.terminal.write = lambda _: None
    run_lines(["configure"], operator)
    completer = LineCompleter(operator, Known(operator))
    names = [f"c{i}" for i in range(COLLECTORS)]
    assert len(list(completer.choices(_LINE))) == 11
    ours, theirs = compare(
        lambda: list(completer.choices(_LINE)),
        lambda: [name for name in names if name.startswith("c99")],
    )
    return _result("completion", COLLECTORS, "looking", ours, theirs)


def _result(case: str, size: int, reference: str, ours: Cost, theirs: Cost) -> Result:
    limit = LIMITS[case]
    failure = f"above {limit} s" if ours.wall > limit else ""
    also = f"{limit} s are allowed"
    costs = ours, theirs
    name = f"cli {case}"
    return Result(name, size, reference, *costs, judged="failure", failure=failure, also=also)
