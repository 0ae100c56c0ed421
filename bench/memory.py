"""What the processes take while nothing is asked of them: resident, shared pages included."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Final

from tests.support.daemon import Collector, Daemon

from bench.measure import Result, amount

LIMITS: Final = {"manager": 110.0, "exporter": 80.0}
"""MB."""

_SETTLE_S: Final = 12.0  # free pages are given back every ten seconds


def run(*, quick: bool) -> list[Result]:
    """Start with one collector, and look once what the start took is given back."""
    del quick  # it takes a few seconds
    with (
        tempfile.TemporaryDirectory() as folder,
        Collector() as collector,
        Daemon(Path(folder), init=collector.document("a")) as daemon,
    ):
        daemon.wait_started()
        collector.receive()
        time.sleep(_SETTLE_S)
        found = {name: _resident(daemon.child(name)) for name in LIMITS}
    return [
        amount(f"memory of the {name}, idle", 1, "MB", found[name], most)
        for name, most in LIMITS.items()
    ]


def _resident(process: int) -> float:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) * 1024 / 1e6
