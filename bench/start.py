"""From the start of the daemon to its first NETCONF hello and its first datagram.

The reference is a Python that imports what the manager is built on, which no start can be faster
than; CPU seconds are those of all processes.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.daemon import Collector, Daemon

from bench.measure import Cost, Result

ROUNDS = 5
LIMIT = 1.5
"""Seconds until there is a hello and a datagram."""

TARGET = 6.0  # three processes start and end, and one of them imports numpy
_IMPORTS = "import asyncssh, libyang, lxml.etree, msgspec"


def run(*, quick: bool) -> list[Result]:
    """Measure alternately; CPU and wall time are medians."""
    del quick  # it takes a few seconds
    ours, theirs = [], []
    for _ in range(ROUNDS):
        ours.append(_measure(_start))
        theirs.append(_measure(_import))
    cost = _median(ours)
    failure = f"above {LIMIT} s" if cost.wall > LIMIT else ""
    return [
        Result("start", 1, "importing", cost, _median(theirs), target=TARGET, failure=failure),
    ]


def _measure(action: Callable[[], float]) -> Cost:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall = action()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(cpu, wall)


def _start() -> float:
    """Start the daemon with one collector and give the seconds until both are there."""
    with tempfile.TemporaryDirectory() as folder, Collector() as collector:
        begin = time.monotonic()
        with Daemon(Path(folder), init=collector.document("a")) as daemon:
            with daemon.netconf():
                pass
            collector.receive()
            return time.monotonic() - begin


def _import() -> float:
    begin = time.monotonic()
    subprocess.run([sys.executable, "-c", _IMPORTS], check=True)
    return time.monotonic() - begin


def _median(costs: list[Cost]) -> Cost:
    return Cost(
        statistics.median(cost.cpu for cost in costs),
        statistics.median(cost.wall for cost in costs),
    )
