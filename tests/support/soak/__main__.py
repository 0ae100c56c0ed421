"""Run a soak and print its table: ``unshare --net --mount python -m tests.support.soak``."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.support.soak.load import LARGE, SMALL
from tests.support.soak.measure import Slope
from tests.support.soak.run import LONG, Soak

_WARM_UP = 300.0
"""Seconds after which memory has to be flat."""
_STEEPEST = 1.0
"""MiB per hour; a slope is steeper when all of its interval is."""


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def verdict(slope: Slope) -> str:
    """Write a slope, and say what it tells: growth, none, or too little to tell."""
    told = "cannot tell"
    if slope.least > _STEEPEST:
        told = "grows"
    elif slope.most <= _STEEPEST:
        told = "flat"
    return f"{slope.middle:+.2f} ({slope.least:+.2f} to {slope.most:+.2f}) MiB/h: {told}"


def report(soak: Soak, seconds: float) -> bool:
    """Print what happened as tables in Markdown; tell whether no memory is seen to grow."""
    _say(f"\n| what happened in {seconds / 60:.1f} minutes | times |\n|---|---|\n")
    for name, count in sorted(soak.kills.items()):
        _say(f"| kill -9 of the {name} | {count} |\n")
    for name, count in sorted(soak.faults.items()):
        _say(f"| {name.replace('_', ' ')} | {count} |\n")
    size = soak.load.size
    _say(f"| connections in the kernel | {size.connections} |\n")
    _say(f"| flows of simulated devices | {size.flows} |\n")
    _say(f"| commits | {soak.commits} |\n| commits refused, in words | {soak.refused} |\n")
    _say(f"| datagrams received by the steady collector | {soak.steady.received} |\n")
    _say(f"| of them missing | {soak.steady.lost} |\n\n")
    _say("| process | life | memory after warming up, at the end | slope | ")
    _say("descriptors, least to most |\n")
    _say("|---|---|---|---|---|\n")
    flat = True
    for name, series in sorted(soak.meter.longest().items()):
        warm_up = min(_WARM_UP, seconds / 3)
        slope = series.slope(warm_up)
        first, last = series.ends(warm_up)
        measured = seconds >= 4 * _WARM_UP and slope is not None
        flat = flat and not (measured and slope is not None and slope.least > _STEEPEST)
        words = "not known" if slope is None else verdict(slope)
        life = (series.times[-1] - series.times[0]) / 60
        _say(
            f"| {name} | {life:.0f} min | {first / 1024:.1f}, {last / 1024:.1f} MiB | {words} | "
            f"{min(series.descriptors)} to {max(series.descriptors)} |\n"
        )
    return flat


def main() -> int:
    """Run it; 0 when everything held."""
    parser = argparse.ArgumentParser(description="Soak flowexportd in faults.")
    parser.add_argument("--seconds", type=float, default=1800)
    parser.add_argument("--seed", type=int, default=None)
    given = parser.parse_args()
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(1 << 32)
    _say(f"seed {seed}, {given.seconds:.0f} s\n")
    with tempfile.TemporaryDirectory(prefix="fx-soak-") as folder:
        begin = time.monotonic()
        size = LARGE if given.seconds > LONG else SMALL
        soak = Soak(Path(folder), seed, size)
        try:
            soak.run(given.seconds, _say)
            flat = report(soak, time.monotonic() - begin)
        except (AssertionError, OSError):
            _say(soak.daemon.output[-20_000:] + "\n")
            raise
        finally:
            soak.close()
    _say("\nall ledgers agree\n" if flat else "\nmemory grows\n")
    return 0 if flat else 1


if __name__ == "__main__":
    sys.exit(main())
